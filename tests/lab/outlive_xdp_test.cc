// What outlives the daemon where interfaces are met at XDP.
#include <cerrno>
#include <cstring>

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <bpf/bpf.h>

#include "base/unique_fd.h"
#include "tests/lab/outlives_fixture.h"

namespace xvs::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Passes every frame on. A veth whose other end turns a frame round (XDP_TX) is told of it only if
// it has a program itself; for frames that are redirected GRO is enough.
Result<UniqueFd> load_pass() {
    const bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K,
         .dst_reg = 0,
         .src_reg = 0,
         .off = 0,
         .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    UniqueFd program(::bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", code, 2, nullptr));
    if (!program.is_open()) return fail(system_error("a program at XDP", errno));
    return program;
}

// The ends of the director's cables take frames that were sent from XDP, and nobody leaves
// checksums to be filled in.
class OutlivesAtXdp : public Outlives {
protected:
    void prepare() override {
        ASSERT_OK_AND_ASSIGN(pass, load_pass());
        for (const Cable& cable : lab_->plan().cables) {
            const bool is_first = cable.first.node == "director";
            if (is_first || cable.second.node == "director")
                attach(pass.get(), is_first ? cable.second : cable.first);
            for (const Plug* plug : {&cable.first, &cable.second}) {
                if (plug->node == "director") {
                    attach_.insert(attach_.end(), {"--attach", plug->interface + "=xdp"});
                    interfaces_.push_back(plug->interface);
                } else {
                    ASSERT_OK(lab_->node(plug->node)
                                  .run_checked(
                                      command("ethtool -K " + plug->interface + " tx off gro on")));
                }
            }
        }
    }

    void attach(int program, const Plug& plug) {
        const NetworkNamespace::Scope inside(lab_->node(plug.node));
        bpf_link_create_opts options{};  // libbpf's macro is no C++ to clang
        options.sz = sizeof(options);
        options.flags = XDP_FLAGS_DRV_MODE;
        const auto ifindex = static_cast<int>(::if_nametoindex(plug.interface.c_str()));
        passing_.emplace_back(::bpf_link_create(program, ifindex, BPF_XDP, &options));
        ASSERT_TRUE(passing_.back().is_open()) << std::strerror(errno);
    }

    [[nodiscard]] std::vector<std::string> arguments() const override { return attach_; }

    [[nodiscard]] std::string links() const {
        return director().run_checked(command("ip -details link")).value_or("");
    }

    // Frames that XDP has sent on.
    [[nodiscard]] std::uint64_t replayed() const {
        std::uint64_t sum = 0;
        for (const std::string& interface : interfaces_) {
            const std::string all =
                director().run_checked(command("ethtool -S " + interface)).value_or("");
            for (const char* name : {"rx_queue_0_xdp_redirect: ", "rx_queue_0_xdp_tx: "}) {
                const auto at = all.find(name);
                if (at != std::string::npos)
                    sum += std::stoull(all.substr(at + std::string_view(name).size()));
            }
        }
        return sum;
    }

    std::vector<std::string> attach_;
    std::vector<std::string> interfaces_;
    std::vector<UniqueFd> passing_;
};

INSTANTIATE_TEST_SUITE_P(Every, OutlivesAtXdp, every_event(), name_of_case);

TEST_P(OutlivesAtXdp, EveryNumberedDatagramComesOnce) {
    const std::uint64_t before = replayed();
    expect_every_datagram_once();
    EXPECT_GT(replayed() - before, 10'000U);
    // The next daemon has its sockets as well.
    EXPECT_TRUE(comes_true([&] {
        const auto status = director().run_checked(command(programs().xvs.string() + " status"));
        return status && status->find("AF_XDP (copy, 1 queue)") != std::string::npos;
    }));
    ASSERT_OK(ask_http(client(), vip(kHttpPort)));
}

class OutlivesEachAtXdp : public OutlivesAtXdp {};

INSTANTIATE_TEST_SUITE_P(Every, OutlivesEachAtXdp, each_in_turn(), name_of_case);

TEST_P(OutlivesEachAtXdp, TransfersArriveWholeAndAThousandConnectionsStayOpen) {
    expect_transfers_whole();
}

class TakesOverAtXdp : public OutlivesAtXdp {};

INSTANTIATE_TEST_SUITE_P(Every, TakesOverAtXdp, every_takeover(), name_of_case);

TEST_P(TakesOverAtXdp, NewConnectionsAreServedAllAlong) {
    expect_every_new_connection_once();
}

TEST_P(OutlivesAtXdp, DetachLeavesNothingAtXdp) {
    happens(std::get<1>(GetParam()));
    EXPECT_THAT(links(), HasSubstr("prog/xdp"));
    ASSERT_OK(director().run_checked({programs().xvsd, "--detach"}));
    EXPECT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
    EXPECT_THAT(links(), AllOf(Not(HasSubstr("prog/xdp")), Not(HasSubstr("xvs0"))));
    // Whoever wants to be there next finds its place.
    start();
    await_ready();
    ASSERT_OK(ask_http(client(), vip(kHttpPort)));
}

}  // namespace
}  // namespace xvs::lab
