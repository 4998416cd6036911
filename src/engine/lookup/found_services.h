// FoundServices: the services that a worker has found for its last packets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/lookup/services.h"
#include "flow/key.h"

namespace xvs::engine {

// New connections are for a few services at a time: each is found anew only after another of the
// same place, or after services were added or removed. Thread: the worker.
template <class Ip>
class FoundServices {
public:
    // `services` must outlive it.
    explicit FoundServices(Services& services) noexcept : services_(services) {}

    // Returns what Services::find_for_packet() would.
    [[nodiscard]] ServiceState* find(std::uint32_t fwmark,
                                     const flow::FlowKey<Ip>& packet) noexcept {
        Found& found = found_[place_of(packet)];
        const bool is_same = found.edition == services_.edition() &&
                             found.port == packet.destination_port &&
                             found.address == packet.destination && found.fwmark == fwmark &&
                             found.protocol == packet.protocol;
        if (is_same) [[likely]]
            return found.service;
        found.service = services_.find_for_packet(fwmark,
                                                  static_cast<model::Protocol>(packet.protocol),
                                                  packet.destination_address(),
                                                  packet.destination_port_number());
        found.edition = services_.edition();
        found.address = packet.destination;
        found.fwmark = fwmark;
        found.port = packet.destination_port;
        found.protocol = packet.protocol;
        return found.service;
    }

private:
    static constexpr std::size_t kPlaces = 64;

    struct Found {
        ServiceState* service = nullptr;
        decltype(flow::FlowKey<Ip>::destination) address{};  // in wire order, as the port
        std::uint32_t edition = 0;
        std::uint32_t fwmark = 0;
        std::uint16_t port = 0;
        std::uint8_t protocol = 0;
    };

    [[nodiscard]] static std::uint32_t last_word(std::uint32_t address) noexcept { return address; }

    [[nodiscard]] static std::uint32_t last_word(
        const std::array<std::uint32_t, 4>& address) noexcept {
        return address[3];
    }

    // Neighbours in addresses or ports have places of their own.
    [[nodiscard]] static std::size_t place_of(const flow::FlowKey<Ip>& packet) noexcept {
        constexpr std::uint32_t kFactor = 0x9e3779b1;
        constexpr unsigned kBits = 6;
        static_assert(kPlaces == 1U << kBits);
        const std::uint32_t port = std::uint32_t{packet.destination_port} << 16;
        return ((last_word(packet.destination) ^ port) * kFactor) >> (32 - kBits);
    }

    Services& services_;
    std::array<Found, kPlaces> found_{};
};

}  // namespace xvs::engine
