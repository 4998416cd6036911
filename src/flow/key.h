// FlowKey: the five fields by which a packet's flow entry is found, in wire order.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/byte_order.h"
#include "flow/family.h"
#include "flow/hash.h"
#include "flow/layout.h"
#include "flow/shared_field.h"
#include "net/address.h"

namespace xvs::flow {

template <class Ip>
struct FlowKey;

template <>
struct FlowKey<Ipv4> {
    std::uint32_t source = 0;
    std::uint32_t destination = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t protocol = 0;

    [[nodiscard]] static FlowKey make(const net::Ipv4Address& source,
                                      net::Port source_port,
                                      const net::Ipv4Address& destination,
                                      net::Port destination_port,
                                      std::uint8_t protocol) noexcept {
        return {to_wire32(source.value()),
                to_wire32(destination.value()),
                to_wire16(net::number(source_port)),
                to_wire16(net::number(destination_port)),
                protocol};
    }

    // From a packet: the two addresses as the IP header has them, `ports` the transport header's
    // first four bytes.
    [[nodiscard]] static FlowKey load(const std::byte* source,
                                      const std::byte* destination,
                                      const std::byte* ports,
                                      std::uint8_t protocol) noexcept {
        FlowKey key;
        std::memcpy(&key.source, source, sizeof key.source);
        std::memcpy(&key.destination, destination, sizeof key.destination);
        std::memcpy(&key.source_port, ports, sizeof key.source_port);
        std::memcpy(&key.destination_port, ports + 2, sizeof key.destination_port);
        key.protocol = protocol;
        return key;
    }

    [[nodiscard]] static FlowKey load(const xvs_flow4& entry) noexcept {
        const std::uint32_t ports = load_word32(&entry.source_port);
        return {load_word32(&entry.source),
                load_word32(&entry.destination),
                static_cast<std::uint16_t>(ports & 0xffff),
                static_cast<std::uint16_t>(ports >> 16),
                load_acquire(entry.protocol)};
    }

    void store(xvs_flow4& entry) const noexcept {
        store_word32(&entry.source, source);
        store_word32(&entry.destination, destination);
        store_word32(&entry.source_port, ports());
        store_release(entry.protocol, protocol);
    }

    [[nodiscard]] bool is_key_of(const xvs_flow4& entry) const noexcept {
        return load_word32(&entry.source) == source && load_word32(&entry.source_port) == ports() &&
               load_word32(&entry.destination) == destination &&
               load_acquire(entry.protocol) == protocol;
    }

    [[nodiscard]] std::uint32_t hash(const xvs_hash_keys& keys) const noexcept {
        return xvs_hash4(&keys, source, destination, ports(), protocol);
    }

    // The key of the packets that answer, where nothing is rewritten.
    [[nodiscard]] FlowKey reversed() const noexcept {
        return {destination, source, destination_port, source_port, protocol};
    }

    [[nodiscard]] net::Ipv4Address source_address() const noexcept {
        return net::Ipv4Address(from_wire32(source));
    }

    [[nodiscard]] net::Ipv4Address destination_address() const noexcept {
        return net::Ipv4Address(from_wire32(destination));
    }

    [[nodiscard]] net::Port source_port_number() const noexcept {
        return net::Port{from_wire16(source_port)};
    }

    [[nodiscard]] net::Port destination_port_number() const noexcept {
        return net::Port{from_wire16(destination_port)};
    }

    // Both ports as a transport header's first four bytes hold them.
    [[nodiscard]] std::uint32_t ports() const noexcept {
        return source_port | static_cast<std::uint32_t>(destination_port) << 16;
    }

    bool operator==(const FlowKey&) const noexcept = default;
};

template <>
struct FlowKey<Ipv6> {
    using Words = std::array<std::uint32_t, 4>;

    Words source{};
    Words destination{};
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t protocol = 0;

    [[nodiscard]] static FlowKey make(const net::Ipv6Address& source,
                                      net::Port source_port,
                                      const net::Ipv6Address& destination,
                                      net::Port destination_port,
                                      std::uint8_t protocol) noexcept {
        return {std::bit_cast<Words>(source.bytes()),
                std::bit_cast<Words>(destination.bytes()),
                to_wire16(net::number(source_port)),
                to_wire16(net::number(destination_port)),
                protocol};
    }

    // As for IPv4.
    [[nodiscard]] static FlowKey load(const std::byte* source,
                                      const std::byte* destination,
                                      const std::byte* ports,
                                      std::uint8_t protocol) noexcept {
        FlowKey key;
        std::memcpy(&key.source, source, sizeof key.source);
        std::memcpy(&key.destination, destination, sizeof key.destination);
        std::memcpy(&key.source_port, ports, sizeof key.source_port);
        std::memcpy(&key.destination_port, ports + 2, sizeof key.destination_port);
        key.protocol = protocol;
        return key;
    }

    [[nodiscard]] static FlowKey load(const xvs_flow6& entry) noexcept {
        const std::uint32_t ports = load_word32(&entry.source_port);
        return {load_address(entry.source),
                load_address(entry.destination),
                static_cast<std::uint16_t>(ports & 0xffff),
                static_cast<std::uint16_t>(ports >> 16),
                load_acquire(entry.protocol)};
    }

    void store(xvs_flow6& entry) const noexcept {
        const Halves from = std::bit_cast<Halves>(source);
        const Halves to = std::bit_cast<Halves>(destination);
        store_word64(entry.source, from[0]);
        store_word64(entry.source + 8, from[1]);
        store_word64(entry.destination, to[0]);
        store_word64(entry.destination + 8, to[1]);
        store_word32(&entry.source_port, ports());
        store_release(entry.protocol, protocol);
    }

    [[nodiscard]] bool is_key_of(const xvs_flow6& entry) const noexcept {
        const Halves from = std::bit_cast<Halves>(source);
        const Halves to = std::bit_cast<Halves>(destination);
        return load_word32(&entry.source_port) == ports() &&
               load_word64(entry.source + 8) == from[1] && load_word64(entry.source) == from[0] &&
               load_word64(entry.destination + 8) == to[1] &&
               load_word64(entry.destination) == to[0] && load_acquire(entry.protocol) == protocol;
    }

    [[nodiscard]] std::uint32_t hash(const xvs_hash_keys& keys) const noexcept {
        return xvs_hash6(&keys, source.data(), destination.data(), ports(), protocol);
    }

    [[nodiscard]] FlowKey reversed() const noexcept {
        return {destination, source, destination_port, source_port, protocol};
    }

    [[nodiscard]] net::Ipv6Address source_address() const noexcept { return address(source); }

    [[nodiscard]] net::Ipv6Address destination_address() const noexcept {
        return address(destination);
    }

    [[nodiscard]] net::Port source_port_number() const noexcept {
        return net::Port{from_wire16(source_port)};
    }

    [[nodiscard]] net::Port destination_port_number() const noexcept {
        return net::Port{from_wire16(destination_port)};
    }

    [[nodiscard]] std::uint32_t ports() const noexcept {
        return source_port | static_cast<std::uint32_t>(destination_port) << 16;
    }

    bool operator==(const FlowKey&) const noexcept = default;

private:
    using Halves = std::array<std::uint64_t, 2>;

    [[nodiscard]] static net::Ipv6Address address(const Words& words) noexcept {
        return net::Ipv6Address(std::bit_cast<std::array<std::byte, 16>>(words));
    }

    [[nodiscard]] static Words load_address(const __u8* from) noexcept {
        return std::bit_cast<Words>(Halves{load_word64(from), load_word64(from + 8)});
    }
};

}  // namespace xvs::flow
