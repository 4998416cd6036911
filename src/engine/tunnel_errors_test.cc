// Errors about tunnels: what scenarios do not show.
#include "engine/tunnel_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/kept_storage.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Arrival;
using test::Director;
using test::DirectorParts;
using test::Packet;
using test::Side;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr const char* kTunnel =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11 -i";

Packet request_of(const net::Endpoint& client, unsigned length = 0) {
    return Packet::tcp(client, kVip).flags("S").df().length(length).ttl(63);
}

// What a router on the way says of the packet that the tunnel carried.
Packet error_about(const Packet& inside, std::string_view kind) {
    const Packet outer = inside.encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip).df().ttl(63);
    return Packet::icmp_error("10.0.0.12"_ip, "10.0.0.1"_ip, kind, outer);
}

TEST(TunnelErrors, AreTakenByTheWorkerOfTheClient) {
    DirectorParts parts;
    parts.workers = 2;
    Director director(kTunnel, parts);
    for (std::uint16_t port = 40001; port < 40009; ++port) {
        const net::Endpoint client{"198.51.100.7"_ip, net::Port{port}};
        ASSERT_THAT(director.receives(request_of(client).ttl(64)), SizeIs(1));
        for (std::uint8_t worker = 0; worker < 2; ++worker) {
            const auto told = director.receives(error_about(request_of(client), "net unreachable"),
                                                {.side = Side::Real, .worker = worker});
            EXPECT_THAT(told, SizeIs(1)) << port << " at worker " << int{worker};
            director.advance(std::chrono::seconds(2));
        }
    }
    std::uint64_t handed_over = 0;
    for (std::size_t worker = 0; worker < 2; ++worker)
        handed_over += director.engine.worker(worker).totals().handed_over;
    EXPECT_EQ(handed_over, 8U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(TunnelErrors, AreAsManyAsTheDirectorsOwn) {
    Director director(kTunnel);
    const auto client = "198.51.100.7:40001"_ep;
    director.receives(request_of(client).ttl(64));
    std::size_t told = 0;
    for (int i = 0; i < 20; ++i)
        told += director.hears(error_about(request_of(client), "host unreachable")).size();
    EXPECT_EQ(told, IcmpRateLimit::kReceiverBurst);
    EXPECT_EQ(director.drops().at(DropReason::TunnelError), 20 - told);
    EXPECT_THAT(director.given_to_host(), IsEmpty());
}

// By a later daemon, of a connection that an earlier one began.
TEST(TunnelErrors, AreHeardAfterARestart) {
    const auto client = "198.51.100.7:40001"_ep;
    const Packet full = request_of(client, 1400);
    const auto learn = [&](Director& director) {
        return director.hears(error_about(full, "fragmentation needed").mtu(1300));
    };
    test::KeptStorage storage;
    Director former(kTunnel, DirectorParts{.storage = &storage});
    former.receives(request_of(client).ttl(64));
    EXPECT_THAT(learn(former), SizeIs(1));
    Director later("", DirectorParts{.storage = &storage, .former = &former});
    EXPECT_THAT(learn(later), SizeIs(1));
    EXPECT_THAT(later.receives(request_of(client, 1400).ttl(64)), SizeIs(1));
    EXPECT_EQ(later.drops().at(DropReason::TooBig), 1U);
}

}  // namespace
}  // namespace xvs::engine
