// Laboratories: what is in them, and that they go, however their maker ends.
#include <array>
#include <chrono>
#include <csignal>
#include <thread>

#include <sys/wait.h>

#include <poll.h>

#include "lab/interruption.h"
#include "lab/real_service.h"
#include "lab/registry.h"
#include "lab/sha256.h"
#include "tests/lab/lab_test.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// Waits until `condition` holds; false when it does not within a minute.
template <class Condition>
bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::poll(nullptr, 0, 20);
    }
    return true;
}

bool is_gone(const std::string& name) {
    return namespaces_of(name).empty() && !find_record(name);
}

class EveryMethod : public testing::TestWithParam<ForwardingMethod> {};

std::string name_of(const testing::TestParamInfo<ForwardingMethod>& info) {
    return std::string(method_word(info.param));
}

INSTANTIATE_TEST_SUITE_P(Laboratory, EveryMethod, testing::ValuesIn(kMethods), name_of);

TEST_P(EveryMethod, AClientReachesEachRealServerByItsOwnAddress) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(GetParam()));

    for (std::size_t i = 0; i < lab.plan().real_servers.size(); ++i) {
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
            const auto& real = lab.plan().real_servers[i].of(family);
            ASSERT_OK_AND_ASSIGN(
                answer, ask_http(lab.node("client"), endpoint(real, lab.plan().real_http_port)));
            EXPECT_EQ(answer, Plan::real_server_name(i));
            ASSERT_OK_AND_ASSIGN(client,
                                 UdpClient::open(lab.node("client"), endpoint(real, kUdpPort)));
            ASSERT_OK_AND_ASSIGN(echo, client.ask("hello"));
            EXPECT_EQ(echo, Plan::real_server_name(i) + " hello");
        }
    }
}

TEST_P(EveryMethod, NothingIsLeftWhenItsObjectGoes) {
    std::string name;
    {
        ASSERT_OK_AND_ASSIGN(lab, build_bare(GetParam()));
        name = lab.name();
        EXPECT_THAT(namespaces_of(name), Not(IsEmpty()));
    }
    EXPECT_TRUE(is_gone(name));
}

TEST(Laboratory, TwoOfOneKindStandSideBySide) {
    ASSERT_OK_AND_ASSIGN(first, build_bare(ForwardingMethod::DirectRoute));
    ASSERT_OK_AND_ASSIGN(second, build_bare(ForwardingMethod::DirectRoute));

    const auto real = endpoint(first.plan().real_servers[1].v4, kHttpPort);
    EXPECT_EQ(ask_http(first.node("client"), real).value(), "rs2");
    EXPECT_EQ(ask_http(second.node("client"), real).value(), "rs2");
}

TEST(Laboratory, RefusesANameThatIsTaken) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade));

    LaboratoryOptions options;
    options.name = lab.name();
    const auto second = Laboratory::build(options, programs());

    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::AlreadyExists);
    EXPECT_THAT(second.error().context, HasSubstr("xvs lab down " + lab.name()));
    EXPECT_EQ(ask_http(lab.node("client"), endpoint(lab.plan().real_servers[0].v4, 8080)).value(),
              "rs1");
}

TEST(Laboratory, RefusesANameThatIsNone) {
    for (const char* name : {"", "Upper", "a.b", "../etc", "a b"}) {
        LaboratoryOptions options;
        options.name = name;
        EXPECT_FALSE(Laboratory::build(options, programs())) << name;
    }
}

// A child that makes a laboratory and waits to be killed.
class Maker {
public:
    explicit Maker(const std::string& name) : name_(name) {
        std::array<int, 2> ready{};
        EXPECT_EQ(::pipe(ready.data()), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            const Interruption interruption;
            LaboratoryOptions options;
            options.name = name_;
            options.plan.real_servers = 1;
            const auto lab = Laboratory::build(options, programs());
            const pid_t reaper = lab ? lab->reaper() : -1;
            if (::write(ready[1], &reaper, sizeof reaper) == sizeof reaper && lab) ::pause();
            ::_exit(1);
        }
        ::close(ready[1]);
        EXPECT_EQ(::read(ready[0], &reaper_, sizeof reaper_), static_cast<ssize_t>(sizeof reaper_));
        ::close(ready[0]);
    }

    Maker(const Maker&) = delete;
    Maker& operator=(const Maker&) = delete;

