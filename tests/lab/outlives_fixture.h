// Outlives: a laboratory whose xvsd is killed, stopped or taken over from while traffic goes on.
#pragma once

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <sys/socket.h>

#include <poll.h>

#include "base/unique_fd.h"
#include "lab/traffic.h"
#include "tests/lab/http_client.h"
#include "tests/lab/numbered_datagrams.h"
#include "tests/lab/slow_pipe.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {

inline constexpr std::uint16_t kPort = 7000;             // of the numbered datagrams
inline constexpr std::uint32_t kDatagrams = 5000;        // before, and after
inline constexpr std::chrono::milliseconds kWhile{700};  // of traffic before, during and after

inline constexpr std::size_t kOpenConnections = 1000;    // beside an upload and a download
inline constexpr std::size_t kTransfer = 1'000'000'000;  // either way

enum class Event { KilledAndRestarted, StoppedAndRestarted, TakenOver, EachInTurn };

inline std::string name_of(Event event) {
    switch (event) {
        case Event::KilledAndRestarted:
            return "killed_and_restarted";
        case Event::StoppedAndRestarted:
            return "stopped_and_restarted";
        case Event::TakenOver:
            return "taken_over";
        case Event::EachInTurn:
            return "each_in_turn";
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
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
            const std::string service = vip(kPort, family).to_string();
            const std::string real = endpoint(real_address(family), kPort).to_string();
            ASSERT_OK(lab_->xvsadm("-A -u " + service + " -s rr"));
            ASSERT_OK(lab_->xvsadm("-a -u " + service + " -r " + real + " " +
                                   std::string(method_option(method()))));
        }
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

    [[nodiscard]] net::Endpoint vip(std::uint16_t port,
                                    net::Family family = net::Family::Ipv4) const {
        return endpoint(lab_->plan().vip.of(family), port);
    }

    [[nodiscard]] const net::IpAddress& real_address(net::Family family = net::Family::Ipv4) const {
        return lab_->plan().real_servers.front().of(family);
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
        if (event == Event::EachInTurn) {
            for (const Event each :
                 {Event::KilledAndRestarted, Event::StoppedAndRestarted, Event::TakenOver})
                happens(each);
            return;
        }
        SCOPED_TRACE(name_of(event));
        if (event == Event::TakenOver)
            take_over();
        else
            restart(event == Event::KilledAndRestarted ? SIGKILL : SIGTERM);
        await_ready();
        meanwhile_();
    }

    void take_over() {
        start({"--takeover"});
        meanwhile_();
        ASSERT_TRUE(comes_true([&] { return !former_.is_running(); }));
        ASSERT_TRUE(comes_true([&] { return log().find("took over from") != std::string::npos; }));
    }

    void restart(int signal) {
        ASSERT_TRUE(daemon_.signal(signal));
        ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
        meanwhile_();
        std::this_thread::sleep_for(kWhile);
        start();
    }

    // 10,000 a second through what happens, each of them counted.
    void expect_every_datagram_once(net::Family family = net::Family::Ipv4) {
        const bool is_nat = method() == model::ForwardingMethod::Masquerade;
        const net::Endpoint to = vip(kPort, family);
        const net::Endpoint own = is_nat ? endpoint(real_address(family), kPort) : to;
        auto stream = NumberedDatagrams::start(client(), to, lab_->node("rs1"), own);
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

    // An upload and a download go on through what happens, and other connections answer before it,
    // while no daemon is there, and after it.
    void expect_transfers_whole() {
        const std::size_t bytes = transfer_size();
        const std::string size = std::to_string(bytes);
        const std::string url = url_of(vip(kHttpPort));
        std::vector<HttpClient> open;
        while (open.size() < kOpenConnections) {
            ASSERT_OK_AND_ASSIGN(one, HttpClient::open(client(), vip(kHttpPort)));
            open.push_back(std::move(one));
        }
        meanwhile_ = [&] {
            expect_answers(open);
        };
        meanwhile_();
        SlowPipe up(files_ / "up", SlowPipe::Way::ToCurl, bytes);
        SlowPipe down(files_ / "down", SlowPipe::Way::FromCurl, bytes);
        const std::string length = "Content-Length: " + size;
        Process upload = curl({"-H",
                               "Transfer-Encoding:",
                               "-H",
                               length,
                               "-T",
                               files_ / "up",
                               "-o",
                               files_ / "said",
                               url});
        Process download = curl({"-o", files_ / "down", url + "bytes/" + size});
        // Both are under way.
        ASSERT_TRUE(comes_true([&] { return std::min(up.moved(), down.moved()) > bytes / 100; }));
        happens(std::get<1>(GetParam()));
        meanwhile_ = [] {
        };
        ASSERT_TRUE(upload.is_running() && download.is_running()) << "they were over too early";
        const std::string sent = up.finish();  // pattern()'s, as what comes down
        EXPECT_EQ(down.finish(), sent);
        ASSERT_TRUE(comes_true([&] { return !upload.is_running() && !download.is_running(); }));
        EXPECT_THAT(text_of("said"), testing::HasSubstr(" " + size + " " + sent));
        expect_answers(open);
        // The transfers' own have closed, and the last daemon counts and follows the others.
        EXPECT_TRUE(comes_true([&] { return active() == kOpenConnections; })) << active();
        open.clear();
        EXPECT_TRUE(comes_true([&] { return active() == 0; })) << active();
    }

    static void expect_answers(std::vector<HttpClient>& open) {
        for (std::size_t number = 0; number < open.size(); ++number) {
            const auto answer = open[number].get("/");
            ASSERT_TRUE(answer) << "connection " << number << ": " << answer.error().context;
            ASSERT_EQ(*answer, "rs1") << "connection " << number;
        }
    }

    // How many connections the director counts as active at the HTTP service's real server.
    [[nodiscard]] std::size_t active() const {
        const std::string service = vip(kHttpPort).to_string();
        std::istringstream listed(lab_->xvsadm("-L -n -t " + service).value_or(""));
        std::string word;
        while (listed >> word && word != endpoint(real_address(), http_port()).to_string()) {
        }
        std::string way;
        unsigned weight = 0;
        std::size_t count = std::numeric_limits<std::size_t>::max();
        listed >> way >> weight >> count;
        return count;
    }

    [[nodiscard]] std::uint16_t http_port() const { return lab_->plan().real_http_port; }

    // What the environment wishes, or what is usual.
    [[nodiscard]] static std::size_t transfer_size() {
        const char* const wanted = std::getenv("XVS_TRANSFER_MB");  // NOLINT(concurrency-mt-unsafe)
        if (wanted == nullptr) return kTransfer;
        return std::max(std::strtoul(wanted, nullptr, 10) * 1'000'000, 2 * SlowPipe::kKeptBack);
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
        Command all{"curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "280"};
        all.insert(all.end(), words.begin(), words.end());
        auto started = client().start(all, files_ / "curl.log");
        EXPECT_TRUE(started);
        return started ? std::move(*started) : Process();
    }

    std::optional<Laboratory> lab_;
    std::filesystem::path files_;
    Process daemon_;
    Process former_;
    // Done while the daemon is away or changes, and when the next one is ready.
    std::function<void()> meanwhile_ = [] {
    };
};

inline auto every_event() {
    return ::testing::Combine(
        ::testing::ValuesIn(kMethods),
        ::testing::Values(Event::KilledAndRestarted, Event::StoppedAndRestarted, Event::TakenOver));
}

// One after another, on the same connections.
inline auto each_in_turn() {
    return ::testing::Combine(::testing::ValuesIn(kMethods), ::testing::Values(Event::EachInTurn));
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
