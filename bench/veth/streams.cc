// xvs_bench_streams: TCP through topologies that stand side by side, in short slices that
// alternate.
//
//   xvs_bench_streams serve PORT    a real server: swallows what it gets, or sends it back
//   xvs_bench_streams               the client: reads a plan as JSON from standard input, and
//   writes
//                                   its samples as JSON (bench/veth/streams.py)
//
// A connection's first byte says which it wants; connections last from slice to slice.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include "base/byte_order.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "net/address.h"
#include "veth/cpu_clocks.h"

namespace xvs::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr char kSwallow = 'S';
constexpr char kSendBack = 'B';
constexpr std::size_t kBufferSize = 256 * 1024;
constexpr std::size_t kRequestSize = 64;
constexpr auto kDrain = std::chrono::milliseconds(30);

sockaddr_in address_of(net::Ipv4Address address, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = to_wire16(port);
    result.sin_addr.s_addr = to_wire32(address.value());
    return result;
}

// --- The real server ---

class Server {
public:
    Status listen(std::uint16_t port) {
        listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const int on = 1;
        ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const sockaddr_in any = address_of(net::Ipv4Address(), port);
        if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
            ::listen(listener_.get(), SOMAXCONN) != 0)
            return fail(system_error(fmt::format("listening on port {}", port), errno));
        epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
        return watch(listener_.get());
    }

    Status serve() {
        epoll_event events[64];
        for (;;) {
            const int count = ::epoll_wait(epoll_.get(), events, std::size(events), -1);
            if (count < 0 && errno != EINTR) return fail(system_error("waiting", errno));
            for (int i = 0; i < count; ++i) {
                if (events[i].data.fd == listener_.get()) {
                    accept_all();
                } else {
                    receive(events[i].data.fd);
                }
            }
        }
    }

private:
    Status watch(int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
            return fail(system_error("watching a socket", errno));
        return {};
    }

    void accept_all() {
        for (;;) {
            UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
            if (!peer.is_open()) return;
            const int on = 1;
            ::setsockopt(peer.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            const int fd = peer.get();
            if (watch(fd)) peers_.emplace(fd, Peer{std::move(peer), '\0'});
        }
    }

    void receive(int fd) {
        Peer& peer = peers_.at(fd);
        // What is swallowed need not be copied: the director is measured, not its neighbours.
        const int flags = peer.wish == kSwallow ? MSG_TRUNC : 0;
        const ssize_t size = ::recv(fd, buffer_.data(), buffer_.size(), flags);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            peers_.erase(fd);
            return;
        }
        std::string_view got(buffer_.data(), static_cast<std::size_t>(size));
        if (peer.wish == '\0') {
            peer.wish = got.front();
            got.remove_prefix(1);
        }
        if (peer.wish == kSendBack && !got.empty())
            (void)::send(fd, got.data(), got.size(), MSG_NOSIGNAL);
    }

    struct Peer {
        UniqueFd socket;
        char wish;
    };

    UniqueFd listener_;
    UniqueFd epoll_;
    std::unordered_map<int, Peer> peers_;
    std::vector<char> buffer_ = std::vector<char>(kBufferSize);
};

// --- The client ---

struct Topology {
    std::string name;
    std::vector<UniqueFd> connections;
    CpuClocks clocks;
};

Result<UniqueFd> connect_to(net::Ipv4Address address, std::uint16_t port, char wish) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = address_of(address, port);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        ::send(fd.get(), &wish, 1, MSG_NOSIGNAL) != 1)
        return fail(system_error(fmt::format("connecting to port {}", port), errno));
    return fd;
}

Result<Topology> open_topology(const Json& plan, const Json& from) {
    Topology result;
    result.name = from.value("name", "");
    auto client = lab::NetworkNamespace::open(from.value("client", ""));
    if (!client) return fail(client.error());
    const auto target = net::Ipv4Address::parse(from.value("destination", ""));
    if (!target) return fail(ErrorCode::InvalidArgument, "destination is an IPv4 address");
    const lab::NetworkNamespace::Scope inside(*client);
    const char wish = plan.value("kind", "") == "bulk" ? kSwallow : kSendBack;
    for (int i = 0; i < plan.value("flows", 1); ++i) {
        auto connection = connect_to(*target, from.value<std::uint16_t>("port", 0), wish);
        if (!connection) {
            return fail(connection.error().code, result.name + ": " + connection.error().context);
        }
        result.connections.push_back(std::move(*connection));
    }
    for (const UniqueFd& connection : result.connections)
        if (wish == kSwallow) ::fcntl(connection.get(), F_SETFL, O_NONBLOCK);
    for (const pid_t pid : from.value("processes", std::vector<pid_t>{})) {
        if (auto added = result.clocks.add(pid); !added) return fail(added.error());
    }
    return result;
}

