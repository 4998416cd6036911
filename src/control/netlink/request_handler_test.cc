#include "control/netlink/request_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/netlink/codec.h"
#include "control/netlink/daemon_codec.h"
#include "testing/fake_service_manager.h"

namespace xvs::control::netlink {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr std::uint32_t kClientPort = 4711;
constexpr std::uint16_t kDo = message::kFlagRequest | message::kFlagAck;
constexpr std::uint16_t kList = kDo | message::kFlagDump;

model::VirtualService web_service() {
    model::VirtualService service;
    service.key.address = *net::IpAddress::parse("192.0.2.1");
    service.key.port = net::Port{80};
    return service;
}

model::Destination real_server(std::string_view endpoint) {
    model::Destination destination;
    destination.real = *net::Endpoint::parse(endpoint);
    return destination;
}

class RequestHandlerTest : public ::testing::Test {
protected:
    using Body = std::function<void(MessageWriter&)>;

    // Sends a request; what comes back, a dump's datagrams included.
    std::vector<Buffer> ask(Command command, std::uint16_t flags, const Body& body = {}) {
        return ask_raw(kFamilyId, flags, [&](MessageWriter& writer) {
            writer.put_generic_header(static_cast<std::uint8_t>(command), 1);
            if (body) body(writer);
        });
    }

    std::vector<Buffer> ask_raw(std::uint16_t type, std::uint16_t flags, const Body& body) {
        Buffer datagram;
        MessageWriter writer(datagram);
        writer.begin(
            {.length = 0, .type = type, .flags = flags, .sequence = 77, .port = kClientPort});
        body(writer);
        writer.end();
        Bytes bytes = datagram;
        Answer answer = handler_.handle(*MessageView::take(bytes), kClientPort);
        while (answer.dump) {
            Buffer next = answer.dump->next();
            if (next.empty()) break;
            answer.datagrams.push_back(std::move(next));
        }
        return std::move(answer.datagrams);
    }

    // The errno that ends an answer, 0 for success, -1 if there is none.
    static int error_of(const std::vector<Buffer>& datagrams) {
        for (const auto& datagram : datagrams) {
            Bytes bytes = datagram;
            while (const auto message = MessageView::take(bytes)) {
                EXPECT_EQ(message->header.sequence, 77U);
                EXPECT_EQ(message->header.port, kClientPort);
                if (message->header.type != message::kError) continue;
                std::int32_t number = 0;
                std::memcpy(&number, message->body.data(), sizeof number);
                return -number;
            }
        }
        return -1;
    }

    int do_edit(Command command, const Body& body = {}) {
        return error_of(ask(command, kDo, body));
    }

    static std::vector<std::uint16_t> types(const std::vector<Buffer>& datagrams) {
        std::vector<std::uint16_t> result;
        for (const auto& datagram : datagrams) {
            Bytes bytes = datagram;
            while (const auto message = MessageView::take(bytes))
                result.push_back(message->header.type);
        }
        return result;
    }

    static Body with(const model::VirtualService& service) {
        return [service](MessageWriter& writer) {
            write_service(writer, service);
        };
    }

    static Body with(const model::VirtualService& service, const model::Destination& destination) {
        return [=](MessageWriter& writer) {
            write_service(writer, service);
            write_destination(writer, destination);
        };
    }

