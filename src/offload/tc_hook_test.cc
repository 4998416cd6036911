// Attaching by TCX and by clsact, on the loopback interface of a network namespace of the test's
// own.
#include "offload/tc_hook.h"

#include <array>
#include <memory>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "offload/served_interfaces.h"
#include "offload/steering_maps.h"
#include "offload/steering_program.h"

namespace xvs::offload {
namespace {

constexpr std::uint32_t kLoopback = 1;

class Attach : public ::testing::TestWithParam<TcAttach> {
protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "a network namespace needs root";
        auto program = SteeringProgram::load({.storage = nullptr,
                                              .header = nullptr,
                                              .control = -1,
                                              .replays = false,
                                              .is_watched = GetParam() == TcAttach::Clsact,
                                              .is_tested = false});
        if (!program) GTEST_SKIP() << program.error().context;
        program_ = std::move(*program);
        const int drop = program_->program(SteeringPart::Drop);
        if (GetParam() == TcAttach::Tcx && find_tc_attach(drop, kLoopback) != TcAttach::Tcx)
            GTEST_SKIP() << "this kernel has no TCX (Linux 6.6)";
    }

    [[nodiscard]] Result<TcHook> attach(SteeringPart part = SteeringPart::Ingress) {
        return TcHook::attach(program_->program(part),
                              {.ifindex = kLoopback,
                               .direction = TcDirection::Ingress,
                               .how = GetParam(),
                               .pins = nullptr});
    }

    std::unique_ptr<SteeringProgram> program_;
};

INSTANTIATE_TEST_SUITE_P(TcHook,
                         Attach,
                         ::testing::Values(TcAttach::Tcx, TcAttach::Clsact),
                         [](const auto& attach) {
                             return attach.param == TcAttach::Tcx ? "Tcx" : "Clsact";
                         });

// Removes whatever filter stands where ours do, as another tool might.
void remove_clsact() {
    LIBBPF_OPTS(bpf_tc_hook,
                hook,
                .ifindex = static_cast<int>(kLoopback),
                .attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
    ASSERT_EQ(::bpf_tc_hook_destroy(&hook), 0);
}

TEST_P(Attach, StaysUntilItsOwnerGoes) {
    auto hook = attach();
    ASSERT_TRUE(hook) << hook.error().context;
    EXPECT_TRUE(hook->is_attached());
    TcHook moved = std::move(*hook);
    EXPECT_TRUE(moved.is_attached());
    EXPECT_FALSE(hook->is_attached());
}

TEST_P(Attach, SaysWhichInterfaceIsNotThere) {
    const auto hook = TcHook::attach(
        program_->program(SteeringPart::Ingress),
        {.ifindex = 4242, .direction = TcDirection::Egress, .how = GetParam(), .pins = nullptr});
    ASSERT_FALSE(hook);
    EXPECT_NE(hook.error().context.find("4242"), std::string::npos);
}

TEST_P(Attach, ThatFailsLeavesNoSlotTaken) {
    ServedInterfaces served(*program_, GetParam());
    EXPECT_FALSE(
        served.serve({.ifindex = 4242, .name = "none", .mac = {}, .has_link_header = true}));
    EXPECT_EQ(program_->interfaces()[0].ifindex, 0U);
    EXPECT_FALSE(served.is_served(4242));
}

TEST_P(Attach, IsRepairedWhenAnotherToolRemovesIt) {
    ServedInterfaces served(*program_, GetParam());
    ASSERT_TRUE(
        served.serve({.ifindex = kLoopback, .name = "lo", .mac = {}, .has_link_header = true}));
    EXPECT_EQ(served.repair(), 0U);
    if (GetParam() == TcAttach::Tcx) return;  // a link is its owner's
    remove_clsact();
    EXPECT_EQ(served.repair(), 2U);
    EXPECT_EQ(served.repair(), 0U);
}

TEST_P(Attach, ReplacesWhatAKilledDaemonLeftBehind) {
    auto left_behind = attach(SteeringPart::Drop);
    ASSERT_TRUE(left_behind);
    auto hook = attach();
    ASSERT_TRUE(hook) << hook.error().context;
    EXPECT_TRUE(hook->is_attached());
    EXPECT_EQ(left_behind->is_attached(), GetParam() == TcAttach::Tcx);
}

// A frame for a service that the maps know; without tables there is no flow.
int action_on_service_packet(int program) {
    std::array<unsigned char, 60> frame{};
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[23] = 6;
    frame[30] = 192;
    frame[32] = 2;
    frame[33] = 1;
    frame[37] = 80;
    LIBBPF_OPTS(bpf_test_run_opts,
                options,
                .data_in = frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()));
    EXPECT_EQ(::bpf_prog_test_run_opts(program, &options), 0);
    return static_cast<int>(options.retval);
}

TEST_P(Attach, AWatchedProgramSteersAsLongAsItsDaemonLives) {
    if (GetParam() == TcAttach::Tcx) return;  // goes with the daemon itself
    const auto vip = *net::IpAddress::parse("192.0.2.1");
    {
        SteeringMaps maps(*program_);
        maps.set_local_prefixes({net::Prefix::of(vip)});
        maps.add_service(
            {.protocol = model::Protocol::Tcp, .address = vip, .port = net::Port{80}, .fwmark = 0});
    }
    const std::uint32_t slot = 0;
    ASSERT_EQ(::bpf_map_update_elem(program_->map(SteeringMap::Slots), &kLoopback, &slot, 0), 0);
    const UniqueFd program(::dup(program_->program(SteeringPart::Ingress)));
    EXPECT_EQ(action_on_service_packet(program.get()), TC_ACT_REDIRECT);
    program_.reset();
    EXPECT_EQ(action_on_service_packet(program.get()), TC_ACT_UNSPEC);
}

}  // namespace
}  // namespace xvs::offload
