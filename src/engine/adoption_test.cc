// A director that died, at any instruction, and the one that goes on with its tables.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>
#include <random>
#include <set>

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "testing/director.h"
#include "testing/kept_storage.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Director;
using test::DirectorParts;
using test::KeptStorage;
using test::Packet;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kOther = "198.51.100.7:40002"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;
constexpr const char* kNat =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";
constexpr const char* kPersistent =
    "-A -t 192.0.2.1:80 -s rr -p 50\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";
constexpr const char* kOnlyServer = "10.0.0.11:8080";
constexpr const char* kService = "-t 192.0.2.1:80";

std::unique_ptr<Director> first(KeptStorage& storage, const char* services = kNat) {
    return std::make_unique<Director>(services,
                                      DirectorParts{.connections = 16, .storage = &storage});
}

std::unique_ptr<Director> next(KeptStorage& storage, const Director& former) {
    return std::make_unique<Director>("", DirectorParts{.storage = &storage, .former = &former});
}

void establish(Director& director, const net::Endpoint& client) {
    (void)director.receives(Packet::tcp(client, kVip).flags("S"));
    (void)director.hears(Packet::tcp(kReal, client).flags("S."));
    (void)director.receives(Packet::tcp(client, kVip).flags("."));
}

TEST(Adoption, AnEstablishedConnectionGoesOnAsIfNothingHadHappened) {
    KeptStorage storage;
    const auto dead = first(storage);
    establish(*dead, kClient);
    const auto director = next(storage, *dead);
    EXPECT_EQ(director->inconsistencies(), "");
    EXPECT_THAT(director->connections(),
                ElementsAre("TCP 198.51.100.7:40001 192.0.2.1:80 10.0.0.11:8080 ESTABLISHED"));
    const auto sent = director->receives(Packet::tcp(kClient, kVip).flags("."));
    EXPECT_THAT(sent, ElementsAre(Packet::tcp(kClient, kReal).flags(".").ttl(63)));
    EXPECT_EQ(director->statistics(kService).counters.connections, 1U);
    EXPECT_EQ(director->statistics(kService, kOnlyServer).counters.packets_in, 3U);
}

// A program in the kernel has begun another connection in the place of a closed one, and nobody has
// read its report.
TEST(Adoption, WhatWasReplacedHasEnded) {
    for (const bool has_replaced_reply : {true, false}) {
        KeptStorage storage;
        const auto dead = first(storage);
        establish(*dead, kOther);
        establish(*dead, kClient);
        auto& flows = dead->tables->flows<flow::Ipv4>();
        for (flow::SlotIndex slot = 0; slot < flows.active(); ++slot) {
            const std::uint32_t word = flows.state_word(slot);
            if (flow::slot_state(word) != XVS_SLOT_LIVE) continue;
            const auto key = flows.key(slot);
            const bool is_request = key.source_port_number() == kClient.port;
            const bool is_reply = key.destination_port_number() == kClient.port;
            if (!is_request && !(is_reply && has_replaced_reply)) continue;
            flow::store_release(flows.entry(slot).state, flow::with_state(word, XVS_SLOT_REPLACED));
        }
        const auto director = next(storage, *dead);
        EXPECT_EQ(director->inconsistencies(), "");
        EXPECT_THAT(director->connections(),
                    ElementsAre("TCP 198.51.100.7:40002 192.0.2.1:80 10.0.0.11:8080 ESTABLISHED"));
        EXPECT_THAT(director->receives(Packet::tcp(kClient, kVip).flags("S")), SizeIs(1));
        EXPECT_THAT(director->connections(), SizeIs(2));
        EXPECT_EQ(director->inconsistencies(), "");
    }
}