    testing::FakeServiceManager services_;
    SyncDaemons daemons_{[](const std::string& name) {
        return name == "eth0" ? std::optional<unsigned>(1500) : std::nullopt;
    }};
    int edits_ = 0;
    RequestHandler handler_{services_, daemons_, [this] {
                                ++edits_;
                            }};
};

TEST_F(RequestHandlerTest, NamesItsFamilyAndEndsWithAnAcknowledgement) {
    const auto answer = ask_raw(kControllerFamilyId, kDo, [](MessageWriter& writer) {
        writer.put_generic_header(controller::kGetFamily, 1);
        writer.put_string(controller::kFamilyNameAttribute, "IPVS");
    });
    ASSERT_THAT(types(answer), ElementsAre(kControllerFamilyId, message::kError));
    const auto body = Bytes(answer[0]).subspan(MessageHeader::kSize + GenericView::kHeaderSize);
    const Attributes attributes(body);
    EXPECT_EQ(attributes.u16(controller::kFamilyIdAttribute), kFamilyId);
    EXPECT_EQ(attributes.string(controller::kFamilyNameAttribute, 15), "IPVS");
    EXPECT_EQ(error_of(answer), 0);
}

TEST_F(RequestHandlerTest, KnowsNoOtherFamily) {
    const auto answer = ask_raw(kControllerFamilyId, kDo, [](MessageWriter& writer) {
        writer.put_generic_header(controller::kGetFamily, 1);
        writer.put_string(controller::kFamilyNameAttribute, "nl80211");
    });
    EXPECT_EQ(error_of(answer), ENOENT);
    EXPECT_EQ(error_of(ask_raw(
                  0x15, kDo, [](MessageWriter& writer) { writer.put_generic_header(1, 1); })),
              ENOENT);
}

TEST_F(RequestHandlerTest, AddsEditsAndDeletesServices) {
    auto service = web_service();
    EXPECT_EQ(do_edit(Command::NewService, with(service)), 0);
    EXPECT_EQ(do_edit(Command::NewService, with(service)), EEXIST);
    service.scheduler = "rr";
    EXPECT_EQ(do_edit(Command::SetService, with(service)), 0);
    EXPECT_EQ(services_.get_service(service.key)->service.scheduler, "rr");
    service.scheduler = "nosuch";
    EXPECT_EQ(do_edit(Command::SetService, with(service)), ENOENT);
    EXPECT_EQ(do_edit(Command::DeleteService, with(service)), 0);
    EXPECT_EQ(do_edit(Command::DeleteService, with(service)), ESRCH);
    EXPECT_EQ(do_edit(Command::SetService, with(service)), ESRCH);
    EXPECT_EQ(edits_, 0);
    handler_.finish_edits();
    handler_.finish_edits();
    EXPECT_EQ(edits_, 1);
}

TEST_F(RequestHandlerTest, KeepsWhatAClientOfIpvsAloneCannotSay) {
    auto service = web_service();
    service.clamps_mss = true;
    ASSERT_EQ(do_edit(Command::NewService, with(service)), 0);
    const auto as_ipvsadm = [](MessageWriter& writer) {
        Buffer whole;
        MessageWriter inner(whole);
        write_service(inner, web_service());
        // The last attribute is XVS's own; the nest's length goes with it.
        constexpr std::size_t kOwn = 8;
        const auto length = static_cast<std::uint16_t>(whole.size() - kOwn);
        std::memcpy(whole.data(), &length, sizeof length);
        writer.put_raw(Bytes(whole).first(length));
    };
    EXPECT_EQ(do_edit(Command::SetService, as_ipvsadm), 0);
    EXPECT_TRUE(services_.get_service(service.key)->service.clamps_mss);
    service.clamps_mss = false;
    EXPECT_EQ(do_edit(Command::SetService, with(service)), 0);
    EXPECT_FALSE(services_.get_service(service.key)->service.clamps_mss);
}

TEST_F(RequestHandlerTest, TellsOnlyOfWhatChangedSomething) {
    EXPECT_EQ(do_edit(Command::DeleteService, with(web_service())), ESRCH);
    EXPECT_EQ(do_edit(Command::Zero), 0);
    ask(Command::GetService, kList);
    handler_.finish_edits();
    EXPECT_EQ(edits_, 0);
    EXPECT_EQ(do_edit(Command::NewDaemon,
                      [](MessageWriter& writer) {
                          model::SyncDaemon daemon;
                          daemon.interface = "eth0";
                          write_daemon(writer, daemon);
                      }),
              0);
    handler_.finish_edits();
    EXPECT_EQ(edits_, 1);
}

TEST_F(RequestHandlerTest, ChangesOnlyTheFlagsThatTheMaskNames) {
    auto service = web_service();
    service.flags = model::kServiceOnePacket;
    ASSERT_EQ(do_edit(Command::NewService, with(service)), 0);
    const auto flags = [](MessageWriter& writer) {
        const std::array<std::uint32_t, 2> value{model::kServicePersistent,
                                                 model::kServicePersistent};
        const auto nest = writer.begin_nest(attribute::kService);
        writer.put_u16(attribute::kServiceFamily, 2);
        writer.put_u16(attribute::kServiceProtocol, 6);
        write_address(writer, attribute::kServiceAddress, web_service().key.address);
        writer.put_be16(attribute::kServicePort, 80);
        writer.put_string(attribute::kServiceScheduler, "wlc");
        writer.put_bytes(attribute::kServiceFlags, std::as_bytes(std::span(value)));
        writer.put_u32(attribute::kServiceTimeout, 60);
        writer.put_be32(attribute::kServiceNetmask, 0xffffff00);
        writer.end_nest(nest);
    };
    EXPECT_EQ(do_edit(Command::SetService, flags), 0);
    const auto now = services_.get_service(service.key)->service;
    EXPECT_EQ(now.flags,
              model::kServicePersistent | model::kServiceOnePacket | model::kServiceHashed);
    EXPECT_EQ(now.persistence_mask, 0xffffff00U);
}

TEST_F(RequestHandlerTest, AnswersEditsOfDestinationsWithTheKernelsErrors) {
    const auto service = web_service();
    auto real = real_server("10.0.0.11:8080");
    EXPECT_EQ(do_edit(Command::NewDestination, with(service, real)), ESRCH);
    ASSERT_EQ(do_edit(Command::NewService, with(service)), 0);
    EXPECT_EQ(do_edit(Command::SetDestination, with(service, real)), ENOENT);
    EXPECT_EQ(do_edit(Command::NewDestination, with(service, real)), 0);
    EXPECT_EQ(do_edit(Command::NewDestination, with(service, real)), EEXIST);
    real.lower_threshold = 9;
    EXPECT_EQ(do_edit(Command::SetDestination, with(service, real)), ERANGE);
    EXPECT_EQ(do_edit(Command::NewDestination, with(service, real_server("224.0.0.1:80"))), EINVAL);
    EXPECT_EQ(do_edit(Command::NewDestination, with(service)), EINVAL);
    EXPECT_EQ(do_edit(Command::DeleteDestination, with(service, real)), 0);
    EXPECT_EQ(do_edit(Command::DeleteDestination, with(service, real)), ENOENT);
}

TEST_F(RequestHandlerTest, RefusesWhatACommandCannotDo) {
    EXPECT_EQ(error_of(ask(static_cast<Command>(99), kDo)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ask(Command::GetDestination, kDo)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ask(Command::GetDaemon, kDo)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ask(Command::GetInfo, kList)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ask(Command::NewService, kList, with(web_service()))), EOPNOTSUPP);
    EXPECT_EQ(error_of(ask(Command::GetService, kDo)), EINVAL);
    EXPECT_EQ(error_of(ask_raw(kFamilyId, kDo, [](MessageWriter&) {})), EINVAL);
}

TEST_F(RequestHandlerTest, AcknowledgesOnlyOnRequestButAlwaysReportsErrors) {
    EXPECT_THAT(ask(Command::Flush, message::kFlagRequest), IsEmpty());
    EXPECT_EQ(error_of(ask(Command::GetService, message::kFlagRequest)), EINVAL);
    EXPECT_THAT(ask_raw(message::kNoop, 0, [](MessageWriter&) {}), IsEmpty());
    EXPECT_EQ(error_of(ask_raw(message::kNoop, message::kFlagAck, [](MessageWriter&) {})), 0);
}

TEST_F(RequestHandlerTest, AcknowledgesWithTheCappedRequestAndQuotesItInErrors) {
    const auto success = ask(Command::Flush, kDo);
    ASSERT_THAT(success, SizeIs(1));
    EXPECT_EQ(MessageHeader::load(success[0])->flags, message::kFlagCapped);
    EXPECT_EQ(success[0].size(), 16U + 4 + 16);
    const auto error = ask(Command::DeleteService, kDo, with(web_service()));
    ASSERT_THAT(error, SizeIs(1));
    EXPECT_EQ(MessageHeader::load(error[0])->flags, 0);
    Bytes quoted = Bytes(error[0]).subspan(16 + 4);
    EXPECT_EQ(MessageHeader::load(quoted)->length, quoted.size());
}

// What Linux 6.1 answers, recorded; of its 64-bit attributes the padding is left out.
TEST_F(RequestHandlerTest, WritesAServiceInTheKernelsOrder) {
    auto service = web_service();
    service.flags = model::kServicePersistent;
    service.persistence_timeout_s = 60;
    ASSERT_EQ(do_edit(Command::NewService, with(service)), 0);
    const auto answer = ask(Command::GetService, kDo, with(service));
    ASSERT_THAT(answer, SizeIs(2));
    Bytes bytes = answer[0];
    const auto view = MessageView::take(bytes);
    EXPECT_EQ(view->header.flags, 0);
    const auto nest = Attributes(GenericView::parse(view->body)->attributes).bytes(1);
    std::vector<std::uint16_t> order;
    for (Bytes rest = nest; rest.size() >= 4;) {
        std::array<std::uint16_t, 2> header{};
        std::memcpy(header.data(), rest.data(), sizeof header);
        order.push_back(header[1]);
        rest = rest.subspan(std::min<std::size_t>(rest.size(), (header[0] + 3U) & ~3U));
    }
    EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 6, 7, 8, 9, 10, 12));
    EXPECT_EQ(Attributes(nest).bytes(3).size(), 16U);
    EXPECT_EQ(Attributes(nest).u32(7), model::kServicePersistent | model::kServiceHashed);
}