    ~Maker() { end(SIGKILL); }

    void end(int signal) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        ::waitpid(pid_, &status_, 0);
        pid_ = -1;
    }

    [[nodiscard]] pid_t reaper() const { return reaper_; }

    [[nodiscard]] int status() const { return status_; }

private:
    std::string name_;
    pid_t pid_ = -1;
    pid_t reaper_ = -1;
    int status_ = 0;
};

TEST(Laboratory, GoesWhenItsMakerIsKilled) {
    const std::string name = unique_name("killed");
    Maker maker(name);
    ASSERT_THAT(namespaces_of(name), Not(IsEmpty()));

    maker.end(SIGKILL);

    EXPECT_TRUE(eventually([&] { return is_gone(name); }));
}

TEST(Laboratory, GoesBeforeItsMakerEndsByASignal) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        const std::string name = unique_name("signal");
        Maker maker(name);
        ASSERT_THAT(namespaces_of(name), Not(IsEmpty()));

        maker.end(signal);

        EXPECT_TRUE(is_gone(name));
        EXPECT_TRUE(WIFSIGNALED(maker.status()) && WTERMSIG(maker.status()) == signal);
    }
}

TEST(Laboratory, GoesWithTheNextOneWhenItsReaperWasKilledToo) {
    const std::string name = unique_name("stale");
    Maker maker(name);
    const pid_t reaper = maker.reaper();
    ASSERT_GT(reaper, 1) << "no laboratory was built";  // kill(-1) would end every process
    ASSERT_EQ(::kill(reaper, SIGKILL), 0);
    maker.end(SIGKILL);
    ASSERT_THAT(namespaces_of(name), Not(IsEmpty()));

    ASSERT_OK_AND_ASSIGN(next, build_bare(ForwardingMethod::Masquerade));

    EXPECT_TRUE(is_gone(name));
    EXPECT_FALSE(is_gone(next.name()));
}

TEST(Laboratory, StandsOnWhenLeftAndGoesWhenTakenDown) {
    std::string name;
    {
        ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade));
        name = lab.name();
        ASSERT_OK(lab.leave_standing());
    }
    ASSERT_OK_AND_ASSIGN(record, find_record(name));
    EXPECT_FALSE(record.is_stale());
    ASSERT_OK_AND_ASSIGN(client, NetworkNamespace::open(namespace_name(name, "client")));
    EXPECT_EQ(ask_http(client, endpoint(address("10.0.0.11"), kNatHttpPort)).value(), "rs1");

    take_down(name);

    EXPECT_TRUE(is_gone(name));
}

TEST(RealService, TakesAnUploadAndSaysItsDigest) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade, 1));
    const std::string url = url_of(endpoint(lab.plan().real_servers[0].v4, kNatHttpPort), "/up");
    const std::string body(300000, 'u');
    Sha256 sha;
    sha.update(std::as_bytes(std::span(body.data(), body.size())));

    ASSERT_OK_AND_ASSIGN(said,
                         lab.node("client").run_checked({"curl", "-sS", "--data-binary", "@-", url},
                                                        {.input = body}));

    EXPECT_EQ(said, "rs1 300000 " + sha.finish() + "\n");
}

TEST(RealService, ServesAsManyBytesAsAsked) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade, 1));
    const auto real = endpoint(lab.plan().real_servers[0].v4, kNatHttpPort);

    ASSERT_OK_AND_ASSIGN(
        said, lab.node("client").run_checked({"curl", "-sS", url_of(real, "/bytes/300000")}));

    ASSERT_EQ(said.size(), 300000U);
    for (std::size_t i = 0; i < said.size(); ++i)
        ASSERT_EQ(static_cast<std::uint8_t>(said[i]), pattern(i)) << i;
}

TEST(RealService, AnswersUdpFromTheAddressThatWasAsked) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::DirectRoute, 1));
    // On the real server itself the VIP is local: a reply from another address would not arrive at
    // a connected socket.
    for (const net::IpAddress& vip : {lab.plan().vip.v4, lab.plan().vip.v6}) {
        ASSERT_OK_AND_ASSIGN(client, UdpClient::open(lab.node("rs1"), endpoint(vip, kUdpPort)));
        EXPECT_EQ(client.ask("x").value(), "rs1 x");
    }
}

}  // namespace
}  // namespace xvs::lab
