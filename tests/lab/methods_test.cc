// Each forwarding method on real traffic, over both families, with established packets forwarded in
// the kernel or by the engine: what is sent arrives, whole.
#include <algorithm>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include <netinet/in.h>
#include <sys/socket.h>

#include "lab/sha256.h"
#include "tests/lab/http_client.h"
#include "tests/lab/lab_test.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using net::Family;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kTransfer = 20'000'000;
constexpr std::size_t kSegment = 1428;  // of IPv6 with timestamps, the smallest there is here
constexpr std::size_t kDatagram = 8192;

std::string noise(std::size_t size) {
    std::mt19937_64 random(42);
    std::string bytes(size, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

std::string sha256_of(std::string_view bytes) {
    Sha256 sha;
    sha.update(std::as_bytes(std::span(bytes.data(), bytes.size())));
    return sha.finish();
}

// The counters of a service, from its line in the listing.
struct ServiceCounters {
    std::uint64_t connections = 0;
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

using MethodCase = std::tuple<ForwardingMethod, Family, FastPath>;

class Method : public testing::TestWithParam<MethodCase> {
protected:
    void SetUp() override {
        auto built = build_balanced(method(), 3, std::get<2>(GetParam()));
        ASSERT_TRUE(built) << built.error().context;
        lab_.emplace(std::move(*built));
    }

    void TearDown() override {
        if (HasFailure() && lab_) {
            std::cerr << lab_->xvsadm("-L -n --stats").value_or("no listing\n")
                      << "xvsd: " << lab_->last_words("xvsd") << "\n";
        }
    }

    [[nodiscard]] static ForwardingMethod method() { return std::get<0>(GetParam()); }

    [[nodiscard]] static Family family() { return std::get<1>(GetParam()); }

    [[nodiscard]] const NetworkNamespace& client() const { return lab_->node("client"); }

    [[nodiscard]] net::Endpoint http() const {
        return endpoint(lab_->plan().vip.of(family()), kHttpPort);
    }

    [[nodiscard]] net::Endpoint udp() const {
        return endpoint(lab_->plan().vip.of(family()), kUdpPort);
    }

    // Of the service "TCP" or "UDP" of this family.
    [[nodiscard]] ServiceCounters counters(const std::string& protocol,
                                           const net::Endpoint& service) const {
        std::istringstream lines(lab_->xvsadm("-L -n --stats --exact").value());
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string first;
            std::string second;
            words >> first >> second;
            if (first != protocol || second != service.to_string()) continue;
            ServiceCounters found;
            words >> found.connections >> found.packets_in >> found.packets_out >> found.bytes_in >>
                found.bytes_out;
            return found;
        }
        ADD_FAILURE() << "no line of " << protocol << " " << service.to_string();
        return {};
    }

    // xvsadm -e with weight 0 for the real server `name`.
    Status quiesce(std::string_view option, const net::Endpoint& service, const std::string& name) {
        const auto index = static_cast<std::size_t>(std::stoi(name.substr(2)) - 1);
        const std::uint16_t port =
            service.port == net::Port{kUdpPort} ? kUdpPort : lab_->plan().real_http_port;
        const auto real = endpoint(lab_->plan().real_servers.at(index).of(family()), port);
        const auto done =
            lab_->xvsadm("-e " + std::string(option) + " " + service.to_string() + " -r " +
                         real.to_string() + " " + std::string(method_option(method())) + " -w 0");
        return done ? Status{} : Status{fail(done.error())};
    }

    std::optional<Laboratory> lab_;
};

std::string name_of(const testing::TestParamInfo<MethodCase>& info) {
    const auto& [method, family, fast_path] = info.param;
    return std::string(method_word(method)) + (family == Family::Ipv4 ? "_ipv4_" : "_ipv6_") +
           name_of_way(fast_path);
}

INSTANTIATE_TEST_SUITE_P(Every,
                         Method,
                         testing::Combine(testing::ValuesIn(kMethods),
                                          testing::Values(Family::Ipv4, Family::Ipv6),
                                          testing::Values(FastPath::On, FastPath::Off)),
                         name_of);

TEST_P(Method, HandsConnectionsToEachRealServerInTurn) {
    std::vector<std::string> answers;
    for (int i = 0; i < 9; ++i) {
        ASSERT_OK_AND_ASSIGN(answer, ask_http(client(), http()));
        answers.push_back(answer);
    }

    EXPECT_TRUE(is_even(tally(answers), 3)) << to_string(tally(answers));
    EXPECT_EQ(counters("TCP", http()).connections, 9U);
}

TEST_P(Method, TwentyMegabytesUpArriveIntactInSuperPackets) {
    const std::string body = noise(kTransfer);
    const auto file = directory_of_test(*lab_) / "up";
    std::ofstream(file, std::ios::binary) << body;

    ASSERT_OK_AND_ASSIGN(
        said,
        client().run_checked(
            {"curl", "-sS", "--max-time", "60", "-T", file, url_of(http(), "/up")}));

    EXPECT_THAT(said, HasSubstr(" " + std::to_string(kTransfer) + " " + sha256_of(body)));
    const ServiceCounters counted = counters("TCP", http());
    EXPECT_GE(counted.bytes_in, kTransfer);
    EXPECT_LT(counted.packets_in, kTransfer / kSegment / 2) << "no super-packets crossed";
}

TEST_P(Method, TwentyMegabytesDownArriveIntactInSuperPackets) {
    ASSERT_OK_AND_ASSIGN(
        body,
        client().run_checked({"curl",
                              "-sS",
                              "--max-time",
                              "60",
                              url_of(http(), "/bytes/" + std::to_string(kTransfer))},
                             {.input = "", .time_limit = std::chrono::seconds(70)}));

    ASSERT_EQ(body.size(), kTransfer);
    std::string expected(kTransfer, '\0');
    for (std::size_t i = 0; i < kTransfer; ++i)
        expected[i] = static_cast<char>(pattern(i));
    EXPECT_EQ(sha256_of(body), sha256_of(expected));
    const ServiceCounters counted = counters("TCP", http());
    if (method() == ForwardingMethod::Masquerade) {
        EXPECT_GE(counted.bytes_out, kTransfer);
        EXPECT_LT(counted.packets_out, kTransfer / kSegment / 2) << "no super-packets crossed";
    } else {
        EXPECT_EQ(counted.packets_out, 0U) << "the reply does not pass the director";
    }
}

// Each is six fragments, there and back.
TEST_P(Method, EightKilobyteDatagramsArriveIntactBothWays) {
    ASSERT_OK_AND_ASSIGN(socket, UdpClient::open(client(), udp()));
    const std::string payload = noise(kDatagram);
    std::set<std::string> servers;
    for (int i = 0; i < 10; ++i) {
        ASSERT_OK_AND_ASSIGN(answer, socket.ask(payload));
        const std::size_t space = answer.find(' ');
        EXPECT_EQ(answer.substr(space + 1), payload);
        servers.insert(answer.substr(0, space));
    }

    EXPECT_EQ(servers.size(), 1U) << "one client's port is one connection";
}

TEST_P(Method, TwentyMegabytesOfDatagramsArriveIntactBothWays) {
    ASSERT_OK_AND_ASSIGN(socket, UdpClient::open(client(), udp()));
    const std::string payload = noise(kTransfer);
    Sha256 came_back;
    for (std::size_t at = 0; at < payload.size(); at += kDatagram) {
        ASSERT_OK_AND_ASSIGN(answer, socket.ask(std::string_view(payload).substr(at, kDatagram)));
        const std::string_view echo = std::string_view(answer).substr(answer.find(' ') + 1);
        came_back.update(std::as_bytes(std::span(echo.data(), echo.size())));
    }

    EXPECT_EQ(came_back.finish(), sha256_of(payload));
}

TEST_P(Method, AQuiescedRealServerFinishesItsConnectionsAndGetsNoNewOne) {
    ASSERT_OK_AND_ASSIGN(old, HttpClient::open(client(), http()));
    ASSERT_OK_AND_ASSIGN(server, old.get("/"));

    ASSERT_OK(quiesce("-t", http(), server));

    for (int i = 0; i < 6; ++i) {
        ASSERT_OK_AND_ASSIGN(fresh, ask_http(client(), http()));
        EXPECT_NE(fresh, server);
        ASSERT_OK_AND_ASSIGN(again, old.get("/"));
        EXPECT_EQ(again, server);
    }
    ASSERT_OK_AND_ASSIGN(rest, old.get("/bytes/1000000"));
    EXPECT_EQ(rest.size(), 1'000'000U);
}

TEST_P(Method, AQuiescedRealServerFinishesItsDatagramsAndGetsNoNewClient) {
    ASSERT_OK_AND_ASSIGN(old, UdpClient::open(client(), udp()));
    ASSERT_OK_AND_ASSIGN(first, old.ask(""));
    const std::string server = first.substr(0, first.find(' '));

    ASSERT_OK(quiesce("-u", udp(), server));

    for (int i = 0; i < 6; ++i) {
        ASSERT_OK_AND_ASSIGN(fresh, UdpClient::open(client(), udp()));
        ASSERT_OK_AND_ASSIGN(answer, fresh.ask(""));
        EXPECT_NE(answer, server + " ");
        EXPECT_EQ(old.ask("x").value(), server + " x");
    }
}

}  // namespace
}  // namespace xvs::lab
