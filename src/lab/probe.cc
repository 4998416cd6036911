#include "lab/probe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "base/byte_order.h"
#include "base/unique_fd.h"
#include "lab/process.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/ip_protocol.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::lab {

namespace {

using SteadyClock = std::chrono::steady_clock;
using Frame = std::vector<std::byte>;

constexpr std::uint8_t kIcmpEcho = 8;
constexpr std::uint8_t kIcmpEchoReply = 0;
constexpr std::uint8_t kIcmpv6Echo = 128;
constexpr std::uint8_t kIcmpv6EchoReply = 129;
constexpr std::size_t kIcmpHeaderSize = 8;

// A packet socket on `interface`, or on all interfaces when it is empty.
Result<UniqueFd> open_packet_socket(const std::string& interface, std::uint16_t protocol) {
    UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.is_open()) return fail(system_error("opening a packet socket (as root?)", errno));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = to_wire16(protocol);
    address.sll_ifindex =
        interface.empty() ? 0 : static_cast<int>(::if_nametoindex(interface.c_str()));
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail(system_error("listening on " + interface, errno));
    return fd;
}

Status send_frame(const std::string& interface, const Frame& frame) {
    auto fd = open_packet_socket(interface, 0);
    if (!fd) return fail(fd.error());
    if (::send(fd->get(), frame.data(), frame.size(), 0) >= 0) return {};
    if (errno == EMSGSIZE)
        return fail(ErrorCode::OutOfRange, fmt::format("it does not fit {}'s MTU", interface));
    return fail(system_error("sending a probe by " + interface, errno));
}

// Lets nothing but ICMP and ICMPv6 into the socket: an answer is not to be lost among a busy host's
// other packets.
Status take_only_icmp(const UniqueFd& fd) {
    constexpr std::uint32_t kTypeAt = 12;
    constexpr std::uint32_t kProtocol4At = 23;
    constexpr std::uint32_t kProtocol6At = 20;
    constexpr std::uint32_t kAll = 0xffff;
    std::array<sock_filter, 8> program{{
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, kTypeAt},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 2, ETH_P_IP},
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, kProtocol4At},
        {BPF_JMP | BPF_JEQ | BPF_K, 2, 3, net::number(net::IpProtocol::Icmp)},
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, kProtocol6At},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, net::number(net::IpProtocol::Icmpv6)},
        {BPF_RET | BPF_K, 0, 0, kAll},
        {BPF_RET | BPF_K, 0, 0, 0},
    }};
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        return fail(system_error("filtering a packet socket", errno));
    return {};
}

// Calls `visit(frame, address)` for what arrives until it returns true or the time is up.
template <class Visit>
bool listen_until(const UniqueFd& fd, std::chrono::milliseconds patience, Visit visit) {
    const auto deadline = SteadyClock::now() + patience;
    std::array<std::byte, 2048> buffer{};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now());
        if (left.count() <= 0) return false;
        pollfd watched{fd.get(), POLLIN, 0};
        if (::poll(&watched, 1, static_cast<int>(left.count())) <= 0) continue;
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const ssize_t got = ::recvfrom(
            fd.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
        if (visit(std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(got))))
            return true;
    }
}

Frame ip_packet(const net::IpAddress& source,
                const net::IpAddress& destination,
                net::IpProtocol protocol,
                unsigned ttl,
                const Frame& payload) {
    if (source.family() == net::Family::Ipv4) {
        Frame packet(net::Ipv4View::kMinHeaderSize);
        packet[0] = std::byte{0x45};
        store_be16(&packet[2], static_cast<std::uint16_t>(packet.size() + payload.size()));
        store_be16(&packet[6], net::Ipv4View::kDontFragment);
        packet[8] = static_cast<std::byte>(ttl);
        packet[9] = static_cast<std::byte>(protocol);
        source.v4().store(&packet[12]);
        destination.v4().store(&packet[16]);
        store_be16(&packet[10], net::internet_checksum(packet));
        packet.insert(packet.end(), payload.begin(), payload.end());
        return packet;
    }
    Frame packet(net::Ipv6View::kHeaderSize);
    packet[0] = std::byte{0x60};
    store_be16(&packet[4], static_cast<std::uint16_t>(payload.size()));
    packet[6] = static_cast<std::byte>(protocol);
    packet[7] = static_cast<std::byte>(ttl);
    source.v6().store(&packet[8]);
    destination.v6().store(&packet[24]);
    packet.insert(packet.end(), payload.begin(), payload.end());
    return packet;
}

