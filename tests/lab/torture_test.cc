// Torture: flows are installed and retired under full traffic on two CPUs, the same flows on both,
// while everything about them is edited; every packet that is received is checked.
#include <fstream>
#include <tuple>

#include "lab/sha256.h"
#include "tests/lab/torture_traffic.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto kDuration = 10s;
constexpr unsigned kServers = 4;
constexpr std::size_t kTransfer = 20'000'000;

// What the kernels at the ends would answer is not wanted.
constexpr const char* kSilence = R"(table inet torture {
    chain input {
        type filter hook input priority 0
        tcp dport 9000 drop
        tcp sport 9000 drop
        udp dport 9001 drop
        udp sport 9001 drop
    }
})";

class Torture : public testing::TestWithParam<std::tuple<model::ForwardingMethod, FastPath>> {
protected:
    void SetUp() override {
        auto built = build_balanced(method(), kServers, std::get<1>(GetParam()));
        ASSERT_TRUE(built) << built.error().context;
        lab_.emplace(std::move(*built));
        hush("client");
        for (unsigned i = 0; i < kServers; ++i)
            hush(Plan::real_server_name(i));
        for (const std::string& service : services()) {
            admin("-A " + service + " -s wrr");
            for (unsigned i = 0; i < kServers; ++i)
                admin("-a " + server(service, i) + " -w 2");
        }
        // Connections wait for their packets as long as the storm lasts, of which a busy machine
        // loses most, and end soon after.
        admin("--set 30 2 11");
    }

    [[nodiscard]] static model::ForwardingMethod method() { return std::get<0>(GetParam()); }

    [[nodiscard]] static bool is_nat() { return method() == model::ForwardingMethod::Masquerade; }

    void hush(const std::string& node) {
        ASSERT_OK(lab_->node(node).run_checked({"nft", "-f", "-"}, {.input = kSilence}));
    }

    void admin(const std::string& line) {
        const auto done = lab_->xvsadm(line);
        EXPECT_TRUE(done) << done.error().context;
    }

    void on(const std::string& node, const std::string& line) {
        const auto done = lab_->node(node).run_checked(command(line));
        EXPECT_TRUE(done) << done.error().context;
    }

    [[nodiscard]] std::vector<std::string> services() const {
        const DualAddress& vip = lab_->plan().vip;
        return {"-t " + endpoint(vip.v4, kTortureTcpPort).to_string(),
                "-u " + endpoint(vip.v4, kTortureUdpPort).to_string(),
                "-u " + endpoint(vip.v6, kTortureUdpPort).to_string()};
    }

    // "SERVICE -r SERVER METHOD" for one of the real servers; `is_named`: without the method.
    [[nodiscard]] std::string server(const std::string& service,
                                     unsigned index,
                                     bool is_named = false) const {
        const auto family =
            service.find('[') == std::string::npos ? net::Family::Ipv4 : net::Family::Ipv6;
        const auto port = service.starts_with("-t") ? kTortureTcpPort : kTortureUdpPort;
        return service + " -r " +
               endpoint(lab_->plan().real_servers.at(index).of(family), port).to_string() +
               (is_named ? std::string() : " " + std::string(method_option(method())));
    }

    // Everything that may be edited, bit by bit.
    void edit(TortureTraffic& traffic, unsigned step) {
        const unsigned which = step % kServers;
        const std::string service = services()[step / 7 % services().size()];
        switch (step % 7) {
            case 0:
                return admin("-e " + server(service, which) + " -w " +
                             std::to_string(step / 7 % 4));
            case 1:
                return remove(traffic, service, which);
            case 2:
                traffic.note_back();
                return admin("-a " + server(removed_service_, removed_) + " -w 2");
            case 3:
                return change_mac(Plan::real_server_name(which), which, step);
            case 4:
                return set_mtu(1400);
            case 5:
                return set_mtu(method() == model::ForwardingMethod::Tunnel ? 1600 : 1500);
            default:
                return change_mac("client", kServers, step);
        }
    }

    void remove(TortureTraffic& traffic, const std::string& service, unsigned which) {
        removed_service_ = service;
        removed_ = which;
        traffic.note_removal(which);
        admin("-d " + server(service, which, true));
        traffic.note_removal(which);
        const bool is_tcp = service.starts_with("-t");
        traffic.note_gone(
            which,
            is_tcp ? kTortureTcpPort : kTortureUdpPort,
            service.find('[') == std::string::npos ? net::Family::Ipv4 : net::Family::Ipv6);
    }

    // Of the director's interface towards real servers.
    void set_mtu(unsigned mtu) {
        on("director",
           std::string("ip link set dev ") + (is_nat() ? "eth1" : "eth0") + " mtu " +
               std::to_string(mtu));
    }

