// A path between the director and a real server's tunnel that takes shorter packets than any link
// that the director knows of.
#include "tests/lab/uploads_fixture.h"

namespace xvs::lab {
namespace {

using ::testing::HasSubstr;

class NarrowPath : public testing::TestWithParam<FastPath> {
protected:
    static constexpr std::size_t kSize = 1'000'000;
    static constexpr const char* kMtu = "1400";

    // The router answers what is longer with ICMP, and takes what comes back whole.
    static void make_narrow(const Laboratory& lab) {
        const DualAddress& real = lab.plan().real_servers[0];
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
            ASSERT_OK(lab.node("router").run_checked(command(
                "ip route add " + real.of(family).to_string() + " dev eth2 mtu lock " + kMtu)));
        }
    }

    // Both ways; what is sent up has to get through the tunnel.
    static void expect_whole_files(const Laboratory& lab, net::Family family) {
        const std::string url = "http://" + host_of(lab.plan().vip.of(family));
        const std::string body = noise(kSize);
        const auto up = std::filesystem::temp_directory_path() / (lab.name() + ".up");
        std::ofstream(up, std::ios::binary) << body;
        const auto said =
            lab.node("client").run_checked({"curl", "-sS", "-m", "25", "-T", up, url + "/"});
        std::filesystem::remove(up);
        ASSERT_TRUE(said) << said.error().context;
        EXPECT_THAT(*said, HasSubstr(sha256_of(body)));
        const auto size = lab.node("client").run_checked({"curl",
                                                          "-sS",
                                                          "-m",
                                                          "25",
                                                          "-o",
                                                          "/dev/null",
                                                          "-w",
                                                          "%{size_download}",
                                                          url + "/bytes/" + std::to_string(kSize)});
        ASSERT_TRUE(size) << size.error().context;
        EXPECT_EQ(*size, std::to_string(kSize));
    }

    static std::string host_of(const net::IpAddress& address) {
        const std::string text = address.to_string();
        return address.family() == net::Family::Ipv4 ? text : "[" + text + "]";
    }
};

INSTANTIATE_TEST_SUITE_P(Both,
                         NarrowPath,
                         testing::Values(FastPath::On, FastPath::Off),
                         [](const auto& each) { return name_of_way(each.param); });

TEST_P(NarrowPath, IsFoundOut) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(model::ForwardingMethod::Tunnel, 1));
    make_narrow(lab);
    ASSERT_OK(lab.start_director(arguments_of(GetParam())));
    for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
        ASSERT_OK(lab.configure(family));
        expect_whole_files(lab, family);
    }
}

}  // namespace
}  // namespace xvs::lab
