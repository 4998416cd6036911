// Interfaces that need a program which the daemon has not loaded, since none needed it before.
#include "tests/lab/bare_cable.h"
#include "tests/lab/uploads_fixture.h"

namespace xvs::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

// The real server is the host's peer; the client comes later.
class LateInterface : public Uploads {
protected:
    void SetUp() override {
        Uploads::SetUp();
        auto made = NetworkNamespace::create(unique_name("far"));
        ASSERT_TRUE(made) << made.error().context;
        far_.emplace(std::move(*made));
        in(*host_, "sysctl -qw net.ipv4.ip_forward=1");
        in(*peer_, "ip route add 198.51.100.0/24 via 192.0.2.10");
        serve(*peer_);
    }

    void begin(const std::vector<std::string>& arguments) {
        start(arguments);
        add_service("192.0.2.10:80", "192.0.2.20:8080");
    }

    void address(const std::string& interface) {
        in(*host_, "ip link set " + interface + " up");
        in(*far_, "ip link set " + interface + " up");
        in(*host_, "ip addr add 198.51.100.1/24 dev " + interface);
        in(*far_, "ip addr add 198.51.100.7/24 dev " + interface);
        in(*far_, "ip route add default via 198.51.100.1");
    }

    std::string status() { return in(*host_, programs().xvs.string() + " status"); }

    std::optional<NetworkNamespace> far_;
    BareCable cable_;
};

TEST_F(LateInterface, OneWithoutLinkHeadersIsServed) {
    begin({});
    ASSERT_OK(cable_.plug(*host_, *far_, "bare0"));
    address("bare0");
    EXPECT_TRUE(logs("serving interface bare0 at tc"));
    expect_upload(*far_, "http://192.0.2.10/");
    EXPECT_LT(counter("received"), 100U) << "established packets passed the engine";
    EXPECT_THAT(status(), HasSubstr("bare0: tc, without Ethernet headers"));
}

TEST_F(LateInterface, OneThatIsToBeMetAtXdpIsMetThere) {
    begin({"--attach", "late=xdp"});
    EXPECT_THAT(log(), Not(HasSubstr("XDP")));
    in(*host_, "ip link add late type veth peer name late netns " + far_->name());
    in(*far_, "ethtool -K late tx off gro on");
    address("late");
    EXPECT_TRUE(logs("serving interface late at XDP and tc"));
    EXPECT_TRUE(logs("interface late: what the engine must see comes by AF_XDP"));
    EXPECT_EQ(in(*far_, "curl -sS -m 5 http://192.0.2.10/"), "real\n");
    EXPECT_THAT(status(), HasSubstr("late: native XDP and tc, as --attach says"));
}

}  // namespace
}  // namespace xvs::lab