TEST_F(RequestHandlerTest, CutsListingsIntoDatagramsThatOldClientsCanRead) {
    constexpr int kCount = 300;
    for (int i = 0; i < kCount; ++i) {
        auto service = web_service();
        service.key.port = net::Port{static_cast<std::uint16_t>(1000 + i)};
        ASSERT_TRUE(services_.add_service(service));
    }
    const auto answer = ask(Command::GetService, kList);
    const auto listed = types(answer);
    EXPECT_EQ(std::count(listed.begin(), listed.end(), kFamilyId), kCount);
    EXPECT_EQ(listed.back(), message::kDone);
    std::vector<std::size_t> sizes;
    for (const auto& datagram : answer)
        sizes.push_back(datagram.size());
    EXPECT_THAT(sizes, Each(Le(kMaxDatagramSize)));
}

TEST_F(RequestHandlerTest, ListsNothingForAServiceThatIsNotThere) {
    EXPECT_THAT(types(ask(Command::GetDestination, kList, with(web_service()))),
                ElementsAre(message::kDone));
    EXPECT_THAT(types(ask(Command::GetDestination, kList)), ElementsAre(message::kDone));
}

TEST_F(RequestHandlerTest, KeepsTimeoutsThatAreZero) {
    const auto set = [](std::uint32_t tcp) {
        return [tcp](MessageWriter& writer) {
            writer.put_u32(attribute::kTimeoutTcp, tcp);
            writer.put_u32(attribute::kTimeoutUdp, 0);
        };
    };
    EXPECT_EQ(do_edit(Command::SetConfig, set(100)), 0);
    EXPECT_EQ(services_.timeouts(),
              (model::Timeouts{.tcp_s = 100, .tcp_fin_s = 120, .udp_s = 300}));
    EXPECT_EQ(do_edit(Command::SetConfig, set(0xffffffff)), EINVAL);
    EXPECT_EQ(do_edit(Command::SetConfig,
                      [](MessageWriter& writer) { writer.put_u16(attribute::kTimeoutTcp, 1); }),
              ERANGE);
}