TEST(Adoption, ARealServerThatIsNotWantedAnyMoreIsARemovedOne) {
    KeptStorage storage;
    const auto dead = first(storage);
    establish(*dead, kClient);
    ASSERT_TRUE(dead->ipvsadm("-d -t 192.0.2.1:80 -r 10.0.0.11:8080"));
    const auto director = next(storage, *dead);
    EXPECT_EQ(director->inconsistencies(), "");
    EXPECT_THAT(director->receives(Packet::tcp(kClient, kVip).flags(".")), IsEmpty());
    // Added again, it has its connections and counts again.
    ASSERT_TRUE(director->ipvsadm("-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m"));
    EXPECT_THAT(director->receives(Packet::tcp(kClient, kVip).flags(".")), SizeIs(1));
    EXPECT_EQ(director->counts(kService, kOnlyServer).active, 1U);
    EXPECT_EQ(director->statistics(kService, kOnlyServer).counters.connections, 1U);
}

TEST(Adoption, WhatWasSetToZeroStaysSo) {
    KeptStorage storage;
    const auto dead = first(storage);
    establish(*dead, kClient);
    ASSERT_TRUE(dead->ipvsadm("-Z"));
    establish(*dead, kOther);
    const auto director = next(storage, *dead);
    EXPECT_EQ(director->statistics(kService).counters.connections, 1U);
    EXPECT_EQ(director->statistics(kService, kOnlyServer).counters.packets_in, 2U);
    EXPECT_EQ(director->total().counters.connections, 1U);
}

TEST(Adoption, TunnelsOfEveryKindGoOn) {
    for (const char* tunnel : {"ipip", "gue --tun-port 6080 --tun-csum", "gre --tun-csum"}) {
        const std::string server = "-a -t [2001:db8::1]:80 -r [2001:db8:2::11]:80 -i --tun-type ";
        const std::string services = "-A -t [2001:db8::1]:80 -s rr\n" + server + tunnel;
        KeptStorage storage;
        const auto dead = first(storage, services.c_str());
        const Packet syn = Packet::tcp("[2001:db8:1::7]:40001"_ep, "[2001:db8::1]:80"_ep);
        (void)dead->receives(syn.flags("S"));
        const auto director = next(storage, *dead);
        EXPECT_EQ(director->inconsistencies(), "");
        EXPECT_THAT(director->connections(), SizeIs(1)) << tunnel;
        EXPECT_THAT(director->receives(syn.flags(".")), SizeIs(1)) << tunnel;
    }
}

TEST(Adoption, ConnectionsEndInTheirTime) {
    KeptStorage storage;
    const auto dead = first(storage);
    establish(*dead, kClient);
    dead->clock.advance(14min);
    const auto director = next(storage, *dead);
    (void)director->advance(50s);
    EXPECT_THAT(director->connections(), SizeIs(1));
    (void)director->advance(15s);
    EXPECT_THAT(director->connections(), IsEmpty());
    EXPECT_EQ(director->inconsistencies(), "");
}

TEST(Adoption, ATemplateThatStaysForItsConnectionsHasTheRestOfItsMinute) {
    KeptStorage storage;
    const auto dead = first(storage, kPersistent);
    establish(*dead, kClient);
    (void)dead->advance(49s);
    (void)dead->receives(Packet::tcp(kClient, kVip).flags("."));
    (void)dead->advance(5s);  // at 50 s it was to end
    const auto left = [](Director& director) {
        for (const model::ConnectionInfo& each : director.connection_infos())
            if ((each.flags & model::kConnectionTemplate) != 0) return each.expires_in_s;
        return 0U;
    };
    EXPECT_THAT(left(*dead), AllOf(Ge(54U), Le(56U)));
    const auto director = next(storage, *dead);
    EXPECT_EQ(left(*director), left(*dead));
    (void)director->advance(50s);
    EXPECT_THAT(left(*director), AllOf(Ge(4U), Le(6U)));
}

TEST(Adoption, TablesThatWereNeverFinishedAreNone) {
    KeptStorage storage;
    const auto dead = first(storage);
    std::memset(storage.array("header").data(), 0, 4);
    const auto tables = flow::Tables::adopt(storage);
    ASSERT_TRUE(tables);
    EXPECT_EQ(*tables, nullptr);
}

