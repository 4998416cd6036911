// Every scenario with the steering program in the kernel before the engine, over the tables that
// the engine uses: once as with --no-fast-path, once with established packets replayed at tc, once
// with those replayed at XDP that can be; and at XDP with what the engine must see going up from
// there by AF_XDP, with and without replaying; and with new connections drawn from stocks of
// decisions, at tc and at XDP.
#include <gtest/gtest.h>

#include "testing/engine_target.h"
#include "testing/literals.h"
#include "testing/program_entrance.h"
#include "tests/scenario/scenario_cases.h"

namespace xvs::test {
namespace {

// How many packets did not pass the engine, how many came to it by AF_XDP, and how many connections
// began without it.
struct Ways {
    std::uint64_t replays = 0;
    std::uint64_t raised = 0;
    std::uint64_t drawn = 0;
};

Ways run(const std::string& path, TestedProgram& program, std::uint32_t stock = 0) {
    const auto scenario = read_scenario(path);
    if (!scenario) {
        ADD_FAILURE() << scenario.error().context;
        return {};
    }
    EngineTarget target(
        {.storage = &program.storage(), .cpus = TestedProgram::cpus(), .stock = stock});
    const auto entrance = program.stand_before(target.director());
    if (!entrance) {
        ADD_FAILURE() << entrance.error().context;
        return {};
    }
    target.enter_by(**entrance);
    const auto status = run_scenario(*scenario, target);
    EXPECT_TRUE(status) << status.error().context;
    target.director().engine.catch_up();
    EXPECT_EQ(target.director().inconsistencies(), "");
    EXPECT_EQ((*entrance)->missed_at_xdp(), 0U);
    return {.replays = (*entrance)->replays(),
            .raised = (*entrance)->raised(),
            .drawn = target.director().engine.drawn_connections()};
}

class ProgramScenarios : public ::testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    }
};

class WithoutFastPath : public ProgramScenarios {
protected:
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = false, .at_xdp = false, .by_af_xdp = false});
    }

    static void TearDownTestSuite() { program_.reset(); }

    static std::unique_ptr<TestedProgram> program_;
};

std::unique_ptr<TestedProgram> WithoutFastPath::program_;

TEST_P(WithoutFastPath, Runs) {
    EXPECT_EQ(run(GetParam(), *program_).replays, 0U);
}

class WithFastPath : public ProgramScenarios {
protected:
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = true, .at_xdp = false, .by_af_xdp = false});
    }

    // Most scenarios are about what the engine decides; in some a connection goes on.
    static void TearDownTestSuite() {
        program_.reset();
        const bool is_whole = GTEST_FLAG_GET(filter) == "*" && why_no_programs().empty();
        EXPECT_TRUE(replays_ >= 10 || !is_whole) << replays_;
    }

    static std::unique_ptr<TestedProgram> program_;
    static std::uint64_t replays_;
};

std::unique_ptr<TestedProgram> WithFastPath::program_;
std::uint64_t WithFastPath::replays_ = 0;

TEST_P(WithFastPath, Runs) {
    replays_ += run(GetParam(), *program_).replays;
}

class WithStocks : public WithFastPath {
protected:
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(TestedProgram::Options{
            .replays = true, .at_xdp = false, .draws = true, .by_af_xdp = false});
        replays_ = 0;
        drawn_ = 0;
    }

    static void TearDownTestSuite() {
        const bool is_whole = GTEST_FLAG_GET(filter) == "*" && why_no_programs().empty();
        EXPECT_TRUE(drawn_ >= 10 || !is_whole) << drawn_;
        WithFastPath::TearDownTestSuite();
    }

    static std::uint64_t drawn_;
};

std::uint64_t WithStocks::drawn_ = 0;

TEST_P(WithStocks, Runs) {
    const Ways ways = run(GetParam(), *program_, 16);
    replays_ += ways.replays;
    drawn_ += ways.drawn;
}

class AtXdp : public WithFastPath {
protected:
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = true, .at_xdp = true, .by_af_xdp = false});
        replays_ = 0;
    }
};

