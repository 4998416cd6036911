#include "flow/sizes.h"

#include <algorithm>
#include <bit>

#include "flow/layout.h"

namespace xvs::flow {

namespace {

// A translation belongs to a service, a destination, a direction and a next hop, so there are a few
// for each real server, and more where many clients are on-link.
constexpr std::uint32_t kMinTranslations = 1u << 12;
constexpr std::uint32_t kMaxTranslations = 1u << 18;
constexpr std::uint32_t kNextHops = 1u << 14;
constexpr std::uint32_t kDestinations = 1u << 17;  // 100,000 real servers
constexpr std::uint32_t kServices = 1u << 14;      // 10,000 services
constexpr std::uint32_t kMinSlots = 4 * XVS_PROBES;

}  // namespace

Sizes sizes_for(std::uint32_t connections) noexcept {
    const std::uint32_t count = std::clamp(connections, 1u, kMaxConnections);
    const std::uint32_t slots = std::max(kMinSlots, std::bit_ceil(4 * count));
    return {.connections4 = count,
            .connections6 = count,
            .slots4 = slots,
            .slots6 = slots,
            .translations = std::clamp(count, kMinTranslations, kMaxTranslations),
            .next_hops = kNextHops,
            .destinations = kDestinations,
            .services = kServices,
            .counter_rows = 1,
            .report_rings = 0,
            .workers = 1,
            .stocks = 0};
}

Sizes sizes_for(std::uint32_t connections, std::uint32_t cpus, std::uint32_t workers) noexcept {
    Sizes sizes = sizes_for(connections);
    sizes.workers = std::clamp(workers, 1u, XVS_MAX_WORKERS);
    sizes.counter_rows = sizes.workers + cpus;
    sizes.report_rings = cpus;
    sizes.stocks = cpus > 0 ? XVS_STOCKS : 0;
    return sizes;
}

std::uint32_t default_connections(std::uint64_t memory_bytes) noexcept {
    constexpr std::uint64_t kBytesPerPair = kBytesPerConnection4 + kBytesPerConnection6;
    const std::uint64_t affordable = memory_bytes / 50 / kBytesPerPair;
    const std::uint64_t count = std::clamp<std::uint64_t>(
        std::bit_floor(affordable), kMinDefaultConnections, kMaxConnections);
    return static_cast<std::uint32_t>(count);
}

}  // namespace xvs::flow
