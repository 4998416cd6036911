#include "engine/forward/tunnel_fit.h"

#include <algorithm>

#include "engine/forward/fragment_output.h"
#include "engine/forward/replay.h"
#include "net/checksum.h"
#include "net/tcp.h"

namespace xvs::engine {
namespace {

// Less is no path that TCP could use. Kernel: TCP_MIN_MSS.
constexpr std::uint32_t kLeastSegment = 88;

template <class Ip>
std::uint32_t network_header_size(const Packet<Ip>& packet) noexcept {
    return packet.transport_offset - static_cast<std::uint32_t>(kEthernetHeaderSize);
}

constexpr Segmentation segmentation_of(net::Family family) noexcept {
    return family == net::Family::Ipv4 ? Segmentation::Tcp4 : Segmentation::Tcp6;
}

template <class Ip>
net::ChecksumSum pseudo_header(const Packet<Ip>& packet) noexcept {
    return net::pseudo_header_sum(packet.key.source_address(),
                                  packet.key.destination_address(),
                                  packet.protocol,
                                  packet.transport().size());
}

// The device completes the checksums of what it cuts. Returns false where the packet's is wrong.
template <class Ip>
bool leave_checksum_to_device(Packet<Ip>& packet, const net::TcpWriter& tcp) noexcept {
    Offload& offload = packet.frame.offload;
    if (offload.has_partial_checksum) return true;
    const net::ChecksumSum pseudo = pseudo_header(packet);
    if (net::internet_checksum(packet.transport(), pseudo) != 0) return false;
    tcp.set_checksum(net::fold(pseudo));
    offload.has_partial_checksum = true;
    offload.checksum_start = packet.transport_offset;
    offload.checksum_offset = net::TcpView::kChecksumOffset;
    return true;
}

}  // namespace

template <class Ip>
void clamp_mss(Packet<Ip>& packet, std::uint32_t mtu) noexcept {
    const auto tcp = net::TcpWriter::parse(packet.transport());
    const std::uint32_t headers =
        network_header_size(packet) + static_cast<std::uint32_t>(net::TcpView::kMinHeaderSize);
    if (!tcp || mtu < headers + kLeastSegment) return;
    const auto fits = static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu - headers, 0xffff));
    const std::span<std::byte> option = tcp->find_option(net::tcp_option::kMss);
    if (option.size() != 4) return;
    std::byte* const at = option.data() + 2;
    const std::uint16_t announced = load_be16(at);
    if (announced <= fits) return;
    store_be16(at, fits);
    // A partial checksum leaves these bytes to the device.
    if (packet.frame.offload.has_partial_checksum) return;
    const bool is_even = (at - packet.transport().data()) % 2 == 0;
    const auto as_summed = [is_even](std::uint16_t value) {
        return is_even ? value : __builtin_bswap16(value);
    };
    tcp->apply(net::ChecksumDelta().replace(as_summed(announced), as_summed(fits)));
}

template <class Ip>
void cut_segments(Packet<Ip>& packet, std::uint32_t mtu) noexcept {
    if (segment_length(packet) <= mtu) return;
    Offload& offload = packet.frame.offload;
    if (offload.segmentation != Segmentation::None) return limit_segments(packet, mtu);
    const auto tcp = net::TcpWriter::parse(packet.transport());
    if (!tcp) return;
    const std::uint32_t headers =
        network_header_size(packet) + static_cast<std::uint32_t>(tcp->header_size());
    if (mtu < headers + kLeastSegment || !leave_checksum_to_device(packet, *tcp)) return;
    offload.segmentation = segmentation_of(Ip::kFamily);
    offload.segment_size = static_cast<std::uint16_t>(mtu - headers);
    offload.header_length = static_cast<std::uint16_t>(kEthernetHeaderSize + headers);
}

template void clamp_mss(Packet<flow::Ipv4>&, std::uint32_t) noexcept;
template void clamp_mss(Packet<flow::Ipv6>&, std::uint32_t) noexcept;
template void cut_segments(Packet<flow::Ipv4>&, std::uint32_t) noexcept;
template void cut_segments(Packet<flow::Ipv6>&, std::uint32_t) noexcept;

}  // namespace xvs::engine
