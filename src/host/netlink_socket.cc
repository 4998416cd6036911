#include "host/netlink_socket.h"

#include <algorithm>
#include <cstring>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

namespace xvs::host {
namespace {

constexpr std::size_t kReceiveSize = 65536;  // the kernel fills at most 32 KiB of a dump at a time
constexpr int kEventBuffer = 4 << 20;        // events of some 10,000 routes

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) noexcept {
    nlmsghdr* header = ::mnl_nlmsg_put_header(buffer_.data());
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
}

nlmsghdr& NetlinkRequest::message() noexcept {
    return *reinterpret_cast<nlmsghdr*>(buffer_.data());
}

void* NetlinkRequest::extend(std::size_t size) noexcept {
    return ::mnl_nlmsg_put_extra_header(&message(), size);
}

void NetlinkRequest::put(std::uint16_t type, std::span<const std::byte> value) noexcept {
    ::mnl_attr_put_check(&message(), kSize, type, value.size(), value.data());
}

void NetlinkRequest::put_u8(std::uint16_t type, std::uint8_t value) noexcept {
    ::mnl_attr_put_u8_check(&message(), kSize, type, value);
}

void NetlinkRequest::put_u32(std::uint16_t type, std::uint32_t value) noexcept {
    ::mnl_attr_put_u32_check(&message(), kSize, type, value);
}

void NetlinkRequest::put_string(std::uint16_t type, std::string_view value) noexcept {
    std::array<char, 256> terminated{};
    const std::size_t size = std::min(value.size(), terminated.size() - 1);
    std::memcpy(terminated.data(), value.data(), size);
    ::mnl_attr_put_check(&message(), kSize, type, size + 1, terminated.data());
}

std::size_t NetlinkRequest::begin_nest(std::uint16_t type) noexcept {
    const std::size_t start = message().nlmsg_len;
    ::mnl_attr_put_check(&message(), kSize, type, 0, nullptr);
    return start;
}

void NetlinkRequest::end_nest(std::size_t start) noexcept {
    auto* nest = reinterpret_cast<nlattr*>(buffer_.data() + start);
    nest->nla_len = static_cast<std::uint16_t>(message().nlmsg_len - start);
}

Result<NetlinkSocket> NetlinkSocket::open(std::span<const unsigned> groups) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd.is_open()) return fail(system_error("rtnetlink socket", errno));
    const int on = 1;
    // Lets a dump name the table that is wanted. Linux 4.20.
    ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    if (!groups.empty())
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kEventBuffer, sizeof(kEventBuffer));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return fail(system_error("rtnetlink socket", errno));
    for (const unsigned group : groups) {
        if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
            return fail(system_error("listening to rtnetlink", errno));
    }
    return NetlinkSocket(std::move(fd));
}

NetlinkSocket::NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)), buffer_(kReceiveSize) {}

int NetlinkSocket::send(NetlinkRequest& request, std::uint16_t flags) noexcept {
    nlmsghdr& message = request.message();
    message.nlmsg_flags = static_cast<std::uint16_t>(message.nlmsg_flags | flags);
    message.nlmsg_seq = ++sequence_;
    const ssize_t sent = ::send(fd_.get(), &message, message.nlmsg_len, 0);
    return sent < 0 ? errno : 0;
}

int NetlinkSocket::receive(int flags) noexcept {
    const ssize_t size = ::recv(fd_.get(), buffer_.data(), buffer_.size(), flags);
    return size < 0 ? -errno : static_cast<int>(size);
}

bool NetlinkSocket::is_whole(const nlmsghdr& message, int rest) noexcept {
    return ::mnl_nlmsg_ok(&message, rest);
}

const nlmsghdr* NetlinkSocket::next(const nlmsghdr& message, int& rest) noexcept {
    return ::mnl_nlmsg_next(&message, &rest);
}

int NetlinkSocket::outcome_of(const nlmsghdr& message, bool is_dump) const noexcept {
    if (message.nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(::mnl_nlmsg_get_payload(&message));
        return -error->error;
    }
    if (is_dump && message.nlmsg_type == NLMSG_DONE) return 0;
    return kUnfinished;
}

}  // namespace xvs::host
