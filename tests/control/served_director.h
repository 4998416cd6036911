// ServedDirector: a director without a packet path behind a netlink port of its own, and xvsadm.
#pragma once

#include <atomic>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "cli/program.h"
#include "control/netlink/server.h"
#include "testing/fake_service_manager.h"

namespace xvs::cli {

class ServedDirector : public ::testing::Test {
protected:
    ~ServedDirector() override { stop(); }

    void SetUp() override {
        run();
        // Sending to another program's netlink port takes CAP_NET_ADMIN.
        const auto client = control::netlink::Client::connect(port_);
        if (!client && client.error().code == ErrorCode::NotPermitted) {
            GTEST_SKIP() << "needs CAP_NET_ADMIN";
        }
    }

    // From here on the director's parts are the server's thread's.
    void run() {
        if (thread_.joinable()) return;
        auto server = control::netlink::Server::open(handler_, clock_, port_);
        ASSERT_TRUE(server) << server.error().context;
        server_ = *std::move(server);
        is_running_ = true;
        thread_ = std::thread([this] {
            while (is_running_) {
                pollfd descriptor{.fd = server_->fd(), .events = POLLIN, .revents = 0};
                ::poll(&descriptor, 1, server_->next_deadline() ? 1 : 10);
                server_->on_readable();
                server_->on_timer();
            }
        });
    }

    void stop() {
        is_running_ = false;
        if (thread_.joinable()) thread_.join();
        server_.reset();
    }

    // Returns the exit status; what it said is in out() and err().
    int xvsadm(std::vector<std::string> words, const std::string& input = {}) {
        std::istringstream in(input);
        out_.str({});
        err_.str({});
        Program program("xvsadm", {.in = in, .out = out_, .err = err_}, [this] {
            return control::netlink::Client::connect(port_);
        });
        return program.run(std::move(words));
    }

    [[nodiscard]] std::string out() const { return out_.str(); }

    [[nodiscard]] std::string err() const { return err_.str(); }

    std::uint32_t port_ = 0xfe000000U | static_cast<std::uint32_t>(::getpid());
    MonotonicClock clock_;
    testing::FakeServiceManager services_;
    control::SyncDaemons daemons_{[](const std::string&) {
        return std::optional<unsigned>(1500);
    }};
    int saves_ = 0;
    control::netlink::RequestHandler handler_{services_, daemons_, [this] {
                                                  ++saves_;
                                              }};

private:
    std::unique_ptr<control::netlink::Server> server_;
    std::atomic<bool> is_running_ = false;
    std::thread thread_;
    std::ostringstream out_;
    std::ostringstream err_;
};

}  // namespace xvs::cli
