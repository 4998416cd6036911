// The other end of a veth, used where it may be.
#include <csignal>

#include <linux/if_ether.h>
#include <sys/wait.h>

#include <unistd.h>

#include "base/byte_order.h"
#include "base/unique_fd.h"
#include "host/kernel_router_fixture_test.h"

namespace xvs::host {
namespace {

// A veth whose other end is in the network namespace of a process of the test's own.
class PeerElsewhere : public Router {
protected:
    void SetUp() override {
        Router::SetUp();
        if (IsSkipped()) return;
        int ready[2];
        ASSERT_EQ(::pipe(ready), 0);
        other_ = ::fork();
        if (other_ == 0) {
            const bool is_apart = ::unshare(CLONE_NEWNET) == 0;
            if (!is_apart || ::write(ready[1], "x", 1) != 1) ::_exit(1);
            ::alarm(60);
            while (true)
                ::pause();
        }
        char byte = 0;
        ASSERT_EQ(::read(ready[0], &byte, 1), 1);
        ::close(ready[0]);
        ::close(ready[1]);
    }

    void TearDown() override {
        if (other_ > 0) {
            ::kill(other_, SIGKILL);
            ::waitpid(other_, nullptr, 0);
        }
    }

    void move_peer() {
        run("ip link set lan netns " + std::to_string(other_));
        ASSERT_TRUE(follow([&] { return mirror_->find_link("wan")->has_peer_elsewhere(); }));
    }

    bool uses_peer() {
        const auto route = router_->find_route(address("10.0.0.11"), {});
        return (hop(route).flags & XVS_HOP_PEER) != 0;
    }

    std::uint32_t wan() { return mirror_->find_link("wan")->ifindex; }

private:
    pid_t other_ = 0;
};

TEST_F(PeerElsewhere, IsUsedWhereItIsWantedAndInAnotherNamespace) {
    router_->set_peer_redirect(PeerRedirect::On, {});
    EXPECT_FALSE(uses_peer()) << "both ends are here";
    move_peer();
    EXPECT_TRUE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Off, {});
    EXPECT_FALSE(uses_peer());
}

TEST_F(PeerElsewhere, IsNotUsedWhileSomebodyListens) {
    move_peer();
    router_->set_peer_redirect(PeerRedirect::Auto, {});
    EXPECT_TRUE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Auto, {.is_on_all = false, .interfaces = {wan()}});
    EXPECT_FALSE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Auto, {.is_on_all = true, .interfaces = {}});
    EXPECT_FALSE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::On, {.is_on_all = true, .interfaces = {}});
    EXPECT_TRUE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Auto, {.is_on_all = false, .interfaces = {wan() + 9}});
    EXPECT_TRUE(uses_peer());
}

TEST_F(PeerElsewhere, IsNotUsedOfAPromiscuousInterface) {
    move_peer();
    router_->set_peer_redirect(PeerRedirect::Auto, {});
    EXPECT_TRUE(uses_peer());
    run("ip link set wan promisc on");
    EXPECT_TRUE(follow([&] { return !uses_peer(); }));
    run("ip link set wan promisc off");
    EXPECT_TRUE(follow([&] { return uses_peer(); }));
}

TEST_F(PeerElsewhere, SeesASocketThatListens) {
    const UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, to_wire16(ETH_P_ALL)));
    ASSERT_TRUE(socket.is_open());
    const auto taps = find_taps();
    ASSERT_TRUE(taps) << taps.error().context;
    EXPECT_TRUE(taps->is_on_all);
}

}  // namespace
}  // namespace xvs::host
