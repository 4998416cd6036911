// Programs on the director itself that connect to its VIPs.
#include "tests/lab/uploads_fixture.h"

namespace xvs::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class OwnClient : public Uploads {
protected:
    void SetUp() override {
        Uploads::SetUp();
        in(*host_, "ip addr add 192.0.2.1/32 dev lo");
        in(*host_, "ip addr add 2001:db8:1::1/128 dev lo nodad");
        in(*host_, "ip addr add 2001:db8::10/64 dev eth0 nodad");
        in(*peer_, "ip addr add 2001:db8::20/64 dev eth0 nodad");
        in(*peer_, "ip route add 2001:db8:1::1/128 via 2001:db8::10");
        start({"--stock", "on"});
    }

    std::string ask(const std::string& url) { return in(*host_, "curl -sS -m 5 " + url); }

    std::string listing() { return in(*host_, programs().xvsadm.string() + " -L -n -c"); }
};

TEST_F(OwnClient, ReachesARealServerByNat) {
    serve(*peer_);
    add_service("192.0.2.1:80", "192.0.2.20:8080");
    EXPECT_EQ(ask("http://192.0.2.1/"), "real\n");
    EXPECT_THAT(listing(), HasSubstr("192.0.2.1:80       192.0.2.20:8080"));
    expect_upload(*host_, "http://192.0.2.1/");
    add_service("[2001:db8:1::1]:80", "[2001:db8::20]:8080");
    EXPECT_EQ(ask("http://[2001:db8:1::1]/"), "real\n");
    expect_upload(*host_, "http://[2001:db8:1::1]/");
    // Others are served as before.
    EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.20:8080/"), "real\n");
}

TEST_F(OwnClient, ReachesALocalRealServer) {
    serve(*host_);
    add_service("192.0.2.1:80", "192.0.2.10:8080");
    EXPECT_EQ(ask("http://192.0.2.1/"), "real\n");
    EXPECT_EQ(ask("--interface 192.0.2.10 http://192.0.2.1/"), "real\n");
    expect_upload(*host_, "http://192.0.2.1/");
    add_service("[2001:db8:1::1]:80", "[2001:db8::10]:8080");
    EXPECT_EQ(ask("http://[2001:db8:1::1]/"), "real\n");
    expect_upload(*host_, "http://[2001:db8:1::1]/");
    add_service("192.0.2.1:8080", "127.0.0.1:8080", "-g");
    EXPECT_EQ(ask("http://192.0.2.1:8080/"), "real\n");
    EXPECT_THAT(listing(), HasSubstr("192.0.2.1:8080     127.0.0.1:8080"));
    // What is no service's is the host's, as ever.
    EXPECT_EQ(ask("http://192.0.2.10:8080/"), "real\n");
    EXPECT_EQ(ask("http://127.0.0.1:8080/"), "real\n");
}

// A local route brings what the director sends to others' addresses by loopback: ADR-0025.
TEST_F(OwnClient, ReachesAMarksServiceOfOtherAddressesByALocalRoute) {
    serve(*peer_);
    const std::string xvsadm = programs().xvsadm.string();
    in(*host_, xvsadm + " --add-mark 7 --proto tcp --dst 203.0.113.0/24 --dport 80-80");
    in(*host_, xvsadm + " -A -f 7 -s rr");
    in(*host_, xvsadm + " -a -f 7 -r 192.0.2.20:8080 -m");
    in(*host_, "ip route add local 203.0.113.0/24 dev lo src 192.0.2.10");
    EXPECT_EQ(ask("http://203.0.113.9/"), "real\n");
    EXPECT_EQ(ask("http://203.0.113.10/"), "real\n");
    EXPECT_THAT(listing(), HasSubstr("203.0.113.9:80     192.0.2.20:8080"));
    expect_upload(*host_, "http://203.0.113.9/");
    // What has no mark is not touched.
    EXPECT_EQ(ask("http://192.0.2.20:8080/"), "real\n");
}

TEST_F(OwnClient, ReachesTheDirectorAloneFromALoopbackAddress) {
    serve(*host_);
    add_service("192.0.2.1:80", "192.0.2.10:8080");
    EXPECT_EQ(ask("--interface 127.0.0.1 http://192.0.2.1/"), "real\n");
    EXPECT_THAT(listing(), HasSubstr("127.0.0.1:"));
    add_service("[2001:db8:1::1]:80", "[2001:db8::10]:8080");
    EXPECT_EQ(ask("--interface ::1 http://[2001:db8:1::1]/"), "real\n");
    add_service("192.0.2.1:81", "192.0.2.20:8080");
    const auto nowhere =
        host_->run(command("curl -sS -m 0.5 --interface 127.0.0.1 http://192.0.2.1:81/"));
    ASSERT_OK(nowhere);
    EXPECT_NE(nowhere->exit_code, 0);
    EXPECT_TRUE(daemon_.signal(SIGUSR1));
    EXPECT_TRUE(logs("dropped reason=loopback-source"));
}

TEST_F(OwnClient, IsToldThatThereIsNoRealServer) {
    in(*host_, programs().xvsadm.string() + " -A -t 192.0.2.1:80 -s rr");
    // Port-unreachable from loopback, as curl's system calls see it.
    const auto refused = host_->run(command("curl -sS -m 5 http://192.0.2.1/"));
    ASSERT_OK(refused);
    EXPECT_EQ(refused->exit_code, 7) << refused->err;
}

// One that says from outside that it is the director gets no connection, be there decisions in
// stock or not.
TEST_F(OwnClient, IsNobodyFromOutside) {
    serve(*peer_);
    add_service("192.0.2.1:80", "192.0.2.20:8080");
    const std::string ask_from = "curl -sS -m 0.5 --interface ";
    // It begins a connection to itself, which is never answered; what follows may be drawn.
    for (int i = 0; i < 3; ++i)
        EXPECT_OK(peer_->run(command(ask_from + "192.0.2.20 http://192.0.2.1/")));
    EXPECT_THAT(listing(), HasSubstr("192.0.2.20:"));
    in(*peer_, "ip addr add 192.0.2.10/32 dev lo");
    for (int i = 0; i < 3; ++i) {
        const auto done = peer_->run(command(ask_from + "192.0.2.10 http://192.0.2.1/"));
        ASSERT_OK(done);
        EXPECT_NE(done->exit_code, 0);
    }
    EXPECT_THAT(listing(), Not(HasSubstr("192.0.2.10:")));
}

}  // namespace
}  // namespace xvs::lab
