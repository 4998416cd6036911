// PortsView: the first four bytes of TCP, UDP and SCTP, which hold the ports in all three. It is
// all that an ICMP error has to quote of them.
#pragma once

#include <optional>

#include "net/address.h"
#include "net/view.h"

namespace xvs::net {

template <ByteLike Byte>
class BasicPortsView : public BytesView<Byte> {
public:
    static constexpr std::size_t kHeaderSize = 4;

    [[nodiscard]] static constexpr std::optional<BasicPortsView> parse(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kHeaderSize) return std::nullopt;
        return BasicPortsView(bytes);
    }

    [[nodiscard]] constexpr Port source_port() const noexcept { return Port{this->get16(0)}; }

    [[nodiscard]] constexpr Port destination_port() const noexcept { return Port{this->get16(2)}; }

    // The checksum that covers the port is the caller's to update.
    constexpr void set_source_port(Port port) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(0, number(port));
    }

    constexpr void set_destination_port(
        Port port) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(2, number(port));
    }

protected:
    using BytesView<Byte>::BytesView;
};

using PortsView = BasicPortsView<const std::byte>;
using PortsWriter = BasicPortsView<std::byte>;

}  // namespace xvs::net
