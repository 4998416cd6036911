#include "tests/lab/numbered_datagrams.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <poll.h>

#include "lab/traffic.h"

namespace xvs::lab {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint32_t kPerMillisecond = 10;
// A sender that the machine has kept waiting does not make up for it at once, and has no more under
// way than the queue of a veth (256 frames) takes: no loss is the test's own.
constexpr std::uint32_t kAtOnce = 40;
constexpr std::uint32_t kUnderWay = 120;
constexpr milliseconds kPatience{200};  // with what is under way; then it may be lost
constexpr milliseconds kLongestWay{5000};
constexpr milliseconds kForTheSecond{100};  // in which one that comes twice comes again

Result<UniqueFd> open_socket(const NetworkNamespace& where, int family) {
    const NetworkNamespace::Scope inside(where);
    UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return fail(system_error("a UDP socket", errno));
    // No loss of the test's own.
    constexpr int kRoom = 64 << 20;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof(kRoom));
    return socket;
}

bool is_readable(int socket) {
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 10) > 0;
}

std::string fault_of(const char* what, const std::vector<std::uint8_t>& times, std::uint32_t sent) {
    std::uint32_t missing = 0;
    std::uint32_t doubled = 0;
    std::uint32_t first = 0;
    for (std::uint32_t number = 0; number < sent; ++number) {
        if (times[number] == 1) continue;
        if (missing + doubled == 0) first = number;
        ++(times[number] == 0 ? missing : doubled);
    }
    if (missing + doubled == 0) return {};
    return fmt::format("of {} {} {} did not come and {} came more than once, from number {} on\n",
                       sent,
                       what,
                       missing,
                       doubled,
                       first);
}

}  // namespace

Result<std::unique_ptr<NumberedDatagrams>> NumberedDatagrams::start(const NetworkNamespace& client,
                                                                    const net::Endpoint& service,
                                                                    const NetworkNamespace& server,
                                                                    const net::Endpoint& real) {
    const SocketAddress to(service);
    const SocketAddress own(real);
    auto server_socket = open_socket(server, own.family());
    if (!server_socket) return fail(server_socket.error());
    if (::bind(server_socket->get(), own.get(), own.size()) != 0)
        return fail(system_error("the real server's socket " + real.to_string(), errno));
    auto client_socket = open_socket(client, to.family());
    if (!client_socket) return fail(client_socket.error());
    if (::connect(client_socket->get(), to.get(), to.size()) != 0)
        return fail(system_error("the client's socket", errno));
    std::unique_ptr<NumberedDatagrams> stream(
        new NumberedDatagrams(std::move(*client_socket), std::move(*server_socket)));
    stream->threads_.emplace_back([&it = *stream] { it.reflect(); });
    stream->threads_.emplace_back([&it = *stream] { it.listen(); });
    stream->threads_.emplace_back([&it = *stream] { it.send(); });
    return stream;
}

NumberedDatagrams::~NumberedDatagrams() {
    join();
}

void NumberedDatagrams::join() {
    is_sending_ = false;
    is_receiving_ = false;
    for (std::thread& each : threads_)
        each.join();
    threads_.clear();
}

// The first datagram waits for neighbours on the way, of which a queue holds a few only.
void NumberedDatagrams::greet() {
    const std::uint32_t greeting = kGreeting;
    while (is_sending_ && !was_greeted_) {
        static_cast<void>(::send(client_.get(), &greeting, sizeof(greeting), 0));
        for (int i = 0; i < 100 && is_sending_ && !was_greeted_; ++i)
            std::this_thread::sleep_for(milliseconds(10));
    }
}

void NumberedDatagrams::send() {
    greet();
    auto next = Clock::now();
    while (is_sending_) {
        std::this_thread::sleep_until(next);
        const auto late = std::chrono::duration_cast<milliseconds>(Clock::now() - next).count();
        const auto count = std::min<std::int64_t>((late + 1) * kPerMillisecond, kAtOnce);
        for (std::int64_t i = 0; i < count && sent_ < kMost; ++i)
            send_one();
        next = std::max(next + milliseconds(late + 1), Clock::now());
        await_room();
    }
}

void NumberedDatagrams::send_one() {
    const std::uint32_t number = sent_;
    // One that the client itself could not send is tried again.
    while (::send(client_.get(), &number, sizeof(number), 0) < 0 && is_sending_)
        std::this_thread::sleep_for(milliseconds(1));
    sent_ = number + 1;
}

// Waits until little is under way, or nothing of it has come for a while.
void NumberedDatagrams::await_room() {
    const auto patience = Clock::now() + kPatience;
    while (is_sending_ && sent_ - answered_ - given_up_ > kUnderWay) {
        if (Clock::now() > patience) given_up_ = sent_ - answered_;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
}

void NumberedDatagrams::reflect() {
    while (is_receiving_) {
        if (!is_readable(server_.get())) continue;
        std::uint32_t number = 0;
        sockaddr_storage from{};
        socklen_t size = sizeof(from);
        auto* const address = reinterpret_cast<sockaddr*>(&from);
        const ssize_t got =
            ::recvfrom(server_.get(), &number, sizeof(number), MSG_DONTWAIT, address, &size);
        if (got != sizeof(number)) continue;
        if (number < kMost) ++requests_[number];
        static_cast<void>(::sendto(server_.get(), &number, sizeof(number), 0, address, size));
    }
}

void NumberedDatagrams::listen() {
    while (is_receiving_) {
        if (!is_readable(client_.get())) continue;
        std::uint32_t number = 0;
        const ssize_t got = ::recv(client_.get(), &number, sizeof(number), MSG_DONTWAIT);
        if (got != sizeof(number)) continue;
        if (number < kMost && ++replies_[number] == 1) ++answered_;
        if (number == kGreeting) was_greeted_ = true;
    }
}

bool NumberedDatagrams::await_sent(std::uint32_t more) const {
    const std::uint32_t enough = sent_ + more;
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (sent_ < enough && Clock::now() < deadline)
        std::this_thread::sleep_for(milliseconds(10));
    return sent_ >= enough;
}

std::string NumberedDatagrams::stop() {
    is_sending_ = false;
    threads_.back().join();
    threads_.pop_back();
    const auto deadline = Clock::now() + kLongestWay;
    while (answered_ < sent_ && Clock::now() < deadline)
        std::this_thread::sleep_for(milliseconds(10));
    std::this_thread::sleep_for(kForTheSecond);
    join();
    return fault_of("requests", requests_, sent_) + fault_of("replies", replies_, sent_);
}

}  // namespace xvs::lab
