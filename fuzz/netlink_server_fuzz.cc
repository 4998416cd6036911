// A director that clients of the netlink port talk to, with some packets in between: whatever they
// say, its tables agree, and when all its services are gone nothing is left.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "control/engine_service_manager.h"
#include "control/netlink/request_handler.h"
#include "testing/director.h"
#include "testing/netlink_requests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace xvs;           // NOLINT(google-build-using-namespace): a fuzz target
using namespace xvs::control;  // NOLINT(google-build-using-namespace): a fuzz target

constexpr std::uint8_t kOwner = 2;  // VIPs are 192.0.2.0 to 192.0.2.3

void check(const std::string& problems) {
    if (problems.empty()) return;
    std::fputs(problems.c_str(), stderr);
    std::abort();
}

void ask(netlink::RequestHandler& handler, netlink::Bytes datagram) {
    while (const auto message = netlink::MessageView::take(datagram)) {
        netlink::Answer answer = handler.handle(*message, 1);
        while (answer.dump && !answer.dump->next().empty()) {
        }
    }
    handler.finish_edits();
}

void send_to_vip(test::Director& director, unsigned what) {
    const auto client =
        net::Endpoint::parse("198.51.100.7:" + std::to_string(40000 + (what >> 4 & 3)));
    const auto vip = net::Endpoint::parse("192.0.2." + std::to_string(what & 3) + ":80");
    const std::uint32_t mark = (what & 128) != 0 ? kOwner * 8U + (what & 3) : 0;
    const test::Packet packet =
        (what & 8) != 0 ? test::Packet::udp(*client, *vip) : test::Packet::tcp(*client, *vip);
    (void)director.receives((what & 8) != 0 ? packet : packet.flags((what & 4) != 0 ? "S" : "."),
                            {.fwmark = mark});
}

void end(test::Director& director, EngineServiceManager& manager) {
    manager.flush();
    for (int second = 0; second < 1500; ++second) {
        director.clock.advance(std::chrono::seconds(1));
        director.engine.run_timers();
    }
    (void)director.advance(std::chrono::seconds(1));
    check(director.inconsistencies() + director.leftovers());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    test::Director director("", 64);
    for (const char* address : {"192.0.2.0", "192.0.2.3"})
        director.router.add_local(*net::IpAddress::parse(address));
    Gate gate;
    EngineServiceManager manager(director.engine, gate);
    SyncDaemons daemons([](const std::string&) { return 1500U; });
    netlink::RequestHandler handler(manager, daemons);
    std::span<const std::uint8_t> bytes(data, size);
    const auto draw = [&]() -> unsigned {
        if (bytes.empty()) return 0;
        const unsigned value = bytes.front();
        bytes = bytes.subspan(1);
        return value;
    };
    test::NetlinkRequests requests(draw, kOwner);
    std::uint32_t number = 0;
    while (!bytes.empty()) {
        ask(handler, requests.next(++number));
        if (const unsigned what = draw(); what != 0) send_to_vip(director, what);
        if (number % 8 == 0) check(director.inconsistencies());
    }
    check(director.inconsistencies());
    end(director, manager);
    return 0;
}
