// Ethernet II headers.
#pragma once

#include <optional>

#include "net/address.h"
#include "net/view.h"

namespace xvs::net {

enum class EtherType : std::uint16_t {
    Ipv4 = 0x0800,
    Arp = 0x0806,
    Vlan = 0x8100,
    Ipv6 = 0x86dd,
};

[[nodiscard]] constexpr EtherType ether_type(Family family) noexcept {
    return family == Family::Ipv4 ? EtherType::Ipv4 : EtherType::Ipv6;
}

// parse() checks every length that the accessors rely on.
template <ByteLike Byte>
class BasicEthernetView : public BytesView<Byte> {
public:
    static constexpr std::size_t kHeaderSize = 14;

    [[nodiscard]] static constexpr std::optional<BasicEthernetView> parse(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kHeaderSize) return std::nullopt;
        return BasicEthernetView(bytes);
    }

    [[nodiscard]] constexpr MacAddress destination() const noexcept {
        return MacAddress::load(this->bytes_.data());
    }

    [[nodiscard]] constexpr MacAddress source() const noexcept {
        return MacAddress::load(this->bytes_.data() + 6);
    }

    [[nodiscard]] constexpr EtherType type() const noexcept { return EtherType{this->get16(12)}; }

    // A short packet's padding is part of it: the IP header says where the packet ends.
    [[nodiscard]] constexpr std::span<Byte> payload() const noexcept {
        return this->bytes_.subspan(kHeaderSize);
    }

    constexpr void set_destination(
        const MacAddress& address) const noexcept requires BytesView<Byte>::kIsWritable {
        address.store(this->bytes_.data());
    }

    constexpr void set_source(
        const MacAddress& address) const noexcept requires BytesView<Byte>::kIsWritable {
        address.store(this->bytes_.data() + 6);
    }

    constexpr void set_type(EtherType type) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(12, static_cast<std::uint16_t>(type));
    }

private:
    using BytesView<Byte>::BytesView;
};

using EthernetView = BasicEthernetView<const std::byte>;
using EthernetWriter = BasicEthernetView<std::byte>;

}  // namespace xvs::net
