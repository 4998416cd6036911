// What recorded connections do not show of the schedulers: shares, limits, and what is remembered.
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "engine/schedule/address_cache.h"
#include "engine/schedule/scheduler.h"

namespace xvs::engine {
namespace {

net::IpAddress address(std::uint32_t number) {
    return net::Ipv4Address((10U << 24) + number);
}

// Real servers under one scheduler; the last one added is the list's first.
class Service {
public:
    explicit Service(std::string_view scheduler)
        : scheduler_(make_scheduler(scheduler, {.sysctls = sysctls, .seed = 7})) {}

    DestinationState& add(std::int32_t weight) {
        DestinationState& server = servers_.emplace_back();
        server.config.real.address = address(static_cast<std::uint32_t>(servers_.size()));
        server.config.weight = weight;
        server.last_weight = weight;
        server.created = servers_.size();
        server.is_available = true;
        list_.push_front(server);
        scheduler_->destination_added(list_);
        return server;
    }

    void remove(DestinationState& server) {
        scheduler_->destination_will_go(list_, server);
        list_.remove(server);
        server.is_available = false;
    }

    void set_weight(DestinationState& server, std::int32_t weight) {
        const std::int32_t former = std::exchange(server.config.weight, weight);
        if (weight != 0) server.last_weight = weight;
        scheduler_->destination_changed(list_, server, former);
    }

    DestinationState* request(std::uint32_t client,
                              std::uint32_t vip = 1,
                              std::uint32_t flags = 0) {
        return scheduler_->schedule(list_,
                                    {.client = address(client),
                                     .virtual_address = address(vip),
                                     .client_port = net::Port{1000},
                                     .service_flags = flags,
                                     .now = now});
    }

    Scheduler& scheduler() { return *scheduler_; }

    DestinationList& list() { return list_; }