TEST(Adoption, TablesOfAnotherLayoutAreRefusedWithTheRemedy) {
    for (const int by : {-1, +1}) {
        KeptStorage storage;
        const auto dead = first(storage);
        auto& header = *reinterpret_cast<xvs_table_header*>(storage.array("header").data());
        header.version += static_cast<std::uint32_t>(by);
        const auto tables = flow::Tables::adopt(storage);
        ASSERT_FALSE(tables);
        EXPECT_THAT(tables.error().context, HasSubstr(by < 0 ? "an older xvsd" : "a newer xvsd"));
        EXPECT_THAT(tables.error().context, HasSubstr("xvsd --detach"));
    }
}

TEST(Adoption, TablesOfOtherSizesThanTheirHeaderSaysAreRefused) {
    KeptStorage storage;
    const auto dead = first(storage);
    reinterpret_cast<xvs_table_header*>(storage.array("header").data())->slots4 *= 2;
    const auto tables = flow::Tables::adopt(storage);
    ASSERT_FALSE(tables);
    EXPECT_THAT(tables.error().context, HasSubstr("flows4"));
}

// Whatever stands in the tables, a director that adopts them works. (The next hops are the
// router's, which writes them anew.)
TEST(Adoption, DamagedTablesDoNoHarm) {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        std::mt19937 random(seed);
        KeptStorage storage;
        const auto dead = first(storage, seed % 2 == 0 ? kNat : kPersistent);
        establish(*dead, kClient);
        establish(*dead, kOther);
        KeptStorage damaged(storage);
        damaged.for_each([&](const std::string& name, std::span<std::byte> bytes) {
            if (name == "header" || name == "next_hops") return;
            // Where something stands, nearly all being zero.
            for (std::size_t at = 0; at < bytes.size(); ++at) {
                if (bytes[at] != std::byte{0} && random() % 8 == 0)
                    bytes[at] = static_cast<std::byte>(random());
            }
        });
        const auto director = next(damaged, *dead);
        ASSERT_EQ(director->inconsistencies(), "") << "seed " << seed;
        for (const net::Endpoint& client : {kClient, kOther, "198.51.100.7:40003"_ep}) {
            establish(*director, client);
            (void)director->advance(500ms);
        }
        ASSERT_EQ(director->inconsistencies(), "") << "seed " << seed;
        (void)director->advance(20min);
        ASSERT_EQ(director->inconsistencies(), "") << "seed " << seed;
    }
}

// Memory that a process shares with its children.
class SharedStorage final : public flow::Storage {
public:
    SharedStorage() = default;

    ~SharedStorage() override {
        for (const auto& [name, bytes] : arrays_)
            ::munmap(bytes.data(), bytes.size());
    }

    [[nodiscard]] Result<std::span<std::byte>> allocate(std::string_view name,
                                                        std::size_t element_size,
                                                        std::size_t count) override {
        const std::size_t size = element_size * count;
        void* memory =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return fail(system_error("shared memory", errno));
        arrays_[std::string(name)] = {static_cast<std::byte*>(memory), size};
        return arrays_[std::string(name)];
    }

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return false; }

    [[nodiscard]] bool equals(KeptStorage& image) const {
        return std::all_of(arrays_.begin(), arrays_.end(), [&](const auto& each) {
            const auto bytes = image.array(each.first);
            return std::memcmp(bytes.data(), each.second.data(), bytes.size()) == 0;
        });
    }

    [[nodiscard]] KeptStorage image() const {
        KeptStorage copy;
        for (const auto& [name, bytes] : arrays_) {
            const auto to = copy.allocate(name, 1, bytes.size());
            std::memcpy(to->data(), bytes.data(), bytes.size());
        }
        return copy;
    }

