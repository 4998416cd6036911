#include "engine/forward/fragment_output.h"

#include <algorithm>
#include <cstring>

#include "engine/forward/replay.h"
#include "net/checksum.h"
#include "net/ipv4.h"
#include "net/sctp.h"

namespace xvs::engine {
namespace {

constexpr std::size_t kFragmentUnit = 8;

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
                    PacketPort& port,
                    Transmitter& transmitter) noexcept {
    Frame whole = outgoing.frame;
    complete_checksum(whole);
    const auto ip = net::Ipv4View::parse(whole.bytes().subspan(kEthernetHeaderSize));
    if (!ip) return false;
    const std::size_t header = ip->header_size();
    const std::size_t room = std::min<std::size_t>(mtu, kMadeFrameRoom - kEthernetHeaderSize);
    if (room < header + kFragmentUnit) return false;
    const std::size_t share = (room - header) / kFragmentUnit * kFragmentUnit;
    const auto payload = ip->payload();
    for (std::size_t at = 0; at < payload.size(); at += share) {
        const std::size_t size = std::min(share, payload.size() - at);
        Outgoing fragment = outgoing;
        fragment.frame = port.make_frame();
        if (fragment.frame.data == nullptr) {
            // What was sent of the burst so far gives its buffers back.
            port.flush();
            fragment.frame = port.make_frame();
        }
        if (fragment.frame.data == nullptr) return false;
        std::byte* const packet = fragment.frame.data + kEthernetHeaderSize;
        std::memcpy(packet, ip->bytes().data(), header);
        std::memcpy(packet + header, payload.data() + at, size);
        store_be16(packet + 2, static_cast<std::uint16_t>(header + size));
        fragment.frame.length = static_cast<std::uint32_t>(kEthernetHeaderSize + header + size);
        const auto written = *net::Ipv4Writer::parse({packet, header + size});
        const bool has_more = at + size < payload.size() || ip->more_fragments();
        written.set_fragment(false, has_more, ip->fragment_offset() + at);
        written.update_checksum();
        transmitter.send(fragment);
    }
    return true;
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
