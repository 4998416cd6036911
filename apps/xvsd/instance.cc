#include "xvsd/instance.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "control/netlink/protocol.h"
#include "control/netlink/socket.h"

namespace xvs::xvsd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollInterval{20};

struct UnixAddress {
    sockaddr_un address{};
    socklen_t size = 0;

    // A name that starts with @ is abstract.
    explicit UnixAddress(std::string_view name) {
        address.sun_family = AF_UNIX;
        const std::size_t length = std::min(name.size(), sizeof(address.sun_path) - 1);
        std::memcpy(address.sun_path, name.data(), length);
        if (!name.empty() && name.front() == '@') address.sun_path[0] = '\0';
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    }

    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&address);
    }
};

UniqueFd unix_socket(int type) {
    return UniqueFd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// One that takes over has the socket, and questions wait in it, before it is ready. Whoever is not
// to be answered is told so by the connection's end.
bool answers_questions(Clock::time_point until) {
    constexpr std::chrono::milliseconds kLeast(1000);
    if (!control::is_daemon_ready()) return false;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    const auto answer = control::ask_daemon("status", std::max(left, kLeast));
    return answer || answer.error().code == ErrorCode::NotPermitted;
}

// systemd's protocol: one datagram to the socket that it names in the environment.
void notify_systemd(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
    const UnixAddress address{std::string_view(path)};
    const UniqueFd socket = unix_socket(SOCK_DGRAM);
    const ssize_t sent = ::sendto(
        socket.get(), state.data(), state.size(), MSG_NOSIGNAL, address.get(), address.size);
    if (sent < 0) spdlog::warn("systemd could not be told {}: {}", state, std::strerror(errno));
}

}  // namespace

Result<Instance> Instance::claim() {
    // The port is what clients speak to; who has it is the better answer.
    const auto port = control::netlink::Socket::open(control::netlink::kPortId);
    if (!port) return fail(port.error());
    auto socket = control::CommandSocket::bind();
    if (socket) return Instance(std::move(*socket));
    if (socket.error().code != ErrorCode::AlreadyExists) return fail(socket.error());
    return fail(ErrorCode::InUse,
                "another xvsd is starting or stopping in this network namespace; one serves a "
                "network namespace");
}

void Instance::announce_ready() {
    if (auto status = socket_.listen(); !status)
        spdlog::warn("xvsd --wait will not see that this daemon is ready: {}",
                     status.error().context);
    // The pid is another one after a takeover.
    notify_systemd(fmt::format("READY=1\nMAINPID={}", ::getpid()));
}

void Instance::announce_stopping() {
    notify_systemd("STOPPING=1");
}

Status wait_until_ready(std::chrono::milliseconds patience) {
    const auto until = Clock::now() + patience;
    while (true) {
        if (answers_questions(until)) return {};
        if (Clock::now() >= until) break;
        std::this_thread::sleep_for(kPollInterval);
    }
    return fail(ErrorCode::NotAvailable,
                fmt::format("no xvsd is ready in this network namespace after {:g} s; start one "
                            "(xvsd), or look at what it says",
                            std::chrono::duration<double>(patience).count()));
}

}  // namespace xvs::xvsd