TEST_P(AtXdp, Runs) {
    replays_ += run(GetParam(), *program_).replays;
}

// New connections begin there too.
class WithStocksAtXdp : public WithStocks {
protected:
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(TestedProgram::Options{
            .replays = true, .at_xdp = true, .draws = true, .by_af_xdp = false});
        replays_ = 0;
        drawn_ = 0;
    }
};

TEST_P(WithStocksAtXdp, Runs) {
    const Ways ways = run(GetParam(), *program_, 16);
    replays_ += ways.replays;
    drawn_ += ways.drawn;
}

// What the engine must see comes up from XDP.
class ByAfXdp : public AtXdp {
protected:
    static void SetUpTestSuite() { set_up(true); }

    static void TearDownTestSuite() {
        const bool is_whole = GTEST_FLAG_GET(filter) == "*" && why_no_programs().empty();
        EXPECT_TRUE(raised_ >= 100 || !is_whole) << raised_;
        AtXdp::TearDownTestSuite();
    }

    static void set_up(bool replays) {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = replays, .at_xdp = true, .by_af_xdp = true});
        replays_ = 0;
        raised_ = 0;
    }

    static std::uint64_t raised_;
};

std::uint64_t ByAfXdp::raised_ = 0;

TEST_P(ByAfXdp, Runs) {
    const Ways ways = run(GetParam(), *program_);
    replays_ += ways.replays;
    raised_ += ways.raised;
}

class AllByAfXdp : public ByAfXdp {
protected:
    static void SetUpTestSuite() { set_up(false); }

    static void TearDownTestSuite() { program_.reset(); }
};

TEST_P(AllByAfXdp, Runs) {
    EXPECT_EQ(run(GetParam(), *program_).replays, 0U);
}

// A frame on the wire may be for somebody else, which the kernel sees to before tc.
TEST(FrameAtXdp, IsLeftAloneIfItIsNotForTheInterface) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    TestedProgram program({.replays = true, .at_xdp = true, .by_af_xdp = false});
    EngineTarget target({.storage = &program.storage(), .cpus = TestedProgram::cpus()});
    const auto entrance = program.stand_before(target.director());
    ASSERT_TRUE(entrance) << entrance.error().context;
    target.enter_by(**entrance);
    target.ipvsadm({"-A", "-u", "192.0.2.1:53", "-s", "rr"});
    target.ipvsadm({"-a", "-u", "192.0.2.1:53", "-r", "10.0.0.11:53", "-m"});
    const Packet query = Packet::udp("198.51.100.7:40001"_ep, "192.0.2.1:53"_ep);
    target.send(topology::kHosts[0], query);
    const net::MacAddress own = director_link(Side::Client).mac;
    const net::MacAddress client = topology::kHosts[0].mac;
    EXPECT_EQ((*entrance)->admit(query.frame(client, own), Side::Client).way,
              Passage::Way::Replayed);
    EXPECT_EQ((*entrance)->missed_at_xdp(), 0U);
    (void)(*entrance)->admit(query.frame(client, client), Side::Client);
    EXPECT_EQ((*entrance)->missed_at_xdp(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Program, WithoutFastPath, all_scenarios(), scenario_name);
INSTANTIATE_TEST_SUITE_P(Program, WithFastPath, all_scenarios(), scenario_name);
INSTANTIATE_TEST_SUITE_P(Program, WithStocks, all_scenarios(), scenario_name);
INSTANTIATE_TEST_SUITE_P(Program, AtXdp, all_scenarios(), scenario_name);
INSTANTIATE_TEST_SUITE_P(Program, WithStocksAtXdp, all_scenarios(), scenario_name);
INSTANTIATE_TEST_SUITE_P(Program, ByAfXdp, all_scenarios(), scenario_name);
INSTANTIATE_TEST_SUITE_P(Program, AllByAfXdp, all_scenarios(), scenario_name);

}  // namespace
}  // namespace xvs::test
