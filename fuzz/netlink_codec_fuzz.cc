// Requests of any shape to a director with a service, and the same bytes as replies to a client.
#include <cstddef>
#include <cstdint>

#include "control/netlink/codec.h"
#include "control/netlink/daemon_codec.h"
#include "control/netlink/request_handler.h"
#include "testing/fake_service_manager.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xvs::control::netlink;
    xvs::testing::FakeServiceManager services;
    xvs::control::SyncDaemons daemons([](const std::string&) { return 1500U; });
    RequestHandler handler(services, daemons);
    Bytes rest = std::as_bytes(std::span(data, size));
    while (const auto message = MessageView::take(rest)) {
        Answer answer = handler.handle(*message, 1);
        while (answer.dump && !answer.dump->next().empty()) {
        }
        const auto generic = GenericView::parse(message->body);
        if (!generic) continue;
        const Attributes top(generic->attributes);
        static_cast<void>(read_service_status(top.bytes(attribute::kService)));
        static_cast<void>(
            read_destination_status(top.bytes(attribute::kDestination), xvs::net::Family::Ipv6));
        static_cast<void>(read_daemon(top.bytes(attribute::kDaemon)));
        static_cast<void>(read_connection(top.bytes(attribute::kConnection)));
        static_cast<void>(read_timeouts(top, {}));
    }
    return 0;
}