TEST_F(RequestHandlerTest, ListsAndSetsSettingsByTheirNames) {
    const auto set = [this](const char* name, const char* value) {
        return do_edit(Command::SetSysctl, [&](MessageWriter& writer) {
            write_sysctl(writer, {name, value});
        });
    };
    EXPECT_EQ(set("sloppy_tcp", "1"), 0);
    EXPECT_EQ(services_.sysctls().sloppy_tcp, 1);
    EXPECT_EQ(set("sloppy_udp", "1"), ENOENT);
    EXPECT_EQ(set("drop_entry", "4"), EINVAL);
    EXPECT_EQ(set("sloppy_tcp", std::string(100, '1').c_str()), EINVAL);
    EXPECT_EQ(do_edit(Command::SetSysctl), EINVAL);
    handler_.finish_edits();
    EXPECT_EQ(edits_, 1);
    const std::size_t entries = types(ask(Command::GetSysctl, kList)).size() - 1;
    EXPECT_EQ(entries, model::list_sysctls({}).size());
}

TEST_F(RequestHandlerTest, StartsSyncDaemonsOnceEachAndNotBesideMixedFamilies) {
    const auto daemon = [](model::SyncRole role, const char* interface) {
        return [=](MessageWriter& writer) {
            const auto nest = writer.begin_nest(attribute::kDaemon);
            writer.put_u32(attribute::kDaemonState, static_cast<std::uint32_t>(role));
            writer.put_string(attribute::kDaemonInterface, interface);
            writer.put_u32(attribute::kDaemonSyncId, 7);
            writer.end_nest(nest);
        };
    };
    using enum model::SyncRole;
    EXPECT_EQ(do_edit(Command::NewDaemon, daemon(Backup, "eth1")), ENODEV);
    EXPECT_EQ(do_edit(Command::NewDaemon, daemon(Backup, "eth0")), 0);
    EXPECT_EQ(do_edit(Command::NewDaemon, daemon(Backup, "eth0")), EEXIST);
    EXPECT_EQ(do_edit(Command::NewDaemon, daemon(Master, "eth0")), 0);
    EXPECT_EQ(daemons_.running()[0].role, Master);
    EXPECT_EQ(daemons_.running()[0].max_length, 1472);
    auto tunnel = real_server("[2001:db8::11]:80");
    tunnel.method = model::ForwardingMethod::Tunnel;
    ASSERT_EQ(do_edit(Command::NewService, with(web_service())), 0);
    EXPECT_EQ(do_edit(Command::NewDestination, with(web_service(), tunnel)), EINVAL);
    EXPECT_EQ(do_edit(Command::DeleteDaemon, daemon(Master, "")), 0);
    EXPECT_EQ(do_edit(Command::DeleteDaemon, daemon(Master, "")), ESRCH);
    EXPECT_EQ(do_edit(Command::DeleteDaemon, daemon(Backup, "")), 0);
    EXPECT_EQ(do_edit(Command::NewDestination, with(web_service(), tunnel)), 0);
    EXPECT_EQ(do_edit(Command::NewDaemon, daemon(Master, "eth0")), EINVAL);
}

}  // namespace
}  // namespace xvs::control::netlink
