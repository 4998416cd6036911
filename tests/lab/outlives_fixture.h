// Outlives: a laboratory whose xvsd is killed, stopped or taken over from while traffic goes on.
#pragma once

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <sys/socket.h>

#include <poll.h>

#include "base/unique_fd.h"
#include "lab/traffic.h"
#include "tests/lab/numbered_datagrams.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {

inline constexpr std::uint16_t kPort = 7000;             // of the numbered datagrams
inline constexpr std::uint32_t kDatagrams = 5000;        // before, and after
inline constexpr std::chrono::milliseconds kWhile{700};  // of traffic before, during and after

enum class Event { KilledAndRestarted, StoppedAndRestarted, TakenOver };

inline std::string name_of(Event event) {
    switch (event) {
        case Event::KilledAndRestarted:
            return "killed_and_restarted";
        case Event::StoppedAndRestarted:
            return "stopped_and_restarted";
        case Event::TakenOver:
            return "taken_over";
    }
    return {};
}

class Outlives : public ::testing::TestWithParam<std::tuple<model::ForwardingMethod, Event>> {
protected:
    void SetUp() override {
        auto built = build_bare(method(), 1);
        ASSERT_TRUE(built) << built.error().context;
        lab_.emplace(std::move(*built));
        prepare();
        files_ = std::filesystem::temp_directory_path() / lab_->name();
        std::filesystem::create_directories(files_);
        start();
        await_ready();
        ASSERT_OK(lab_->configure(net::Family::Ipv4));
        const std::string service = vip(kPort).to_string();
        const std::string real = endpoint(real_address(), kPort).to_string();
        ASSERT_OK(lab_->xvsadm("-A -u " + service + " -s rr"));
        ASSERT_OK(lab_->xvsadm("-a -u " + service + " -r " + real + " " +
                               std::string(method_option(method()))));
    }

    void TearDown() override {
        if (!lab_) return;
        daemon_.stop();
        const auto detached = director().run({programs().xvsd, "--detach"});
        EXPECT_TRUE(detached && detached->exit_code == 0);
        EXPECT_THAT(director().run_checked(command("ip -brief link")).value_or(""),
                    testing::Not(testing::HasSubstr("xvs")));
        if (HasFailure()) std::cerr << log() << text_of("curl.log");
        lab_.reset();
        std::filesystem::remove_all(files_);
    }

    // What is done to the laboratory first, and told to each daemon.
    virtual void prepare() {}

    [[nodiscard]] virtual std::vector<std::string> arguments() const { return {}; }

    [[nodiscard]] static model::ForwardingMethod method() { return std::get<0>(GetParam()); }

    [[nodiscard]] const NetworkNamespace& director() const { return lab_->node("director"); }

    [[nodiscard]] const NetworkNamespace& client() const { return lab_->node("client"); }

    [[nodiscard]] net::Endpoint vip(std::uint16_t port) const {
        return endpoint(lab_->plan().vip.v4, port);
    }

    [[nodiscard]] const net::IpAddress& real_address() const {
        return lab_->plan().real_servers.front().v4;
    }

    [[nodiscard]] std::string text_of(const char* name) const {
        std::ifstream file(files_ / name, std::ios::binary);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }

    [[nodiscard]] std::string log() const { return text_of("xvsd.log"); }

    void start(const std::vector<std::string>& more = {}) {
        Command words{programs().xvsd, "--state-dir", files_ / "state", "--connections", "4096"};
        const auto always = arguments();
        words.insert(words.end(), always.begin(), always.end());
        words.insert(words.end(), more.begin(), more.end());
        auto started = director().start(words, files_ / "xvsd.log");
        ASSERT_TRUE(started) << started.error().context;
        former_ = std::move(daemon_);
        daemon_ = std::move(*started);
    }

    void await_ready() { ASSERT_OK(director().run_checked({programs().xvsd, "--wait", "60"})); }

    void happens(Event event) {
        if (event == Event::TakenOver) {
            start({"--takeover"});
            ASSERT_TRUE(comes_true([&] { return !former_.is_running(); }));
            ASSERT_TRUE(
                comes_true([&] { return log().find("took over from") != std::string::npos; }));
            return await_ready();
        }
        ASSERT_TRUE(daemon_.signal(event == Event::KilledAndRestarted ? SIGKILL : SIGTERM));
        ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
        std::this_thread::sleep_for(kWhile);
        start();
        await_ready();
    }

