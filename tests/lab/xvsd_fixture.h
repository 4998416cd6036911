// Xvsd: a host with one network and a peer on it, for tests of the daemon by itself.
#pragma once

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/lab/lab_test.h"

namespace xvs::lab {

// Whether `condition` comes true within a minute.
template <class Condition>
bool comes_true(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

class Xvsd : public ::testing::Test {
protected:
    void SetUp() override {
        for (const char* name : {"host", "peer"}) {
            auto made = NetworkNamespace::create(unique_name(name));
            ASSERT_TRUE(made) << made.error().context;
            (std::string(name) == "host" ? host_ : peer_).emplace(std::move(*made));
        }
        cable("eth0", "eth0");
        in(*host_, "ip addr add 192.0.2.10/24 dev eth0");
        in(*peer_, "ip addr add 192.0.2.20/24 dev eth0");
        log_ = std::filesystem::temp_directory_path() / (host_->name() + ".log");
    }

    void TearDown() override {
        server_.stop();
        daemon_.stop();
        std::filesystem::remove(log_.string() + ".server");
        if (HasFailure()) std::fputs(log().c_str(), stderr);
        std::filesystem::remove(log_);
    }

    // A network between host and peer.
    void cable(const std::string& on_host, const std::string& on_peer) {
        in(*host_,
           "ip link add " + on_host + " type veth peer name " + on_peer + " netns " +
               peer_->name());
        in(*host_, "ip link set " + on_host + " up");
        in(*peer_, "ip link set " + on_peer + " up");
    }

    static std::string in(const NetworkNamespace& where, const std::string& words) {
        const auto done = where.run_checked(command(words));
        EXPECT_TRUE(done) << done.error().context;
        return done ? *done : std::string();
    }

    [[nodiscard]] static std::string xvsd() { return programs().xvsd.string(); }

    // A command line that starts xvsd on the host.
    [[nodiscard]] static Command daemon_command(const std::vector<std::string>& arguments) {
        Command words{xvsd(), "--ephemeral", "--connections", "1000"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        return words;
    }

    void start(const std::vector<std::string>& arguments = {}) {
        auto started = host_->start(daemon_command(arguments), log_);
        ASSERT_TRUE(started) << started.error().context;
        daemon_ = std::move(*started);
        in(*host_, xvsd() + " --wait 60");
    }

    // Runs an xvsd that is to refuse; returns what it says, which is one line.
    std::string refused(const Command& words) {
        RunOptions options;
        options.time_limit = std::chrono::seconds(60);
        const auto done = host_->run(words, options);
        if (!done) return done.error().context;
        EXPECT_EQ(done->exit_code, 1) << done->err;
        const auto last = done->err.rfind("xvsd: ");
        return last == std::string::npos ? done->err : done->err.substr(last);
    }

    std::string log() const {
        std::ifstream file(log_);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }

    bool logs(const std::string& text) const {
        return comes_true([&] { return log().find(text) != std::string::npos; });
    }

    std::string links() { return in(*host_, "ip -brief link"); }

    void add_service(const std::string& service,
                     const std::string& real,
                     const std::string& method = "-m") {
        const std::string admin = programs().xvsadm.string();
        in(*host_, admin + " -A -t " + service + " -s rr");
        in(*host_, admin + " -a -t " + service + " -r " + real + " " + method);
    }

    // A laboratory's real service at port 8080 of `where`.
    void serve(const NetworkNamespace& where) {
        auto started = where.start({programs().xvs, "lab-server", "real", "--tcp", "8080"},
                                   log_.string() + ".server");
        ASSERT_TRUE(started) << started.error().context;
        server_ = std::move(*started);
        ASSERT_TRUE(
            comes_true([&] { return in(where, "ss -Hltn").find(":8080") != std::string::npos; }));
    }

    std::optional<NetworkNamespace> host_;
    std::optional<NetworkNamespace> peer_;
    std::filesystem::path log_;
    Process daemon_;
    Process server_;
};

}  // namespace xvs::lab
