#include "control/netlink/socket.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <linux/capability.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <unistd.h>

namespace xvs::control::netlink {

namespace {

// Of a server: room for the requests of many clients at once. Senders wait when it is full.
constexpr int kServerBufferSize = 4 << 20;

sockaddr_nl address_of(std::uint32_t port) noexcept {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_pid = port;
    return address;
}

// /proc/net/netlink: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode, one socket a line.
std::optional<std::uint64_t> find_inode(std::uint32_t port) {
    std::ifstream file("/proc/self/net/netlink");
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream fields(line);
        std::string socket;
        std::string groups;
        std::string skipped;
        unsigned protocol = 0;
        std::uint32_t bound = 0;
        std::uint64_t inode = 0;
        fields >> socket >> protocol >> bound >> groups >> skipped >> skipped >> skipped >>
            skipped >> skipped >> inode;
        if (fields && protocol == NETLINK_GENERIC && bound == port) return inode;
    }
    return std::nullopt;
}

bool has_descriptor(const std::filesystem::path& process, const std::string& target) {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry(process / "fd", ignored), end; entry != end;
         entry.increment(ignored)) {
        if (std::filesystem::read_symlink(entry->path(), ignored) == target) return true;
    }
    return false;
}

}  // namespace

Result<Socket> Socket::open(std::uint32_t port) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC));
    if (!fd.is_open()) return fail(system_error("open a netlink socket", errno));
    sockaddr_nl address = address_of(port);
    socklen_t length = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        if (error != EADDRINUSE) return fail(system_error("bind a netlink port", error));
        const auto owner = find_port_owner(port);
        return fail(ErrorCode::InUse,
                    fmt::format("netlink port {:#x} of this network namespace is taken by {}; "
                                "one xvsd serves a network namespace, stop that one first",
                                port,
                                owner ? *owner : "a process that cannot be seen from here"));
    }
    const int on = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        return fail(system_error("set a netlink socket up", errno));
    }
    if (port == 0) return Socket(std::move(fd), address.nl_pid);
    // Without CAP_NET_ADMIN the buffer stays as large as net.core.rmem_max lets it.
    const int size = kServerBufferSize;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
        static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    }
    return Socket(std::move(fd), address.nl_pid);
}

Result<Socket> Socket::take_over(UniqueFd fd) {
    sockaddr_nl address{};
    socklen_t length = sizeof address;
    const bool has_name =
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0;
    if (!has_name || address.nl_family != AF_NETLINK)
        return fail(ErrorCode::InvalidArgument, "what was handed over is no netlink socket");
    return Socket(std::move(fd), address.nl_pid);
}

int Socket::send(std::uint32_t to, Bytes datagram) const noexcept {
    const sockaddr_nl address = address_of(to);
    const ssize_t sent = ::sendto(fd_.get(),
                                  datagram.data(),
                                  datagram.size(),
                                  MSG_DONTWAIT,
                                  reinterpret_cast<const sockaddr*>(&address),
                                  sizeof address);
    return sent < 0 ? errno : 0;
}

Socket::Received Socket::receive(Buffer& storage) const {
    storage.resize(kMaxReceived);
    sockaddr_nl address{};
    iovec vector{.iov_base = storage.data(), .iov_len = storage.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    Received received;
    if (size < 0) {
        received.error = errno;
        return received;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) received.error = EMSGSIZE;
    received.datagram = Bytes(storage).first(static_cast<std::size_t>(size));
    received.sender = {.port = address.nl_pid, .process = 0, .user = static_cast<uid_t>(-1)};
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) continue;
        ucred credentials{};
        std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
        received.sender.process = credentials.pid;
        received.sender.user = credentials.uid;
    }
    return received;
}

std::optional<std::string> find_port_owner(std::uint32_t port) {
    const auto inode = find_inode(port);
    if (!inode) return std::nullopt;
    const std::string target = fmt::format("socket:[{}]", *inode);
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry("/proc", ignored), end; entry != end;
         entry.increment(ignored)) {
        const std::string name = entry->path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        if (!has_descriptor(entry->path(), target)) continue;
        std::string command;
        std::getline(std::ifstream(entry->path() / "comm"), command);
        return fmt::format("pid {} ({})", name, command);
    }
    return std::nullopt;
}

bool is_administrator(const Sender& sender) {
    if (sender.user == 0 || sender.user == ::geteuid()) return true;
    std::ifstream file(fmt::format("/proc/{}/status", sender.process));
    static constexpr std::string_view kField = "CapEff:";
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind(kField, 0) != 0) continue;
        const auto start = line.find_first_not_of(" \t", kField.size());
        if (start == std::string::npos) return false;
        std::uint64_t capabilities = 0;
        std::from_chars(line.data() + start, line.data() + line.size(), capabilities, 16);
        return (capabilities >> CAP_NET_ADMIN & 1) != 0;
    }
    return false;
}

}  // namespace xvs::control::netlink
