#include "lab/capture.h"

#include <array>
#include <cerrno>
#include <utility>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/byte_order.h"
#include "net/ethernet.h"
#include "net/ip_protocol.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/tcp.h"

namespace xvs::lab {

namespace {

constexpr std::size_t kHeadersSize = 256;  // outer and inner headers; payloads are not looked at
constexpr int kBufferSize = 4 << 20;

// What an IP header says, whatever its version.
struct IpHeader {
    net::IpAddress source;
    net::IpAddress destination;
    unsigned ttl = 0;
    net::IpProtocol protocol{};
    std::span<const std::byte> payload;
};

std::optional<IpHeader> read_ip(std::span<const std::byte> bytes) {
    if (const auto v4 = net::Ipv4View::parse_quoted(bytes)) {
        if (v4->fragment_offset() != 0) return std::nullopt;
        return IpHeader{v4->source(),
                        v4->destination(),
                        v4->ttl(),
                        v4->protocol(),
                        bytes.subspan(v4->header_size())};
    }
    if (const auto v6 = net::Ipv6View::parse_quoted(bytes)) {
        return IpHeader{v6->source(),
                        v6->destination(),
                        v6->hop_limit(),
                        v6->next_header(),
                        bytes.subspan(net::Ipv6View::kHeaderSize)};
    }
    return std::nullopt;
}

}  // namespace

std::optional<Sighting> describe_frame(std::span<const std::byte> frame) {
    const auto ethernet = net::EthernetView::parse(frame);
    if (!ethernet) return std::nullopt;
    Sighting sighting;
    sighting.from_mac = ethernet->source();
    sighting.to_mac = ethernet->destination();
    if (ethernet->type() != net::EtherType::Ipv4 && ethernet->type() != net::EtherType::Ipv6)
        return std::nullopt;
    auto ip = read_ip(ethernet->payload());
    if (ip && (ip->protocol == net::IpProtocol::Ipv4 || ip->protocol == net::IpProtocol::Ipv6)) {
        sighting.outer = OuterHeader{ip->source, ip->destination};
        ip = read_ip(ip->payload);
    }
    if (!ip) return std::nullopt;
    if (ip->protocol != net::IpProtocol::Tcp && ip->protocol != net::IpProtocol::Udp)
        return std::nullopt;
    const auto ports = net::PortsView::parse(ip->payload);
    if (!ports) return std::nullopt;
    sighting.source = {ip->source, ports->source_port()};
    sighting.destination = {ip->destination, ports->destination_port()};
    sighting.ttl = ip->ttl;
    if (ip->protocol == net::IpProtocol::Tcp) {
        const auto tcp = net::TcpView::parse(ip->payload);
        if (!tcp) return std::nullopt;
        sighting.tcp_flags = tcp->flags();
    }
    return sighting;
}

Capture::Capture(UniqueFd socket, std::string node, std::string interface)
    : socket_(std::move(socket)), node_(std::move(node)), interface_(std::move(interface)) {}

Result<Capture> Capture::start(const NetworkNamespace& where,
                               std::string node,
                               std::string interface) {
    const NetworkNamespace::Scope inside(where);
    UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.is_open()) return fail(system_error("opening a packet socket", errno));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferSize, sizeof kBufferSize);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = to_wire16(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (address.sll_ifindex == 0) {
        return fail(ErrorCode::NoSuchDevice,
                    fmt::format("{} has no interface {} to capture on", node, interface));
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail(system_error("capturing on " + interface, errno));
    return Capture(std::move(fd), std::move(node), std::move(interface));
}

std::vector<Sighting> Capture::take() {
    std::vector<Sighting> result;
    std::array<std::byte, kHeadersSize> frame{};
    for (;;) {
        sockaddr_ll address{};
        iovec part{frame.data(), frame.size()};
        msghdr message{};
        message.msg_name = &address;
        message.msg_namelen = sizeof address;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        const ssize_t got = ::recvmsg(socket_.get(), &message, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return result;
        if (address.sll_pkttype == PACKET_OTHERHOST) continue;
        auto sighting = describe_frame({frame.data(), static_cast<std::size_t>(got)});
        if (!sighting) continue;
        sighting->node = node_;
        sighting->interface = interface_;
        sighting->sent = address.sll_pkttype == PACKET_OUTGOING;
        result.push_back(std::move(*sighting));
    }
}

}  // namespace xvs::lab
