#include "control/command_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace xvs::control {
namespace {

constexpr std::string_view kName("\0xvsd", 5);  // in Linux's abstract namespace
constexpr std::string_view kOk = "ok\n";
constexpr std::string_view kError = "error\n";
constexpr std::size_t kMaxLine = 64;
constexpr std::size_t kMaxDescriptors = 32;
// Whoever connects sends its line at once, or is `xvsd --wait`, which sends none.
constexpr int kLinePatienceMs = 100;

struct Name {
    sockaddr_un address{};
    socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kName.size());

    Name() {
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, kName.data(), kName.size());
    }

    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&address);
    }
};

bool is_trusted(int socket) noexcept {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == 0 || peer.uid == ::geteuid();
}

bool is_readable(int socket, int patience_ms) noexcept {
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, patience_ms) > 0;
}

std::string read_line(int socket) {
    std::string line;
    while (line.size() < kMaxLine && is_readable(socket, kLinePatienceMs)) {
        char byte = 0;
        if (::read(socket, &byte, 1) != 1) return {};
        if (byte == '\n') return line;
        line += byte;
    }
    return {};
}

union Control {
    cmsghdr header;
    std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> room;
};

void send_reply(int socket, const CommandSocket::Reply& reply) {
    std::string text(reply.text ? kOk : kError);
    text += reply.text ? *reply.text : reply.text.error().context;
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    Control control{};
    const std::size_t count = std::min(reply.descriptors.size(), kMaxDescriptors);
    if (reply.text && count > 0) {
        message.msg_control = control.room.data();
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(&control.header), reply.descriptors.data(), count * sizeof(int));
    }
    // Whoever does not wait for the answer goes without it.
    static_cast<void>(::sendmsg(socket, &message, MSG_NOSIGNAL));
}

void take_descriptors(msghdr& message, std::vector<UniqueFd>& descriptors) {
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(each) + i * sizeof(int), sizeof(int));
            descriptors.emplace_back(descriptor);
        }
    }
}

Result<UniqueFd> connect() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return fail(system_error("a Unix socket", errno));
    const Name name;
    if (::connect(socket.get(), name.get(), name.size) != 0) {
        return fail(ErrorCode::NotAvailable,
                    "no xvsd is ready in this network namespace; start one: xvsd");
    }
    if (is_trusted(socket.get())) return socket;
    return fail(ErrorCode::NotPermitted,
                "what answers in this network namespace in xvsd's name runs neither as root nor as "
                "you: it is not trusted");
}

}  // namespace

Result<CommandAnswer> ask_daemon(std::string_view command, std::chrono::milliseconds patience) {
    auto socket = connect();
    if (!socket) return fail(socket.error());
    const std::string line = std::string(command) + "\n";
    if (::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(line.size()))
        return fail(system_error("asking xvsd", errno));
    CommandAnswer answer;
    while (true) {
        if (!is_readable(socket->get(), static_cast<int>(patience.count())))
            return fail(ErrorCode::TimedOut, fmt::format("xvsd does not answer to {}", command));
        std::array<char, 4096> buffer{};
        Control control{};
        iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.room.data();
        message.msg_controllen = control.room.size();
        const ssize_t size = ::recvmsg(socket->get(), &message, MSG_CMSG_CLOEXEC);
        if (size < 0) return fail(system_error("xvsd's answer", errno));
        take_descriptors(message, answer.descriptors);
        if (size == 0) break;
        answer.text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    if (answer.text.compare(0, kError.size(), kError) == 0)
        return fail(ErrorCode::System, answer.text.substr(kError.size()));
    if (answer.text.compare(0, kOk.size(), kOk) != 0) {
        return fail(ErrorCode::NotPermitted,
                    fmt::format("xvsd does not answer to {}: it listens to root and to the user it "
                                "runs as",
                                command));
    }
    answer.text.erase(0, kOk.size());
    return answer;
}

bool is_daemon_ready() {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const Name name;
    // A queue that is full is one that is listened to.
    return ::connect(socket.get(), name.get(), name.size) == 0 || errno == EAGAIN;
}

Result<CommandSocket> CommandSocket::bind() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const Name name;
    if (::bind(socket.get(), name.get(), name.size) == 0) return CommandSocket(std::move(socket));
    if (errno == EADDRINUSE) return fail(ErrorCode::AlreadyExists, "the name xvsd is taken");
    return fail(system_error("claiming this network namespace", errno));
}

Status CommandSocket::listen() {
    constexpr int kWaiting = 64;
    if (::listen(socket_.get(), kWaiting) == 0) return {};
    return fail(system_error("listening for commands", errno));
}

void CommandSocket::answer(const std::function<Reply(std::string_view)>& handle) noexcept {
    while (true) {
        const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client.is_open()) return;
        if (!is_trusted(client.get())) continue;
        const std::string line = read_line(client.get());
        if (!line.empty()) send_reply(client.get(), handle(line));
    }
}

}  // namespace xvs::control
