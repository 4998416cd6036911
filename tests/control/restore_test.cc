#include <atomic>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "cli/program.h"
#include "control/netlink/server.h"
#include "testing/fake_service_manager.h"

namespace xvs::cli {
namespace {

using control::netlink::Client;
using control::netlink::Server;
using ::testing::SizeIs;

constexpr std::uint32_t kServices = 300;  // more than are sent ahead at once

// A director without a packet path, and a program that speaks to it.
class Restore : public ::testing::Test {
protected:
    void SetUp() override {
        auto server = Server::open(handler_, clock_, port_);
        ASSERT_TRUE(server) << server.error().context;
        server_ = *std::move(server);
        thread_ = std::thread([this] {
            while (is_running_) {
                pollfd descriptor{.fd = server_->fd(), .events = POLLIN, .revents = 0};
                ::poll(&descriptor, 1, server_->next_deadline() ? 1 : 10);
                server_->on_readable();
                server_->on_timer();
            }
        });
        // Sending to another program's netlink port takes CAP_NET_ADMIN.
        const auto client = Client::connect(port_);
        if (!client && client.error().code == ErrorCode::NotPermitted) {
            GTEST_SKIP() << "needs CAP_NET_ADMIN";
        }
    }

    void TearDown() override { stop(); }

    void stop() {
        is_running_ = false;
        if (thread_.joinable()) thread_.join();
    }

    int run(const std::string& lines) {
        std::istringstream in(lines);
        out_.str({});
        err_.str({});
        Program program("xvsadm", {.in = in, .out = out_, .err = err_}, [this] {
            return Client::connect(port_);
        });
        return program.run({"-R"});
    }

    static std::string many_services() {
        std::string lines;
        for (std::uint32_t port = 1; port <= kServices; ++port)
            lines += fmt::format("-A -t 192.0.2.1:{0}\n-a -t 192.0.2.1:{0} -r 10.0.0.1 -m\n", port);
        return lines;
    }

    std::uint32_t port_ = 0xfe000000U | static_cast<std::uint32_t>(::getpid());
    MonotonicClock clock_;
    testing::FakeServiceManager services_;
    control::SyncDaemons daemons_;
    int saves_ = 0;
    control::netlink::RequestHandler handler_{services_, daemons_, [this] {
                                                  ++saves_;
                                              }};
    std::unique_ptr<Server> server_;
    std::atomic<bool> is_running_ = true;
    std::thread thread_;
    std::ostringstream out_;
    std::ostringstream err_;
};

TEST_F(Restore, DoesEveryLineAndSavesByTheBatch) {
    EXPECT_EQ(run(many_services()), 0);
    EXPECT_EQ(err_.str(), "");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(kServices));
    EXPECT_THAT(services_.destinations(services_.services().back().service.key), SizeIs(1));
    EXPECT_LE(saves_, 20);
}

TEST_F(Restore, SaysWhatFailedInTheOrderOfLinesAndGoesOn) {
    const std::string wrong = "-a -t 192.0.2.9:80 -r 10.0.0.1 -m\n-D -u 192.0.2.9:80\n";
    EXPECT_EQ(run(wrong + many_services() + wrong + "-A -t 192.0.2.1:7\n"), kFailed);
    const std::string refused = "Service not defined\nNo such service\n";
    EXPECT_EQ(err_.str(), refused + refused + "Service already exists\n");
    EXPECT_EQ(run("-A -t 192.0.2.1:7\n-E -t 192.0.2.1:7\n"), 0) << "the last line's";
    EXPECT_EQ(err_.str(), "Service already exists\n");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(kServices));
}

TEST_F(Restore, AnswersALineInBetweenWhenThoseBeforeItAreDone) {
    EXPECT_EQ(run("-A -t 192.0.2.1:80\n"
                  "-S -n\n"
                  "-A -t 192.0.2.1:80\n"
                  "-A --bad\n"
                  "-A -t 192.0.2.1:81\n"),
              0);
    EXPECT_EQ(out_.str(), "-A -t 192.0.2.1:80 -s wlc\n");
    EXPECT_EQ(err_.str(), "Service already exists\n--bad: unknown option\n");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(2));
}

TEST_F(Restore, EndsWithALineThatMakesNoSenseAndKeepsWhatCameBefore) {
    EXPECT_EQ(run("-D -t 192.0.2.1:80\n-A -t 192.0.2.1:80\n-A\n-A -t 192.0.2.1:81\n"), kUsage);
    EXPECT_EQ(err_.str(),
              "No such service\n"
              "You need to supply the 'service-address' option for the 'add-service' command\n");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(1));
}

}  // namespace
}  // namespace xvs::cli
