#include "tests/differential/sockets.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <sched.h>

#include "base/byte_order.h"
#include "net/ipv6.h"

namespace xvs::test {
namespace {

constexpr std::size_t kMaxPacket = 65536 + 64;

template <class Value>
void set_option(const UniqueFd& socket, int level, int option, Value value, const char* name) {
    if (::setsockopt(socket.get(), level, option, &value, sizeof value) != 0) give_up(name, errno);
}

template <class Address>
const sockaddr* generic(const Address& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

void set_up(const UniqueFd& socket, const std::string& interface) {
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) give_up("SIOCGIFFLAGS", errno);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_NOARP);
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) give_up("SIOCSIFFLAGS", errno);
}

std::optional<Bytes> receive_from(int fd) {
    std::array<std::byte, kMaxPacket> buffer;  // NOLINT(*-member-init): filled by recv
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    return Bytes(buffer.data(), buffer.data() + size);
}

}  // namespace

void give_up(const std::string& what, int error_number) {
    std::fprintf(stderr, "kernel_scenarios: %s: %s\n", what.c_str(), std::strerror(error_number));
    std::exit(2);
}

FarEnd::FarEnd(const std::string& interface)
    : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    if (!socket_.is_open()) give_up("open a packet socket (root is needed)", errno);
    set_up(socket_, interface);
    set_option(socket_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = to_wire16(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (::bind(socket_.get(), generic(address), sizeof address) != 0) give_up(interface, errno);
}

void FarEnd::send(std::span<const std::byte> frame) const {
    if (::send(socket_.get(), frame.data(), frame.size(), 0) < 0) give_up("send a frame", errno);
}

std::optional<Bytes> FarEnd::receive() const {
    return receive_from(fd());
}

StackTap::StackTap(net::Family family, net::IpProtocol protocol)
    : family_(family),
      protocol_(protocol),
      socket_(::socket(family == net::Family::Ipv4 ? AF_INET : AF_INET6,
                       SOCK_RAW | SOCK_CLOEXEC,
                       net::number(protocol))) {
    if (!socket_.is_open()) give_up("open a raw socket (root is needed)", errno);
    if (family == net::Family::Ipv4) return;
    set_option(socket_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
    set_option(socket_, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT");
    set_option(socket_, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
}

std::optional<Bytes> StackTap::receive() const {
    return family_ == net::Family::Ipv4 ? receive_from(fd()) : receive_ipv6();
}

std::optional<Bytes> StackTap::receive_ipv6() const {
    std::array<std::byte, kMaxPacket> buffer;  // NOLINT(*-member-init): filled by recvmsg
    alignas(cmsghdr) std::array<std::byte, 256> control{};
    sockaddr_in6 from{};
    iovec where{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd(), &message, MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    Bytes packet(net::Ipv6View::kHeaderSize);
    packet.insert(packet.end(), buffer.data(), buffer.data() + size);
    packet[0] = std::byte{0x60};
    const auto header = net::Ipv6Writer::parse_quoted(packet);
    header->set_payload_length(static_cast<std::size_t>(size));
    header->set_next_header(protocol_);
    std::memcpy(packet.data() + 8, &from.sin6_addr, net::Ipv6Address::kSize);
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr;
         item = CMSG_NXTHDR(&message, item)) {
        int value = 0;
        if (item->cmsg_type == IPV6_PKTINFO) {
            std::memcpy(packet.data() + 24, CMSG_DATA(item), net::Ipv6Address::kSize);
        } else if (item->cmsg_type == IPV6_HOPLIMIT) {
            std::memcpy(&value, CMSG_DATA(item), sizeof value);
            header->set_hop_limit(static_cast<std::uint8_t>(value));
        } else if (item->cmsg_type == IPV6_TCLASS) {
            std::memcpy(&value, CMSG_DATA(item), sizeof value);
            header->set_first_word(static_cast<std::uint8_t>(value), 0);
        }
    }
    return packet;
}

void finish_checksums(const std::string& interface) {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_value off{};
    off.cmd = ETHTOOL_STXCSUM;
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&off);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) give_up("ETHTOOL_STXCSUM", errno);
}

UniqueFd listen_to_udp(net::Family family, net::Port port) {
    const bool is_ipv4 = family == net::Family::Ipv4;
    UniqueFd socket(::socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
    int status = 0;
    if (is_ipv4) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = to_wire16(net::number(port));
        status = ::bind(socket.get(), generic(address), sizeof address);
    } else {
        set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = to_wire16(net::number(port));
        status = ::bind(socket.get(), generic(address), sizeof address);
    }
    if (status != 0) give_up("bind a UDP socket", errno);
    return socket;
}

void give_way_to_the_kernel() {
    const rlimit files{.rlim_cur = 65536, .rlim_max = 65536};
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0) give_up("RLIMIT_NOFILE", errno);
    const sched_param none{};
    // These limits are the machine's, not a namespace's.
    for (const char* name : {"icmp_msgs_per_sec", "icmp_msgs_burst"}) {
        std::ofstream file(std::string("/proc/sys/net/ipv4/") + name);
        file << 1000000 << std::flush;
        if (!file) give_up(name, errno);
    }
    if (::sched_setscheduler(0, SCHED_IDLE, &none) != 0) give_up("SCHED_IDLE", errno);
}

void send_from_stack(const Packet& packet) {
    const Bytes bytes = packet.bytes();
    const bool is_ipv4 = packet.family() == net::Family::Ipv4;
    const UniqueFd socket(
        ::socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    if (!socket.is_open()) give_up("open a raw socket", errno);
    set_option(socket, SOL_SOCKET, SO_MARK, kNotOfTheStack, "SO_MARK");
    ssize_t sent = 0;
    if (is_ipv4) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        std::memcpy(&to.sin_addr, bytes.data() + 16, sizeof to.sin_addr);
        sent = ::sendto(socket.get(), bytes.data(), bytes.size(), 0, generic(to), sizeof to);
    } else {
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        std::memcpy(&to.sin6_addr, bytes.data() + 24, sizeof to.sin6_addr);
        sent = ::sendto(socket.get(), bytes.data(), bytes.size(), 0, generic(to), sizeof to);
    }
    if (sent < 0) give_up("send a packet from the stack", errno);
}

}  // namespace xvs::test