    // 10,000 a second through what happens, each of them counted.
    void expect_every_datagram_once() {
        const bool is_nat = method() == model::ForwardingMethod::Masquerade;
        const net::Endpoint own = is_nat ? endpoint(real_address(), kPort) : vip(kPort);
        auto stream = NumberedDatagrams::start(client(), vip(kPort), lab_->node("rs1"), own);
        ASSERT_TRUE(stream) << stream.error().context;
        ASSERT_TRUE((*stream)->await_sent(kDatagrams));
        happens(std::get<1>(GetParam()));
        ASSERT_TRUE((*stream)->await_sent(kDatagrams));
        EXPECT_EQ((*stream)->stop(), "");
        // And the greeting.
        const auto listed = lab_->xvsadm("-L -n --stats --exact");
        ASSERT_OK(listed);
        EXPECT_THAT(*listed, testing::HasSubstr(" " + std::to_string((*stream)->sent() + 1) + " "))
            << *listed;
    }

    // A datagram a connection, a thousand of them a second while somebody takes over: all come.
    void expect_every_new_connection_once() {
        constexpr std::size_t kConnections = 3000;
        ASSERT_OK(ask_http(client(), vip(kHttpPort)));  // whose neighbours are known then
        const bool is_nat = method() == model::ForwardingMethod::Masquerade;
        const SocketAddress own(is_nat ? endpoint(real_address(), kPort) : vip(kPort));
        UniqueFd server;
        {
            const NetworkNamespace::Scope inside(lab_->node("rs1"));
            server = UniqueFd(::socket(own.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
        }
        // They are read when all is over.
        constexpr int kRoom = 64 << 20;
        ::setsockopt(server.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof(kRoom));
        ASSERT_EQ(::bind(server.get(), own.get(), own.size()), 0);
        std::thread sender([this] { send_from_new_ports(kConnections); });
        std::this_thread::sleep_for(kWhile);
        happens(Event::TakenOver);
        sender.join();
        std::vector<unsigned> times(kConnections);
        pollfd waiting{.fd = server.get(), .events = POLLIN, .revents = 0};
        std::uint32_t number = 0;
        while (::poll(&waiting, 1, 1000) > 0 &&
               ::recv(server.get(), &number, sizeof(number), 0) == sizeof(number))
            ++times.at(number);
        std::string wrong;
        for (std::size_t sent = 0; sent < times.size(); ++sent) {
            if (times[sent] != 1)
                wrong += " number " + std::to_string(sent) + " came " +
                         std::to_string(times[sent]) + " times;";
        }
        EXPECT_EQ(wrong, "");
    }

    void send_from_new_ports(std::size_t count) const {
        const NetworkNamespace::Scope inside(client());
        const SocketAddress to(vip(kPort));
        for (std::uint32_t number = 0; number < count; ++number) {
            const UniqueFd socket(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
            const auto sent =
                ::sendto(socket.get(), &number, sizeof(number), 0, to.get(), to.size());
            EXPECT_EQ(sent, static_cast<ssize_t>(sizeof(number)));
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    [[nodiscard]] Process curl(const std::vector<std::string>& words) {
        Command all{"curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "120"};
        all.insert(all.end(), words.begin(), words.end());
        auto started = client().start(all, files_ / "curl.log");
        EXPECT_TRUE(started);
        return started ? std::move(*started) : Process();
    }

    std::optional<Laboratory> lab_;
    std::filesystem::path files_;
    Process daemon_;
    Process former_;
};

inline auto every_event() {
    return ::testing::Combine(
        ::testing::ValuesIn(kMethods),
        ::testing::Values(Event::KilledAndRestarted, Event::StoppedAndRestarted, Event::TakenOver));
}

// New connections wait for the next daemon in all other cases.
inline auto every_takeover() {
    return ::testing::Combine(::testing::ValuesIn(kMethods), ::testing::Values(Event::TakenOver));
}

inline std::string name_of_case(
    const ::testing::TestParamInfo<std::tuple<model::ForwardingMethod, Event>>& each) {
    return std::string(method_word(std::get<0>(each.param))) + "_" +
           name_of(std::get<1>(each.param));
}

}  // namespace xvs::lab
