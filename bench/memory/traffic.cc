#include "bench/memory/traffic.h"

#include <cstring>

#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/tcp.h"

namespace xvs::bench {
namespace {

constexpr std::size_t kEthernetSize = 14;
constexpr std::size_t kMinFrameSize = 60;
constexpr std::uint8_t kHops = 64;
constexpr std::uint16_t kFirstPort = 1024;

constexpr std::uint32_t kClientNetwork = 0x0a000000;   // 10.0.0.0/8
constexpr std::uint32_t kVirtualAddress = 0xc0000201;  // 192.0.2.1
constexpr std::uint32_t kRealNetwork = 0xc6336400;     // 198.51.100.0/24
constexpr std::uint32_t kStranger = 0xcb007101;        // 203.0.113.1

// 2001:db8:ROLE::NUMBER
net::Ipv6Address ipv6(std::uint16_t role, std::uint32_t number) noexcept {
    std::array<std::byte, net::Ipv6Address::kSize> bytes{};
    store_be32(bytes.data(), 0x20010db8);
    store_be16(bytes.data() + 4, role);
    store_be32(bytes.data() + 12, number);
    return net::Ipv6Address(bytes);
}

template <class Address>
Address make_address(std::uint32_t ipv4_network, std::uint32_t number) noexcept {
    if constexpr (std::is_same_v<Address, net::Ipv4Address>) {
        return net::Ipv4Address(ipv4_network + number);
    } else {
        return ipv6(static_cast<std::uint16_t>(ipv4_network >> 16), number);
    }
}

std::size_t write_header(std::byte* at,
                         const net::Ipv4Address& from,
                         const net::Ipv4Address& to) noexcept {
    constexpr std::size_t kSize = net::Ipv4View::kMinHeaderSize;
    at[0] = std::byte{0x45};
    store_be16(at + 2, static_cast<std::uint16_t>(kSize + net::TcpView::kMinHeaderSize));
    store_be16(at + 6, net::Ipv4View::kDontFragment);
    at[8] = std::byte{kHops};
    at[9] = std::byte{net::number(net::IpProtocol::Tcp)};
    from.store(at + 12);
    to.store(at + 16);
    store_be16(at + 10, net::internet_checksum({at, kSize}));
    return kSize;
}

std::size_t write_header(std::byte* at,
                         const net::Ipv6Address& from,
                         const net::Ipv6Address& to) noexcept {
    at[0] = std::byte{0x60};
    store_be16(at + 4, static_cast<std::uint16_t>(net::TcpView::kMinHeaderSize));
    at[6] = std::byte{net::number(net::IpProtocol::Tcp)};
    at[7] = std::byte{kHops};
    from.store(at + 8);
    to.store(at + 24);
    return net::Ipv6View::kHeaderSize;
}

}  // namespace

template <class Ip>
Endpoint<Ip> client(std::uint32_t number) noexcept {
    return {make_address<typename Ip::Address>(kClientNetwork, 1 + number / kPortsPerClient),
            net::Port{static_cast<std::uint16_t>(kFirstPort + number % kPortsPerClient)}};
}

template <class Ip>
Endpoint<Ip> virtual_service() noexcept {
    return {make_address<typename Ip::Address>(kVirtualAddress, 0), kVirtualPort};
}

template <class Ip>
Endpoint<Ip> real_server(std::uint32_t number) noexcept {
    return {make_address<typename Ip::Address>(kRealNetwork, 1 + number), kRealPort};
}

template <class Ip>
Endpoint<Ip> stranger() noexcept {
    return {make_address<typename Ip::Address>(kStranger, 0), net::Port{443}};
}

template <class Ip>
std::size_t write_packet(std::byte* frame,
                         const Endpoint<Ip>& from,
                         const Endpoint<Ip>& to,
                         std::uint8_t tcp_flags) noexcept {
    constexpr bool kIsIpv4 = std::is_same_v<Ip, flow::Ipv4>;
    std::memset(frame, 0, 96);
    store_be16(frame + 12,
               static_cast<std::uint16_t>(kIsIpv4 ? net::EtherType::Ipv4 : net::EtherType::Ipv6));
    std::byte* const ip = frame + kEthernetSize;
    std::byte* const tcp = ip + write_header(ip, from.address, to.address);
    store_be16(tcp, net::number(from.port));
    store_be16(tcp + 2, net::number(to.port));
    tcp[12] = std::byte{net::TcpView::kMinHeaderSize / 4 << 4};
    tcp[13] = std::byte{tcp_flags};
    const std::size_t size = net::TcpView::kMinHeaderSize;
    store_be16(tcp + net::TcpView::kChecksumOffset,
               net::internet_checksum(
                   {tcp, size},
                   net::pseudo_header_sum(from.address, to.address, net::IpProtocol::Tcp, size)));
    return std::max(kMinFrameSize, static_cast<std::size_t>(tcp - frame) + size);
}

template Endpoint<flow::Ipv4> client(std::uint32_t) noexcept;
template Endpoint<flow::Ipv6> client(std::uint32_t) noexcept;
template Endpoint<flow::Ipv4> virtual_service() noexcept;
template Endpoint<flow::Ipv6> virtual_service() noexcept;
template Endpoint<flow::Ipv4> real_server(std::uint32_t) noexcept;
template Endpoint<flow::Ipv6> real_server(std::uint32_t) noexcept;
template Endpoint<flow::Ipv4> stranger() noexcept;
template Endpoint<flow::Ipv6> stranger() noexcept;
template std::size_t write_packet(std::byte*,
                                  const Endpoint<flow::Ipv4>&,
                                  const Endpoint<flow::Ipv4>&,
                                  std::uint8_t) noexcept;
template std::size_t write_packet(std::byte*,
                                  const Endpoint<flow::Ipv6>&,
                                  const Endpoint<flow::Ipv6>&,
                                  std::uint8_t) noexcept;

}  // namespace xvs::bench