// An echo request without its IP header.
Frame icmp_echo(const EchoRequest& request, std::uint16_t identifier) {
    const bool v4 = request.source.family() == net::Family::Ipv4;
    const std::size_t header = v4 ? net::Ipv4View::kMinHeaderSize : net::Ipv6View::kHeaderSize;
    Frame icmp(std::max(request.size - header, kIcmpHeaderSize));
    icmp[0] = static_cast<std::byte>(v4 ? kIcmpEcho : kIcmpv6Echo);
    store_be16(&icmp[4], identifier);
    const net::ChecksumSum pseudo_header =
        v4 ? 0
           : net::pseudo_header_sum(request.source.v6(),
                                    request.destination.v6(),
                                    net::IpProtocol::Icmpv6,
                                    static_cast<std::uint32_t>(icmp.size()));
    store_be16(&icmp[2], net::internet_checksum(icmp, pseudo_header));
    return icmp;
}

Frame echo_frame(const EchoRequest& request, const net::MacAddress& own, std::uint16_t identifier) {
    const bool v4 = request.source.family() == net::Family::Ipv4;
    Frame packet = ip_packet(request.source,
                             request.destination,
                             v4 ? net::IpProtocol::Icmp : net::IpProtocol::Icmpv6,
                             request.ttl,
                             icmp_echo(request, identifier));
    if (request.outer) {
        packet = ip_packet(request.outer->source,
                           request.outer->destination,
                           v4 ? net::IpProtocol::Ipv4 : net::IpProtocol::Ipv6,
                           64,
                           packet);
    }
    Frame frame(net::EthernetView::kHeaderSize);
    request.to_mac.store(frame.data());
    own.store(&frame[6]);
    store_be16(&frame[12],
               static_cast<std::uint16_t>(v4 ? net::EtherType::Ipv4 : net::EtherType::Ipv6));
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
}

template <class View>
bool is_reply_of(const View& ip,
                 std::span<const std::byte> icmp,
                 std::uint8_t type,
                 const EchoRequest& request,
                 std::uint16_t identifier) {
    return net::IpAddress(ip.source()) == request.destination &&
           net::IpAddress(ip.destination()) == request.source && icmp.size() >= kIcmpHeaderSize &&
           std::to_integer<std::uint8_t>(icmp[0]) == type && load_be16(&icmp[4]) == identifier;
}

bool is_answer(const net::EthernetView& ethernet,
               const EchoRequest& request,
               std::uint16_t identifier) {
    if (const auto v4 = net::Ipv4View::parse_quoted(ethernet.payload());
        v4 && ethernet.type() == net::EtherType::Ipv4) {
        const auto icmp = ethernet.payload().subspan(v4->header_size());
        return v4->protocol() == net::IpProtocol::Icmp &&
               is_reply_of(*v4, icmp, kIcmpEchoReply, request, identifier);
    }
    if (const auto v6 = net::Ipv6View::parse_quoted(ethernet.payload());
        v6 && ethernet.type() == net::EtherType::Ipv6) {
        const auto icmp = ethernet.payload().subspan(net::Ipv6View::kHeaderSize);
        return v6->next_header() == net::IpProtocol::Icmpv6 &&
               is_reply_of(*v6, icmp, kIcmpv6EchoReply, request, identifier);
    }
    return false;
}

Result<ifreq> ask_interface(const std::string& interface, unsigned long what) {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
    if (::ioctl(socket.get(), what, &request) != 0)
        return fail(system_error("asking about the interface " + interface, errno));
    return request;
}

const char* family_option(net::Family family) {
    return family == net::Family::Ipv4 ? "-4" : "-6";
}

}  // namespace

Result<Route> find_route(const net::IpAddress& destination) {
    const auto said = run_checked(
        {"ip", family_option(destination.family()), "-o", "route", "get", destination.to_string()});
    if (!said) return fail(said.error());
    Route route;
    std::istringstream words(*said);
    std::string value;
    for (std::string key; words >> key;) {
        if (key == "dev" && words >> value) route.interface = value;
        if (key == "via" && words >> value) route.gateway = net::IpAddress::parse(value);
        if (key == "src" && words >> value)
            route.source = net::IpAddress::parse(value).value_or(route.source);
        if (key == "mtu" && words >> value)
            route.mtu = static_cast<unsigned>(std::atoi(value.c_str()));
    }
    const auto mtu = mtu_of(route.interface);
    if (!mtu) return fail(mtu.error());
    if (route.mtu == 0) route.mtu = *mtu;
    return route;
}

Result<Route> find_route_from_own(const net::IpAddress& destination, const net::IpAddress& vip) {
    auto route = find_route(destination);
    if (!route || route->source != vip) return route;
    const auto said = run_checked({"ip",
                                   family_option(vip.family()),
                                   "-o",
                                   "addr",
                                   "show",
                                   "dev",
                                   route->interface,
                                   "scope",
                                   "global"});
    if (!said) return fail(said.error());
    std::istringstream words(*said);
    std::string value;
    for (std::string key; words >> key;) {
        if ((key != "inet" && key != "inet6") || !(words >> value)) continue;
        const auto own = net::IpAddress::parse(value.substr(0, value.find('/')));
        if (own && *own != vip) route->source = *own;
    }
    return route;
}

