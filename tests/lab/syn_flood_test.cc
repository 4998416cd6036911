// A flood of SYNs that fills the connection table, and clients that come meanwhile.
#include <atomic>
#include <random>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "tests/lab/http_client.h"
#include "tests/lab/numbered_packet.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

// Sends SYNs while it lives, each of another address that nobody answers for: no more than 1,000 a
// second, however long it was kept waiting.
class SynFlood {
public:
    SynFlood(const NetworkNamespace& from, const net::Endpoint& to) : to_(to) {
        const NetworkNamespace::Scope inside(from);
        socket_ = UniqueFd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        EXPECT_GE(socket_.get(), 0);
        thread_ = std::thread([this] { run(); });
    }

    SynFlood(const SynFlood&) = delete;
    SynFlood& operator=(const SynFlood&) = delete;

    ~SynFlood() {
        is_over_ = true;
        thread_.join();
    }

    static constexpr const char* kNetwork = "10.3.0.0/16";

private:
    void run() const {
        std::minstd_rand random;
        while (!is_over_) {
            for (int each = 0; each < 4; ++each) {
                const auto number = static_cast<std::uint32_t>(random());
                send({.source = {net::Ipv4Address(0x0a030000 + (number & 0xffff)),
                                 net::Port{static_cast<std::uint16_t>(1024 + (number >> 17))}},
                      .destination = to_,
                      .protocol = net::IpProtocol::Tcp,
                      .tcp_flags = kTcpSyn,
                      .number = {}});
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(4));
        }
    }

    void send(const NumberedPacket& packet) const {
        std::array<std::byte, kMaxNumberedPacket> bytes{};
        const std::size_t size = encode(packet, bytes);
        const SocketAddress to(packet.destination);
        static_cast<void>(
            ::sendto(socket_.get(), bytes.data(), size, MSG_DONTWAIT, to.get(), to.size()));
    }

    net::Endpoint to_;
    UniqueFd socket_;
    std::atomic<bool> is_over_ = false;
    std::thread thread_;
};

class SynFlooded : public testing::TestWithParam<FastPath> {};

INSTANTIATE_TEST_SUITE_P(Both,
                         SynFlooded,
                         testing::Values(FastPath::On, FastPath::Off),
                         [](const auto& each) { return name_of_way(each.param); });

// How many connections have made way for others, as an operator sees it.
std::uint64_t ended_for_others(const Laboratory& lab) {
    const auto status = lab.node("director").run_checked({programs().xvs.string(), "status"});
    if (!status) return 0;
    const std::size_t end = status->find(" half-open ones ended for others");
    if (end == std::string::npos) return 0;
    return std::stoull(status->substr(status->rfind(';', end) + 1));
}

void expect_to_be_served(const Laboratory& lab, const net::Endpoint& vip) {
    ASSERT_OK_AND_ASSIGN(client, HttpClient::open(lab.node("client"), vip));
    EXPECT_OK(client.get("/"));
}

TEST_P(SynFlooded, EveryClientIsServedAndNobodysConnectionEnds) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(model::ForwardingMethod::Masquerade));
    std::vector<std::string> arguments = arguments_of(GetParam());
    arguments.insert(arguments.end(), {"--connections", "1000"});
    ASSERT_OK(lab.start_director(arguments));
    ASSERT_OK(lab.configure(net::Family::Ipv4));
    // What its addresses are answered comes to an end at the client, who forwards nothing.
    const std::string client = lab.plan().client.v4.to_string();
    ASSERT_OK(lab.node("director")
                  .run_checked(command("ip route add " + std::string(SynFlood::kNetwork) + " via " +
                                       client)));

    const net::Endpoint vip = endpoint(lab.plan().vip.v4, kHttpPort);
    ASSERT_OK_AND_ASSIGN(established, HttpClient::open(lab.node("client"), vip));
    EXPECT_OK(established.get("/"));
    const SynFlood flood(lab.node("client"), vip);
    ASSERT_TRUE(comes_true([&] { return ended_for_others(lab) > 0; }));

    const std::uint64_t before = ended_for_others(lab);
    for (int number = 0; number < 100; ++number) {
        expect_to_be_served(lab, vip);
        EXPECT_OK(established.get("/"));
    }
    ASSERT_OK(lab.node("client").run_checked({"curl",
                                              "-sS",
                                              "-m",
                                              "20",
                                              "-o",
                                              "/dev/null",
                                              "http://" + vip.to_string() + "/bytes/9999"}));
    EXPECT_TRUE(comes_true([&] { return ended_for_others(lab) > before + 1000; }));
    EXPECT_OK(established.get("/"));
}

// What is established makes way for nobody. That there is no room is said once, and counted.
TEST_P(SynFlooded, AFullTableIsSaidAndKeepsWhatItHolds) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(model::ForwardingMethod::Masquerade));
    std::vector<std::string> arguments = arguments_of(GetParam());
    arguments.insert(arguments.end(), {"--connections", "8"});
    ASSERT_OK(lab.start_director(arguments));
    ASSERT_OK(lab.configure(net::Family::Ipv4));
    const net::Endpoint vip = endpoint(lab.plan().vip.v4, kHttpPort);
    std::vector<HttpClient> held;
    for (int i = 0; i < 2; ++i) {
        ASSERT_OK_AND_ASSIGN(client, HttpClient::open(lab.node("client"), vip));
        EXPECT_OK(client.get("/"));
        held.push_back(std::move(client));
    }
    const Command one_more = command("curl -s -m 2 -o /dev/null http://" + vip.to_string() + "/");
    // Closed ones stay for a while, too.
    int failed = 0;
    for (int i = 0; i < 20 && failed < 2; ++i)
        failed += lab.node("client").run_checked(one_more) ? 0 : 1;
    EXPECT_EQ(failed, 2);
    constexpr std::string_view kSaid = "new connections are dropped for want of room";
    const auto log = [&] {
        return lab.last_words("xvsd");
    };
    EXPECT_TRUE(comes_true([&] { return log().find(kSaid) != std::string::npos; }));
    EXPECT_EQ(log().find(kSaid), log().rfind(kSaid));
    ASSERT_OK_AND_ASSIGN(status,
                         lab.node("director").run_checked({programs().xvs.string(), "status"}));
    EXPECT_THAT(status, testing::HasSubstr("of new ones dropped for want of it"));
    for (HttpClient& each : held)
        EXPECT_OK(each.get("/"));
}

}  // namespace
}  // namespace xvs::lab