private:
    std::map<std::string, std::span<std::byte>> arrays_;
};

// Has a child process do `action`, one machine instruction after the other. Returns what the tables
// held after each store.
std::vector<KeptStorage> cut_at_every_store(SharedStorage& storage,
                                            const std::function<void()>& action) {
    std::vector<KeptStorage> images{storage.image()};
    const pid_t child = ::fork();
    if (child == 0) {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        action();
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (!storage.equals(images.back())) images.push_back(storage.image());
        if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return images;
}

struct Moment {
    const char* name;
    const char* services;
    void (*before)(Director&);
    void (*action)(Director&);
};

void begin(Director& director) {
    (void)director.receives(Packet::tcp(kClient, kVip).flags("S"));
}

// A moment before its timeout.
void grow_old(Director& director) {
    establish(director, kClient);
    (void)director.advance(15min);
}

void end_in_time(Director& director) {
    director.clock.advance(1s);
    director.engine.run_timers();
}

// Without the state, which is that of the last event that was followed.
std::string ends_of(const std::string& connection) {
    return connection.substr(0, connection.rfind(' '));
}

std::set<std::string> ends_of(const std::vector<std::string>& connections) {
    std::set<std::string> ends;
    for (const std::string& each : connections)
        ends.insert(ends_of(each));
    return ends;
}

const Moment kMoments[] = {
    {"made", kNat, [](Director&) {}, begin},
    {"made_with_a_template", kPersistent, [](Director&) {}, begin},
    {"answered",
     kNat,
     begin,
     [](Director& director) {
         (void)director.hears(Packet::tcp(kReal, kClient).flags("S."));
     }},
    {"scheduled_anew",
     kNat,
     [](Director& director) {
         begin(director);
         (void)director.hears(Packet::tcp(kReal, kClient).flags("R"));
     },
     begin},
    {"ended", kNat, grow_old, end_in_time},
    {"ended_with_a_template", kPersistent, grow_old, end_in_time},
};

class CutAnywhere : public ::testing::TestWithParam<Moment> {};

// At each store the tables are those of before or of after, or something that comes of neither
// harm: the next director has no half connection, and serves its client.
TEST_P(CutAnywhere, LeavesTablesThatAnotherDirectorGoesOnWith) {
    SharedStorage storage;
    Director dead(GetParam().services, DirectorParts{.connections = 8, .storage = &storage});
    GetParam().before(dead);
    std::set<std::string> known = ends_of(dead.connections());
    const std::vector<KeptStorage> images =
        cut_at_every_store(storage, [&] { GetParam().action(dead); });
    ASSERT_GT(images.size(), 4U) << "the stores of the action were not seen";
    KeptStorage last(images.back());
    known.merge(ends_of(next(last, dead)->connections()));
    for (std::size_t cut = 0; cut < images.size(); ++cut) {
        KeptStorage image(images[cut]);
        const auto director = next(image, dead);
        ASSERT_EQ(director->inconsistencies(), "") << "cut " << cut;
        for (const std::string& each : director->connections())
            EXPECT_TRUE(known.contains(ends_of(each))) << "cut " << cut << ": " << each;
        EXPECT_THAT(director->receives(Packet::tcp(kClient, kVip).flags("S")), SizeIs(1))
            << "cut " << cut;
        EXPECT_THAT(director->hears(Packet::tcp(kReal, kClient).flags("S.")), SizeIs(1))
            << "cut " << cut;
        (void)director->advance(30min);
        ASSERT_EQ(director->inconsistencies(), "") << "cut " << cut;
        EXPECT_THAT(director->connections(), IsEmpty()) << "cut " << cut;
    }
}

INSTANTIATE_TEST_SUITE_P(Moments,
                         CutAnywhere,
                         ::testing::ValuesIn(kMoments),
                         [](const auto& moment) { return std::string(moment.param.name); });

}  // namespace
}  // namespace xvs::engine