    // Somebody gets another MAC address, of which the director, or whoever sends to it, hears.
    void change_mac(const std::string& node, unsigned number, unsigned step) {
        const Plan& plan = lab_->plan();
        const bool is_client = node == "client";
        const DualAddress& address = is_client ? plan.client : plan.real_servers.at(number);
        const std::string mac = fmt_mac(number, step);
        on(node, "ip link set eth0 address " + mac);
        const auto tell = [&](const std::string& who, const std::string& device) {
            for (const net::IpAddress& each : {address.v4, address.v6}) {
                on(who,
                   "ip neigh replace " + each.to_string() + " lladdr " + mac + " dev " + device +
                       " nud permanent");
            }
        };
        if (is_nat()) return tell("director", is_client ? "eth0" : "eth1");
        if (is_client) return tell("router", "eth0");
        if (method() == model::ForwardingMethod::Tunnel) return tell("router", "eth2");
        tell("director", "eth0");
        tell("router", "eth1");  // what it answers uploads with
    }

    static std::string fmt_mac(unsigned number, unsigned step) {
        std::array<std::byte, net::MacAddress::kSize> bytes{
            std::byte{2}, std::byte{0xee}, static_cast<std::byte>(number)};
        store_be16(bytes.data() + 4, static_cast<std::uint16_t>(step));
        return net::MacAddress(bytes).to_string();
    }

    // Uploads over and over until `stop`; says how often, and how often the sum was right.
    static std::pair<unsigned, unsigned> upload(const Laboratory& lab,
                                                const std::filesystem::path& file,
                                                const std::string& sum,
                                                const std::atomic<bool>& stop) {
        unsigned tried = 0;
        unsigned right = 0;
        const auto url = url_of(endpoint(lab.plan().vip.v4, kHttpPort), "/up");
        while (!stop) {
            const auto said = lab.node("client").run_checked(
                {"curl", "-sS", "-m", "25", "-T", file.string(), url});
            ++tried;
            if (said && said->find(sum) != std::string::npos) ++right;
        }
        return {tried, right};
    }

    // Connections of a protocol in the listing.
    [[nodiscard]] std::size_t connections(const std::string& protocol) const {
        std::istringstream lines(lab_->xvsadm("-L -n -c").value_or(""));
        std::size_t count = 0;
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(protocol)) ++count;
        return count;
    }

    std::optional<Laboratory> lab_;
    std::string removed_service_;
    unsigned removed_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Every,
                         Torture,
                         testing::Combine(testing::ValuesIn(kMethods),
                                          testing::Values(FastPath::On, FastPath::Off)),
                         [](const auto& each) {
                             return std::string(method_word(std::get<0>(each.param))) + "_" +
                                    name_of_way(std::get<1>(each.param));
                         });

TEST_P(Torture, EveryPacketOfEveryFlowIsWholeAndWhereItBelongs) {
    Sha256 sha;
    const std::string body(kTransfer, 'x');
    sha.update(std::as_bytes(std::span(body.data(), body.size())));
    const std::string sum = sha.finish();
    const auto file = directory_of_test(*lab_) / "bulk";
    std::ofstream(file, std::ios::binary) << body;

    TortureTraffic traffic(*lab_);
    traffic.start();
    std::atomic<bool> stop = false;
    std::pair<unsigned, unsigned> uploads;
    std::thread bulk([&] { uploads = upload(*lab_, file, sum, stop); });
    const auto end = std::chrono::steady_clock::now() + kDuration;
    for (unsigned step = 0; std::chrono::steady_clock::now() < end; ++step) {
        edit(traffic, step);
        std::this_thread::sleep_for(100ms);
    }
    traffic.stop();
    stop = true;
    bulk.join();

    EXPECT_EQ(traffic.problems(), "");
    const TortureCounts counts = traffic.counts();
    std::cout << counts.sent << " sent, " << counts.at_servers << " at the real servers, "
              << counts.at_client << " answers, " << counts.flows << " flows, "
              << counts.rescheduled << " rescheduled, " << uploads.first << " uploads\n";
    EXPECT_GT(counts.at_servers, 20'000U);
    EXPECT_GT(counts.at_client, 5'000U);
    EXPECT_GT(counts.flows, 500U);
    EXPECT_GT(counts.rescheduled, 10U) << "no connection was reset and opened anew";
    EXPECT_GT(uploads.first, 0U);
    EXPECT_EQ(uploads.first, uploads.second) << "uploads, and those whose sum was right";
    // Nobody is left behind.
    EXPECT_TRUE(comes_true([&] { return connections("UDP") == 0; })) << connections("UDP");
}

}  // namespace
}  // namespace xvs::lab