std::uint64_t sent_again(const Topology& topology) {
    std::uint64_t sum = 0;
    for (const UniqueFd& connection : topology.connections) {
        tcp_info info{};
        socklen_t size = sizeof info;
        (void)::getsockopt(connection.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
        sum += info.tcpi_total_retrans;
    }
    return sum;
}

// Sends the file `data` over and over on all connections for `slice`, without copying it: how many
// bytes were acknowledged in which time.
Result<Json> measure_bulk(const Topology& topology, int data, std::chrono::milliseconds slice) {
    std::vector<pollfd> waiting;
    for (const UniqueFd& connection : topology.connections)
        waiting.push_back({connection.get(), POLLOUT, 0});
    const auto sent_again_before = sent_again(topology);
    const auto cpu = topology.clocks.read();
    const auto start = Clock::now();
    std::int64_t bytes = 0;
    while (Clock::now() - start < slice) {
        if (::poll(waiting.data(), waiting.size(), 100) < 0)
            return fail(system_error("waiting to send", errno));
        for (const pollfd& each : waiting) {
            if (each.revents == 0) continue;
            off_t offset = 0;
            const ssize_t sent = ::sendfile(each.fd, data, &offset, kBufferSize);
            if (sent < 0 && errno != EAGAIN)
                return fail(system_error(topology.name + ": sending", errno));
            bytes += std::max<ssize_t>(sent, 0);
        }
    }
    for (const UniqueFd& connection : topology.connections) {
        int queued = 0;
        (void)::ioctl(connection.get(), SIOCOUTQ, &queued);
        bytes -= queued;
    }
    const auto elapsed = Clock::now() - start;
    std::this_thread::sleep_for(kDrain);
    return Json{{"bytes", bytes},
                {"sent_again", sent_again(topology) - sent_again_before},
                {"elapsed_ns", elapsed.count()},
                {"cpu_ns", (topology.clocks.read() - cpu).count()}};
}

double percentile(const std::vector<std::int64_t>& sorted, double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
    return static_cast<double>(sorted[index]);
}

// Asks and waits for the answer, one after another: the times that took, in ns.
Result<Json> measure_latency(const Topology& topology, std::chrono::milliseconds slice) {
    const int fd = topology.connections.front().get();
    char request[kRequestSize] = {};
    std::vector<std::int64_t> times;
    const auto start = Clock::now();
    for (auto now = start; now - start < slice;) {
        if (::send(fd, request, sizeof request, MSG_NOSIGNAL) != sizeof request ||
            ::recv(fd, request, sizeof request, MSG_WAITALL) != sizeof request)
            return fail(system_error(topology.name + ": asking", errno));
        const auto end = Clock::now();
        times.push_back((end - now).count());
        now = end;
    }
    std::sort(times.begin(), times.end());
    return Json{{"p50_ns", percentile(times, 0.50)},
                {"p99_ns", percentile(times, 0.99)},
                {"requests", times.size()}};
}

Result<Json> carry_out(const Json& plan) {
    const auto slice = std::chrono::milliseconds(plan.value("slice_ms", 250));
    const bool is_bulk = plan.value("kind", "") == "bulk";
    const UniqueFd data(::memfd_create("data", MFD_CLOEXEC));
    if (::ftruncate(data.get(), kBufferSize) != 0)
        return fail(system_error("making what is sent", errno));
    std::vector<Topology> topologies;
    Json result = Json::object();
    for (const Json& from : plan.value("topologies", Json::array())) {
        auto topology = open_topology(plan, from);
        if (!topology) return fail(topology.error());
        result[topology->name] = Json::array();
        topologies.push_back(std::move(*topology));
    }
    // The first round opens congestion windows and is not counted.
    const auto rounds = plan.value<std::size_t>("rounds", 1);
    for (std::size_t round = 0; round <= rounds; ++round) {
        for (std::size_t i = 0; i < topologies.size(); ++i) {
            const Topology& topology = topologies[(i + round) % topologies.size()];
            auto sample = is_bulk ? measure_bulk(topology, data.get(), slice)
                                  : measure_latency(topology, slice);
            if (!sample) return fail(sample.error());
            if (round > 0) result[topology.name].push_back(std::move(*sample));
        }
    }
    return result;
}

int complain(const Error& error) {
    std::cerr << "xvs_bench_streams: " << error.context << "\n";
    return 1;
}

int serve(const char* port) {
    Server server;
    if (auto listening = server.listen(static_cast<std::uint16_t>(std::atoi(port))); !listening)
        return complain(listening.error());
    const auto ended = server.serve();
    return ended ? 0 : complain(ended.error());
}

int measure() {
    std::string text;
    std::getline(std::cin, text, '\0');
    const Json plan = Json::parse(text, nullptr, false);
    if (!plan.is_object()) {
        std::cerr << "xvs_bench_streams: standard input holds no plan (bench/veth/streams.py)\n";
        return 2;
    }
    const auto result = carry_out(plan);
    if (!result) return complain(result.error());
    std::cout << result->dump() << "\n";
    return 0;
}

}  // namespace
}  // namespace xvs::bench

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && std::string_view(argv[1]) == "serve") return xvs::bench::serve(argv[2]);
    if (argc == 1) return xvs::bench::measure();
    std::cerr << "usage: xvs_bench_streams [serve PORT]\n";
    return 2;
}