    model::Sysctls sysctls;
    Tick now = 0;

private:
    std::deque<DestinationState> servers_;
    DestinationList list_;
    std::unique_ptr<Scheduler> scheduler_;
};

TEST(Twos, DrawsServersByTheirWeights) {
    Service service("twos");
    DestinationState& light = service.add(1);
    DestinationState& heavy = service.add(3);
    std::map<const DestinationState*, int> served;
    constexpr int kDraws = 4000;
    for (int i = 0; i < kDraws; ++i)
        ++served[service.request(1)];
    // Of equal ones the first draw stands: from 0 to 4, of which the heavy first one has 0 to 3.
    EXPECT_NEAR(served[&heavy], kDraws * 4 / 5, kDraws / 20);
    EXPECT_EQ(served[&light] + served[&heavy], kDraws);
}

TEST(Twos, PrefersTheOneWithFewerConnectionsForItsWeight) {
    Service service("twos");
    DestinationState& busy = service.add(1);
    DestinationState& idle = service.add(1);
    busy.total_connections = 10;
    std::map<const DestinationState*, int> served;
    constexpr int kDraws = 3000;
    for (int i = 0; i < kDraws; ++i)
        ++served[service.request(1)];
    // The busy one is served only where both draws, from 0 to 2, found it.
    EXPECT_NEAR(served[&busy], kDraws / 9, kDraws / 30);
    EXPECT_EQ(served[&busy] + served[&idle], kDraws);
}

class Hashing : public ::testing::TestWithParam<const char*> {};

// An edit among many costs no more than one among few, however long the list is.
TEST_P(Hashing, TakesTheirPlacesFromServersThatGo) {
    Service service(GetParam());
    std::vector<DestinationState*> servers;
    for (int i = 0; i < 300; ++i)
        servers.push_back(&service.add(1));
    for (DestinationState* server : servers) {
        service.remove(*server);
        for (std::uint32_t client = 0; client < 50; ++client) {
            const DestinationState* chosen = service.request(client, client);
            ASSERT_TRUE(chosen == nullptr || chosen->is_available);
        }
    }
    EXPECT_EQ(service.request(1), nullptr);
    DestinationState& back = service.add(1);
    EXPECT_EQ(service.request(1), &back);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Hashing, ::testing::Values("dh", "sh", "mh"));

TEST(MaglevHashing, LeavesItsTableAloneBeyondItsSize) {
    Service service("mh");
    const std::size_t limit = service.scheduler().max_destinations();
    for (std::size_t i = 0; i < limit; ++i)
        service.add(1);
    std::vector<DestinationState*> before;
    for (std::uint32_t client = 0; client < 500; ++client)
        before.push_back(service.request(client));
    DestinationState& surplus = service.add(1);
    service.add(1);
    for (std::uint32_t client = 0; client < 500; ++client)
        ASSERT_EQ(service.request(client), before[client]);
    // One that goes is served no more; what the others have stays theirs.
    service.remove(*before[0]);
    EXPECT_EQ(service.request(0), nullptr);
    EXPECT_TRUE(std::none_of(before.begin(), before.end(), [&](const DestinationState* server) {
        return server == &surplus;
    }));
    // As many as there are places: all are served again.
    service.remove(*before[1]);
    EXPECT_NE(service.request(0), nullptr);
    EXPECT_NE(service.request(1), before[1]);
}

TEST(MaglevHashing, MovesFewClientsWhenAServerGoes) {
    Service service("mh");
    std::vector<DestinationState*> servers;
    for (int i = 0; i < 10; ++i)
        servers.push_back(&service.add(1));
    constexpr std::uint32_t kClients = 2000;
    std::vector<DestinationState*> before;
    for (std::uint32_t client = 0; client < kClients; ++client)
        before.push_back(service.request(client));
    service.remove(*servers[4]);
    std::uint32_t moved = 0;
    for (std::uint32_t client = 0; client < kClients; ++client) {
        const bool had_to = before[client] == servers[4];
        moved += service.request(client) != before[client] && !had_to ? 1U : 0U;
    }
    EXPECT_LT(moved, kClients / 10);
}

TEST(MaglevHashing, IgnoresServersThatNeverHadAWeight) {
    Service service("mh");
    DestinationState& never = service.add(0);
    EXPECT_EQ(service.request(1), nullptr);
    DestinationState& other = service.add(2);
    for (std::uint32_t client = 0; client < 50; ++client)
        ASSERT_EQ(service.request(client), &other);
    service.set_weight(never, 1);
    std::map<const DestinationState*, int> served;
    for (std::uint32_t client = 0; client < 900; ++client)
        ++served[service.request(client)];
    EXPECT_NEAR(served[&never], 300, 80);
}

class Locality : public ::testing::TestWithParam<const char*> {};

TEST_P(Locality, ForgetsAnAddressThatWasIdleForTheExpiration) {
    Service service(GetParam());
    service.sysctls.lblc_expiration = 100;
    service.sysctls.lblcr_expiration = 100;
    DestinationState& first = service.add(1);
    DestinationState& second = service.add(1);
    EXPECT_EQ(service.request(1), &second);
    second.total_connections = 5;
    service.now += to_ticks(std::chrono::seconds(99));
    EXPECT_EQ(service.request(1), &second);
    service.now += to_ticks(std::chrono::seconds(102));
    EXPECT_EQ(service.request(1), &first);
}

TEST_P(Locality, DoesNotTakeAnotherServerForOneThatIsNoMore) {
    Service service(GetParam());
    service.add(1);
    DestinationState& second = service.add(1);
    EXPECT_EQ(service.request(1), &second);
    second.total_connections = 5;
    second.created = 99;  // its record was freed and used again
    EXPECT_NE(service.request(1), &second);
}

TEST_P(Locality, ServesMoreAddressesThanItRemembers) {
    Service service(GetParam());
    service.add(1);
    for (std::uint32_t vip = 0; vip < 60000; ++vip)
        ASSERT_NE(service.request(1, vip), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Locality, ::testing::Values("lblc", "lblcr"));

TEST(LocalityReplicated, TheBusiestServerLeavesASetThatIsSettled) {
    Service service("lblcr");
    DestinationState& first = service.add(1);
    DestinationState& second = service.add(1);
    EXPECT_EQ(service.request(1), &second);
    second.active_connections = second.total_connections = 2;
    EXPECT_EQ(service.request(1), &first);  // joins the set
    second.active_connections = second.total_connections = 4;
    first.active_connections = first.total_connections = 2;
    // Requests come all the time; a day after the set has changed the busiest leaves it.
    for (int hour = 0; hour < 26; ++hour) {
        service.now += to_ticks(std::chrono::hours(1));
        EXPECT_EQ(service.request(1), &first);
    }
    second.active_connections = 0;
    second.total_connections = 0;
    EXPECT_EQ(service.request(1), &second);  // half idle, so the first is too busy
    second.active_connections = second.total_connections = 1;
    EXPECT_EQ(service.request(1), &second);
}

TEST(AddressCache, KeepsTheLatestUsedWithinItsBounds) {
    using Cache = AddressCache<std::uint32_t>;
    Cache cache(1);
    Tick now = 0;
    const Tick day = to_ticks(std::chrono::hours(24));
    std::uint32_t forgotten = 0;
    const auto forget = [&forgotten](std::uint32_t) noexcept {
        ++forgotten;
    };
    for (std::uint32_t i = 0; i < Cache::kCapacity; ++i)
        cache.insert(address(i), now, day, forget) = i;
    EXPECT_EQ(cache.size(), Cache::kCapacity);
    EXPECT_EQ(forgotten, 0U);
    ASSERT_NE(cache.find(address(0), now, day), nullptr);
    cache.insert(address(1000000), now, day, forget) = 1;
    EXPECT_EQ(cache.size(), Cache::kCapacity);
    EXPECT_EQ(forgotten, 1U);
    EXPECT_NE(cache.find(address(0), now, day), nullptr);
    EXPECT_EQ(cache.find(address(1), now, day), nullptr);
    // Idle for six minutes, the surplus goes by and by; idle for a day, all goes.
    now += to_ticks(std::chrono::minutes(7));
    for (std::uint32_t i = 0; i < Cache::kWanted; ++i)
        cache.insert(address(2000000 + i), now, day, forget) = i;
    EXPECT_EQ(cache.size(), Cache::kWanted);
    now += day + 1;
    for (std::uint32_t i = 0; i < Cache::kWanted; ++i)
        cache.insert(address(3000000), now, day, forget) = i;
    EXPECT_EQ(cache.size(), Cache::kWanted - 1);
}

// Bytes of this process that are in memory.
std::size_t resident() {
    std::size_t pages = 0;
    std::ifstream statm("/proc/self/statm");
    statm >> pages >> pages;
    return pages * 4096;
}

// Among others that stay: memory from the heap would be kept for them.
TEST(AddressCache, GivesItsMemoryBack) {
    using Cache = AddressCache<std::uint32_t>;
    constexpr std::size_t kCaches = 20;
    const Tick day = to_ticks(std::chrono::hours(24));
    std::vector<std::unique_ptr<Cache>> caches;
    const std::size_t before = resident();
    for (std::size_t each = 0; each < 2 * kCaches; ++each) {
        caches.push_back(std::make_unique<Cache>(each));
        if (each == 0) caches.clear();
    }
    const std::size_t empty = resident();
    EXPECT_LT(empty, before + 2 * kCaches * 100'000) << "they take memory before they need it";
    for (const auto& cache : caches) {
        for (std::uint32_t i = 0; i < Cache::kCapacity; ++i)
            cache->insert(address(i), 0, day, [](std::uint32_t) noexcept {}) = i;
    }
    const std::size_t full = resident();
    EXPECT_GT(full - empty, caches.size() * Cache::kCapacity * 32);
    for (std::size_t each = 0; each < caches.size(); each += 2)
        caches[each].reset();
    EXPECT_LT(resident(), full - (full - empty) / 3);
}

}  // namespace
}  // namespace xvs::engine
