// Services of sh and mh, whose clients choose for themselves: programs in the kernel give each the
// server that the engine alone gives it, whatever is edited meanwhile.
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "testing/program_entrance.h"

namespace xvs::test {
namespace {

struct Service {
    const char* name;
    const char* options;  // of -A and -E
    bool is_ipv6 = false;
};

void PrintTo(const Service& service, std::ostream* out) {
    *out << service.name;
}

class StockShares : public ::testing::TestWithParam<Service> {
protected:
    static constexpr std::uint32_t kRoom = 8192;

    // To load it takes longer than a test.
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = true, .at_xdp = false, .draws = true});
    }

    static void TearDownTestSuite() { program_.reset(); }

    void SetUp() override {
        if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
        const std::string all = "-A" + vip() + GetParam().options + "\n-a" + vip() + server(1) +
                                " -g -w 3\n-a" + vip() + server(2) + " -g -w 1\n-a" + vip() +
                                server(3) + " -g -w 2";
        director_ = std::make_unique<Director>(all,
                                               DirectorParts{.connections = kRoom,
                                                             .storage = &program_->storage(),
                                                             .cpus = TestedProgram::cpus(),
                                                             .stock = XVS_STOCK_SIZE});
        alone_ = std::make_unique<Director>(all, DirectorParts{.connections = kRoom});
        auto entrance = program_->stand_before(*director_);
        ASSERT_TRUE(entrance) << entrance.error().context;
        entrance_ = std::move(*entrance);
    }

    static std::string address(const char* ipv4, const char* ipv6, unsigned number) {
        return GetParam().is_ipv6 ? "[" + std::string(ipv6) + std::to_string(number) + "]"
                                  : ipv4 + std::to_string(number);
    }

    static std::string vip() { return " -t " + address("192.0.2.", "2001:db8::", 1) + ":80"; }

    static std::string server(unsigned number) {
        return " -r " + address("10.0.0.1", "2001:db8:2::1", number) + ":80";
    }

    static Packet syn(std::mt19937& random) {
        const auto number = static_cast<std::uint32_t>(random());
        const auto port = static_cast<std::uint16_t>(1024 + random() % 60000);
        const std::string client = GetParam().is_ipv6
                                       ? "2001:db8:1::" + std::to_string(number % 9000) + ":" +
                                             std::to_string(number / 9000 % 9000)
                                       : "198.51.100." + std::to_string(1 + number % 250);
        const std::string to = GetParam().is_ipv6 ? "2001:db8::1" : "192.0.2.1";
        return Packet::tcp({*net::IpAddress::parse(client), net::Port{port}},
                           {*net::IpAddress::parse(to), net::Port{80}})
            .flags("S");
    }

    // The host that a SYN goes to by way of the program, or nothing.
    std::string with_program(const Packet& packet) {
        Bytes frame = packet.frame(net::MacAddress(), director_link(Side::Client).mac);
        Passage passage = entrance_->admit(frame, Side::Client);
        if (passage.way == Passage::Way::Engine) {
            director_->port.inject(passage.frame,
                                   {.interface = interface_of(Side::Client),
                                    .reason = passage.reason,
                                    .report_ring = passage.report_ring,
                                    .report_position = passage.report_position,
                                    .offload = {}});
            while (director_->engine.process_burst() > 0) {
            }
            const auto output = director_->take_output();
            if (output.empty()) return {};
            passage.frame = output.front().bytes;
        } else if (passage.way != Passage::Way::Replayed) {
            return {};
        }
        const TestHost* const host = find_host(net::MacAddress::load(passage.frame.data()));
        return host == nullptr ? std::string() : std::string(host->name);
    }

    std::string with_engine(const Packet& packet) {
        const auto sent = alone_->receives(packet);
        return sent.empty() ? std::string() : sent.front().to;
    }

    void edit(const std::string& line) {
        ASSERT_TRUE(director_->ipvsadm(line)) << line;
        ASSERT_TRUE(alone_->ipvsadm(line)) << line;
    }

    // So many new clients; returns how many of them began in the kernel.
    std::uint64_t compare(unsigned count, const std::string& when) {
        const std::uint64_t before = director_->engine.drawn_connections();
        for (unsigned number = 0; number < count; ++number) {
            const Packet packet = syn(random_);
            EXPECT_EQ(with_program(packet), with_engine(packet)) << when << ", " << number;
        }
        director_->engine.catch_up();
        EXPECT_EQ(director_->inconsistencies(), "") << when;
        return director_->engine.drawn_connections() - before;
    }

    static inline std::unique_ptr<TestedProgram> program_;
    std::unique_ptr<Director> director_;
    std::unique_ptr<Director> alone_;
    std::unique_ptr<ProgramEntrance> entrance_;
    std::mt19937 random_{7};
};

TEST_P(StockShares, GiveEachClientTheServerThatTheEngineGivesIt) {
    constexpr unsigned kClients = 300;
    EXPECT_GT(compare(kClients, "at first"), kClients * 3 / 4);
    edit("-e" + vip() + server(1) + " -g -w 1");
    EXPECT_GT(compare(kClients, "with another weight"), kClients * 3 / 4);
    edit("-a" + vip() + server(4) + " -g -w 5");
    EXPECT_GT(compare(kClients, "with one more"), kClients * 3 / 4);
    edit("-e" + vip() + server(2) + " -g -w 0");
    EXPECT_GT(compare(kClients, "with one quiesced"), kClients / 4);
    edit("-d" + vip() + server(4));
    EXPECT_GT(compare(kClients, "with one removed"), kClients / 4);
    edit("-E" + vip() + " -s rr");
    EXPECT_GT(compare(kClients, "in turn"), kClients * 3 / 4);
    edit("-E" + vip() + GetParam().options);
    EXPECT_GT(compare(kClients, "by client again"), kClients / 4);
}

TEST_P(StockShares, AreTheEnginesWhereAServerHasAThreshold) {
    edit("-e" + vip() + server(3) + " -g -w 2 -x 50");
    EXPECT_EQ(compare(100, "with a threshold"), 0U);
    edit("-e" + vip() + server(3) + " -g -w 2");
    EXPECT_GT(compare(100, "without"), 50U);
}

TEST_P(StockShares, AreTheEnginesWhereThereAreMoreServersThanShares) {
    const auto more = [&](unsigned number) {
        return " -r " + address("10.0.1.", "2001:db8:2::1:", number) + ":80";
    };
    for (unsigned number = 1; number <= XVS_SHARES; ++number)
        edit("-a" + vip() + more(number) + " -g -w 1");
    EXPECT_EQ(compare(100, "with too many"), 0U);
    for (unsigned number = 1; number <= 3; ++number)
        edit("-d" + vip() + more(number));
    EXPECT_GT(compare(100, "with as many as there may be"), 30U);
}

INSTANTIATE_TEST_SUITE_P(Of,
                         StockShares,
                         ::testing::Values(Service{"sh", " -s sh"},
                                           Service{"sh_port", " -s sh -b sh-port"},
                                           Service{"sh_fallback", " -s sh -b sh-fallback"},
                                           Service{"mh", " -s mh"},
                                           Service{"mh_port", " -s mh -b mh-port"},
                                           Service{"mh_fallback", " -s mh -b mh-fallback"},
                                           Service{"sh_of_ipv6", " -s sh -b sh-port", true},
                                           Service{"mh_of_ipv6", " -s mh", true}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace xvs::test
