// Router: routes and neighbours followed live, in a network namespace of the test's own.
#pragma once

#include <chrono>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>

#include <sys/socket.h>

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include "base/clock.h"
#include "flow/storage.h"
#include "flow/tables.h"
#include "host/kernel_router.h"

namespace xvs::host {

inline net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

// The time that passes, and what a test lets pass besides.
class MovableClock final : public Clock {
public:
    [[nodiscard]] Nanoseconds now() const noexcept override { return clock_.now() + ahead_; }

    void advance(Nanoseconds by) noexcept { ahead_ += by; }

private:
    MonotonicClock clock_;
    Nanoseconds ahead_{};
};

// The mirror's observer and the router behind it, as in xvsd.
class Follower final : public HostObserver {
public:
    KernelRouter* router = nullptr;
    int rounds = 0;  // of route changes

    void link_changed(const Link& link) override {
        if (router != nullptr) router->link_changed(link);
    }

    void link_gone(const Link& link) override { router->link_gone(link); }

    void neighbour_changed(const Neighbour& neighbour) override {
        if (router != nullptr) router->neighbour_changed(neighbour);
    }

    void neighbour_gone(const Neighbour& neighbour) override { router->neighbour_gone(neighbour); }

    void local_prefixes_changed(const std::set<net::Prefix>&) override {}

    void routes_changed(const RouteChanges& changes) override {
        if (router != nullptr) router->routes_changed(changes);
        ++rounds;
    }

    void filter_removed(std::uint32_t) override {}
};

class Router : public ::testing::Test {
protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "a network namespace needs root";
        // Both ends of the cable are here: what answers ARP is the same stack.
        run("ip link set lo up");
        run("ip link add wan type veth peer name lan");
        run("ip link set wan address 02:00:00:00:00:0a up");
        run("ip link set lan up");
        run("ip address add 10.0.0.1/24 dev wan");
        run("ip address add 2001:db8:a::1/64 dev wan nodad");
        run("ip route add 198.51.100.0/24 via 10.0.0.254");
        run("ip -6 route add 2001:db8:c::/64 via 2001:db8:a::fe");
        auto mirror = Mirror::open(follower_);
        ASSERT_TRUE(mirror) << mirror.error().context;
        mirror_ = std::move(*mirror);
        ASSERT_TRUE(mirror_->synchronize());
        auto tables = flow::Tables::create(storage_, flow::sizes_for(16), {1, 2});
        ASSERT_TRUE(tables) << tables.error().context;
        tables_ = std::move(*tables);
        auto router = KernelRouter::open(*mirror_, tables_->next_hops(), clock_, {3, 4});
        ASSERT_TRUE(router) << router.error().context;
        router_ = std::move(*router);
        follower_.router = router_.get();
    }

    static void run(const std::string& words) {
        ASSERT_EQ(std::system((words + " >/dev/null").c_str()), 0) << words;
    }

    // Takes events over until `condition` holds; false when it does not within a minute.
    template <class Condition>
    bool follow(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            pollfd waiting{.fd = mirror_->fd(), .events = POLLIN, .revents = 0};
            if (::poll(&waiting, 1, 100) > 0) mirror_->on_readable();
        }
        return true;
    }

    const xvs_next_hop& hop(const engine::Route& route) {
        return tables_->next_hops()[route.next_hop];
    }

    bool is_resolved(const engine::Route& route) {
        return (hop(route).flags & XVS_HOP_RESOLVED) != 0;
    }

    Follower follower_;
    MovableClock clock_;
    flow::PrivateStorage storage_;
    std::unique_ptr<Mirror> mirror_;
    std::unique_ptr<flow::Tables> tables_;
    std::unique_ptr<KernelRouter> router_;
};

}  // namespace xvs::host
