#include "engine/forward/fragment_output.h"

#include <algorithm>
#include <cstring>

#include "engine/forward/replay.h"
#include "net/checksum.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/sctp.h"

namespace xvs::engine {
namespace {

constexpr std::size_t kFragmentUnit = 8;

struct Cutter {
    const Outgoing& whole;
    std::size_t room;  // for a fragment with its headers
    PacketPort& port;
    Transmitter& transmitter;

    // How much of the payload fits behind headers of `size` bytes; 0: nothing.
    [[nodiscard]] std::size_t share(std::size_t size) const noexcept {
        return room < size + kFragmentUnit ? 0 : (room - size) / kFragmentUnit * kFragmentUnit;
    }

    // Returns a fragment with room for so much, or one without data.
    [[nodiscard]] Outgoing begin(std::size_t size) const noexcept {
        Outgoing fragment = whole;
        fragment.frame = port.make_frame();
        if (fragment.frame.data == nullptr) {
            // What was sent of the burst so far gives its buffers back.
            port.flush();
            fragment.frame = port.make_frame();
        }
        fragment.frame.length = static_cast<std::uint32_t>(kEthernetHeaderSize + size);
        return fragment;
    }

    [[nodiscard]] std::span<const std::byte> packet() const noexcept {
        return whole.frame.bytes().subspan(kEthernetHeaderSize);
    }
};

bool cut_ipv4(const Cutter& cutter) noexcept {
    const auto ip = net::Ipv4View::parse(cutter.packet());
    const std::size_t header = ip ? ip->header_size() : 0;
    const std::size_t share = cutter.share(header);
    if (!ip || share == 0) return false;
    const auto payload = ip->payload();
    for (std::size_t at = 0; at < payload.size(); at += share) {
        const std::size_t size = std::min(share, payload.size() - at);
        const Outgoing fragment = cutter.begin(header + size);
        if (fragment.frame.data == nullptr) return false;
        std::byte* const packet = fragment.frame.data + kEthernetHeaderSize;
        std::memcpy(packet, ip->bytes().data(), header);
        std::memcpy(packet + header, payload.data() + at, size);
        store_be16(packet + 2, static_cast<std::uint16_t>(header + size));
        const auto written = *net::Ipv4Writer::parse({packet, header + size});
        const bool has_more = at + size < payload.size() || ip->more_fragments();
        written.set_fragment(false, has_more, ip->fragment_offset() + at);
        written.update_checksum();
        cutter.transmitter.send(fragment);
    }
    return true;
}

// RFC 8200, 4.5.
bool cut_ipv6(const Cutter& cutter, std::uint32_t identification) noexcept {
    constexpr std::size_t kHeaders = net::Ipv6View::kHeaderSize + net::kIpv6FragmentHeaderSize;
    const auto ip = net::Ipv6View::parse(cutter.packet());
    const std::size_t share = cutter.share(kHeaders);
    if (!ip || share == 0) return false;
    const auto payload = ip->payload();
    for (std::size_t at = 0; at < payload.size(); at += share) {
        const std::size_t size = std::min(share, payload.size() - at);
        const Outgoing fragment = cutter.begin(kHeaders + size);
        if (fragment.frame.data == nullptr) return false;
        std::byte* const packet = fragment.frame.data + kEthernetHeaderSize;
        std::byte* const header = packet + net::Ipv6View::kHeaderSize;
        std::memcpy(packet, ip->bytes().data(), net::Ipv6View::kHeaderSize);
        header[0] = std::byte{net::number(ip->next_header())};
        header[1] = std::byte{0};
        const unsigned more = at + size < payload.size() ? 1 : 0;
        store_be16(header + 2, static_cast<std::uint16_t>(at | more));
        store_be32(header + 4, identification);
        std::memcpy(packet + kHeaders, payload.data() + at, size);
        store_be16(packet + 4, static_cast<std::uint16_t>(net::kIpv6FragmentHeaderSize + size));
        const auto written = *net::Ipv6Writer::parse({packet, kHeaders + size});
        written.set_next_header(net::IpProtocol::Fragment);
        cutter.transmitter.send(fragment);
    }
    return true;
}

}  // namespace

void complete_checksum(Frame& frame) noexcept {
    Offload& offload = frame.offload;
    if (!offload.has_partial_checksum) return;
    offload.has_partial_checksum = false;
    const std::size_t start = offload.checksum_start;
    if (start + offload.checksum_offset + 2 > frame.length) return;
    const std::uint16_t sum = net::internet_checksum(frame.bytes().subspan(start));
    // 0 would say "no checksum" in UDP, and is the same number in TCP.
    store_be16(frame.data + start + offload.checksum_offset,
               sum == 0 ? std::uint16_t{0xffff} : sum);
}

bool send_fragments(const Outgoing& outgoing,
                    std::uint32_t mtu,
                    std::uint32_t identification,
                    PacketPort& port,
                    Transmitter& transmitter) noexcept {
    Outgoing whole = outgoing;
    complete_checksum(whole.frame);
    const Cutter cutter{.whole = whole,
                        .room = std::min<std::size_t>(mtu, kMadeFrameRoom - kEthernetHeaderSize),
                        .port = port,
                        .transmitter = transmitter};
    return whole.type == net::EtherType::Ipv4 ? cut_ipv4(cutter) : cut_ipv6(cutter, identification);
}

template <class Ip>
void complete_sctp_checksum(Packet<Ip>& packet) noexcept {
    Offload& offload = packet.frame.offload;
    if (!offload.has_partial_checksum || packet.fragment.is_fragment) return;
    offload.has_partial_checksum = false;
    if (const auto sctp = net::SctpWriter::parse(packet.transport()))
        sctp->set_checksum(sctp->computed_checksum());
}

template <class Ip>
void limit_segments(Packet<Ip>& packet, std::uint32_t mtu) noexcept {
    const std::uint32_t length = segment_length(packet);
    Offload& offload = packet.frame.offload;
    if (length <= mtu || length - mtu >= offload.segment_size) return;
    offload.segment_size = static_cast<std::uint16_t>(offload.segment_size - (length - mtu));
}

template void complete_sctp_checksum(Packet<flow::Ipv4>&) noexcept;
template void complete_sctp_checksum(Packet<flow::Ipv6>&) noexcept;
template void limit_segments(Packet<flow::Ipv4>&, std::uint32_t) noexcept;
template void limit_segments(Packet<flow::Ipv6>&, std::uint32_t) noexcept;

}  // namespace xvs::engine
