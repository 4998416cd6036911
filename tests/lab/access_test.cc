// Access lists as an operator meets them: a client is stopped at once, whatever it is doing, and
// lists outlive the daemon.
#include <array>
#include <csignal>
#include <fstream>
#include <string>

#include <sys/socket.h>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "lab/traffic.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

using testing::HasSubstr;

// The host serves 192.0.2.1:80 itself; the peer is 192.0.2.20 and 192.0.2.21.
class Access : public Xvsd {
protected:
    void SetUp() override {
        Xvsd::SetUp();
        in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
        in(*peer_, "ip addr add 192.0.2.21/24 dev eth0");
        serve(*host_);
        start_kept();
        add_service("192.0.2.1:80", "192.0.2.10:8080");
    }

    void TearDown() override {
        static_cast<void>(host_->run({xvsd(), "--detach"}));
        Xvsd::TearDown();
        std::filesystem::remove_all(state());
        std::filesystem::remove(rules());
    }

    // How packets go, as xvsd is told.
    [[nodiscard]] virtual std::vector<std::string> way() const { return {}; }

    [[nodiscard]] std::filesystem::path state() const { return log_.string() + ".state"; }

    [[nodiscard]] std::filesystem::path rules() const { return log_.string() + ".rules"; }

    void start_kept(const std::vector<std::string>& more = {}) {
        Command words{xvsd(), "--state-dir", state(), "--connections", "1000"};
        words.insert(words.end(), more.begin(), more.end());
        for (const std::string& word : way())
            words.push_back(word);
        auto started = host_->start(words, log_);
        ASSERT_TRUE(started) << started.error().context;
        daemon_ = std::move(*started);
        in(*host_, xvsd() + " --wait 60");
    }

    std::string admin(const std::string& words) {
        return in(*host_, programs().xvsadm.string() + " " + words);
    }

    // What a client of that address gets.
    std::string ask(const std::string& address) {
        return peer_->run({"curl", "-sS", "-m", "1", "--interface", address, "http://192.0.2.1/"})
            ->out;
    }

    std::string status() { return in(*host_, programs().xvs.string() + " status"); }
};

// With established packets forwarded in the kernel, and by the engine.
class AccessEitherWay : public Access, public testing::WithParamInterface<FastPath> {
protected:
    [[nodiscard]] std::vector<std::string> way() const override { return arguments_of(GetParam()); }
};

std::string name_of(const testing::TestParamInfo<FastPath>& info) {
    return name_of_way(info.param);
}

INSTANTIATE_TEST_SUITE_P(Both,
                         AccessEitherWay,
                         testing::Values(FastPath::On, FastPath::Off),
                         name_of);

// A TCP connection of the peer's to the VIP.
class Client {
public:
    explicit Client(const NetworkNamespace& where) : inside_(where) {
        const SocketAddress to(*net::Endpoint::parse("192.0.2.1:80"));
        socket_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(socket_.get(), to.get(), to.size()), 0);
    }

    void says(std::string_view text) const {
        EXPECT_EQ(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }

    [[nodiscard]] bool is_answered_within(std::chrono::milliseconds time) const {
        pollfd wanted{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        return ::poll(&wanted, 1, static_cast<int>(time.count())) == 1;
    }

private:
    NetworkNamespace::Scope inside_;
    UniqueFd socket_;
};

TEST_P(AccessEitherWay, ADenyStopsAConnectionInItsMiddleAndItsEndLetsItGoOn) {
    const Client client(*peer_);
    client.says("GET / HTTP/1.1\r\n");
    admin("--deny 192.0.2.20");
    client.says("Host: 192.0.2.1\r\n\r\n");
    EXPECT_FALSE(client.is_answered_within(std::chrono::milliseconds(700)));
    EXPECT_EQ(ask("192.0.2.20"), "");
    EXPECT_EQ(ask("192.0.2.21"), "real\n");
    EXPECT_THAT(status(), testing::ContainsRegex("client-denied [1-9]"));
    admin("--delete-deny 192.0.2.20");
    EXPECT_TRUE(client.is_answered_within(std::chrono::seconds(10)));
    EXPECT_EQ(ask("192.0.2.20"), "real\n");
}

// 50,000 addresses and as many networks, whom all but two are not in.
TEST_F(Access, AHundredThousandPrefixesOutliveTheDaemon) {
    {
        std::ofstream file(rules());
        for (unsigned i = 0; i < 50000; ++i) {
            file << fmt::format("--deny 10.{}.{}.{}\n", i >> 16, i >> 8 & 255, i & 255)
                 << fmt::format("--deny 172.{}.{}.0/24\n", 16 + (i >> 8), i & 255);
        }
        file << "--deny 192.0.2.21\n--allow 192.0.2.0/24 -t 192.0.2.1:80\n";
    }
    RunOptions patience;
    patience.time_limit = std::chrono::seconds(60);
    ASSERT_OK(host_->run_checked(
        {"sh", "-c", programs().xvsadm.string() + " -R < " + rules().string()}, patience));
    const auto expect_lists = [&] {
        EXPECT_THAT(status(), HasSubstr("lists of 100002 prefixes"));
        EXPECT_EQ(ask("192.0.2.20"), "real\n");
        EXPECT_EQ(ask("192.0.2.21"), "");
    };
    expect_lists();
    // A large file is written a while after the edit.
    ASSERT_TRUE(comes_true([&] {
        return in(*host_, "grep -c deny " + (state() / "services").string()) == "100001\n";
    }));
    ASSERT_TRUE(daemon_.signal(SIGKILL));
    ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
    start_kept();
    expect_lists();
    // It takes a while to read them, in which the old daemon is gone and the new one not ready.
    Process former = std::move(daemon_);
    start_kept({"--takeover"});
    ASSERT_TRUE(comes_true([&] { return !former.is_running(); }));
    in(*host_, xvsd() + " --wait 60");
    EXPECT_THAT(admin("--list-access"), HasSubstr("--deny 172.211.79.0/24"));
    expect_lists();
    admin("-D -t 192.0.2.1:80");
    EXPECT_THAT(status(), HasSubstr("lists of 100001 prefixes"));
}

}  // namespace
}  // namespace xvs::lab
