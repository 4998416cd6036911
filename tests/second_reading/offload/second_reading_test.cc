// A flow that is retired, and whose slot may be another's by then, while a packet of it is being
// replayed: the program reads the state word again and sends the packet to the engine.
#include <gtest/gtest.h>

#include "testing/engine_target.h"
#include "testing/literals.h"
#include "testing/program_entrance.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

struct Case {
    const char* name;
    bool at_xdp;
    net::Endpoint client;
    net::Endpoint vip;
    const char* service;
    const char* real;
};

class SecondReading : public ::testing::TestWithParam<Case> {};

TEST_P(SecondReading, KeepsAPacketFromBeingReplayedAsARetiredFlows) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    const Case& it = GetParam();
    TestedProgram program({.replays = true, .at_xdp = it.at_xdp, .by_af_xdp = false});
    EngineTarget target({.storage = &program.storage(), .cpus = TestedProgram::cpus()});
    const auto entrance = program.stand_before(target.director());
    ASSERT_TRUE(entrance) << entrance.error().context;
    target.enter_by(**entrance);
    target.ipvsadm({"-A", "-u", it.service, "-s", "rr"});
    target.ipvsadm({"-a", "-u", it.service, "-r", it.real, "-m"});
    const Packet query = Packet::udp(it.client, it.vip);
    target.send(topology::kHosts[0], query);
    ASSERT_EQ(target.director().connections().size(), 1U);

    const Bytes frame = query.frame(topology::kHosts[0].mac, director_link(Side::Client).mac);
    const Passage passage = (*entrance)->admit(frame, Side::Client);
    EXPECT_EQ(passage.way, Passage::Way::Engine);
    EXPECT_EQ(passage.frame, frame) << "it was rewritten";
    EXPECT_EQ((*entrance)->replays(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Program,
                         SecondReading,
                         ::testing::Values(Case{"tc_ipv4",
                                                false,
                                                "198.51.100.7:40001"_ep,
                                                "192.0.2.1:53"_ep,
                                                "192.0.2.1:53",
                                                "10.0.0.11:53"},
                                           Case{"xdp_ipv4",
                                                true,
                                                "198.51.100.7:40001"_ep,
                                                "192.0.2.1:53"_ep,
                                                "192.0.2.1:53",
                                                "10.0.0.11:53"},
                                           Case{"tc_ipv6",
                                                false,
                                                "[2001:db8:1::7]:40001"_ep,
                                                "[2001:db8::1]:53"_ep,
                                                "[2001:db8::1]:53",
                                                "[2001:db8:2::11]:53"}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace xvs::test