Result<net::MacAddress> resolve(const std::string& interface, const net::IpAddress& neighbour) {
    // A ping makes the kernel ask; whether it is answered does not matter.
    const auto deadline = SteadyClock::now() + std::chrono::seconds(2);
    (void)run({"ping", "-n", "-q", "-c", "1", "-W", "1", "-I", interface, neighbour.to_string()});
    for (;;) {
        const auto said = run_checked({"ip",
                                       family_option(neighbour.family()),
                                       "neigh",
                                       "show",
                                       "to",
                                       neighbour.to_string(),
                                       "dev",
                                       interface});
        if (!said) return fail(said.error());
        std::istringstream words(*said);
        std::string value;
        for (std::string key; words >> key;) {
            if (key != "lladdr" || !(words >> value)) continue;
            if (const auto mac = net::MacAddress::parse(value)) return *mac;
        }
        if (SteadyClock::now() > deadline) {
            return fail(ErrorCode::NotFound,
                        fmt::format("{} does not answer on {}: it is down, or not there",
                                    neighbour.to_string(),
                                    interface));
        }
        ::poll(nullptr, 0, 20);
    }
}

Result<net::MacAddress> mac_of(const std::string& interface) {
    const auto answer = ask_interface(interface, SIOCGIFHWADDR);
    if (!answer) return fail(answer.error());
    return net::MacAddress::load(reinterpret_cast<const std::byte*>(answer->ifr_hwaddr.sa_data));
}

Result<unsigned> mtu_of(const std::string& interface) {
    const auto answer = ask_interface(interface, SIOCGIFMTU);
    if (!answer) return fail(answer.error());
    return static_cast<unsigned>(answer->ifr_mtu);
}

Result<std::optional<EchoAnswer>> ask_echo(const EchoRequest& request,
                                           std::chrono::milliseconds patience) {
    const auto own = mac_of(request.interface);
    if (!own) return fail(own.error());
    auto listener = open_packet_socket("", ETH_P_ALL);
    if (!listener) return fail(listener.error());
    if (auto filtered = take_only_icmp(*listener); !filtered) return fail(filtered.error());
    // Two probes that run at a time tell their answers apart by the time they began.
    const auto identifier =
        static_cast<std::uint16_t>(::getpid() ^ SteadyClock::now().time_since_epoch().count());
    if (auto sent = send_frame(request.interface, echo_frame(request, *own, identifier)); !sent)
        return fail(sent.error());
    std::optional<EchoAnswer> answer;
    listen_until(*listener, patience, [&](std::span<const std::byte> frame) {
        const auto ethernet = net::EthernetView::parse(frame);
        if (!ethernet || !is_answer(*ethernet, request, identifier)) return false;
        answer = EchoAnswer{ethernet->source()};
        return true;
    });
    return answer;
}

Result<std::vector<net::MacAddress>> ask_arp(const std::string& interface,
                                             net::Ipv4Address address,
                                             std::chrono::milliseconds patience) {
    const auto own = mac_of(interface);
    if (!own) return fail(own.error());
    auto listener = open_packet_socket(interface, ETH_P_ARP);
    if (!listener) return fail(listener.error());
    constexpr std::size_t kArpSize = 28;
    Frame frame(net::EthernetView::kHeaderSize + kArpSize, std::byte{0});
    std::fill_n(frame.begin(), net::MacAddress::kSize, std::byte{0xff});
    own->store(&frame[6]);
    store_be16(&frame[12], ETH_P_ARP);
    store_be16(&frame[14], ARPHRD_ETHER);
    store_be16(&frame[16], ETH_P_IP);
    frame[18] = std::byte{net::MacAddress::kSize};
    frame[19] = std::byte{net::Ipv4Address::kSize};
    store_be16(&frame[20], ARPOP_REQUEST);
    own->store(&frame[22]);
    address.store(&frame[38]);
    if (auto sent = send_frame(interface, frame); !sent) return fail(sent.error());
    std::vector<net::MacAddress> answers;
    listen_until(*listener, patience, [&](std::span<const std::byte> got) {
        if (got.size() < frame.size() || load_be16(&got[20]) != ARPOP_REPLY ||
            net::Ipv4Address::load(&got[28]) != address)
            return false;
        const auto mac = net::MacAddress::load(&got[22]);
        if (std::find(answers.begin(), answers.end(), mac) == answers.end()) answers.push_back(mac);
        return false;
    });
    return answers;
}

}  // namespace xvs::lab
