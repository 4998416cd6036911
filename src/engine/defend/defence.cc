#include "engine/defend/defence.h"

#include <algorithm>
#include <limits>

namespace xvs::engine {
namespace {

using model::DefenceMode;

// Returns whether to defend, and turns an automatic mode into the one that says so.
bool is_on(std::int32_t& mode, bool has_no_memory) noexcept {
    switch (static_cast<DefenceMode>(mode)) {
        case DefenceMode::Off:
            return false;
        case DefenceMode::Watching:
        case DefenceMode::Defending:
            mode = static_cast<std::int32_t>(has_no_memory ? DefenceMode::Defending
                                                           : DefenceMode::Watching);
            return has_no_memory;
        case DefenceMode::Always:
            return true;
    }
    return false;
}

}  // namespace

void Defence::update(std::int64_t available) noexcept {
    model::Sysctls& sysctls = settings_.sysctls;
    const std::int64_t threshold = sysctls.amemthresh;
    const bool has_no_memory = available < threshold;
    drops_entries_ = is_on(sysctls.drop_entry, has_no_memory);
    settings_.has_secure_tcp = is_on(sysctls.secure_tcp, has_no_memory);
    const bool drops_packets = is_on(sysctls.drop_packet, has_no_memory);
    if (!drops_packets) {
        drop_rate_ = 0;
    } else if (static_cast<DefenceMode>(sysctls.drop_packet) == DefenceMode::Always) {
        drop_rate_ = sysctls.am_droprate;
    } else {
        // The less there is left, the more are dropped: all of them when there is none.
        const std::int64_t rate = threshold / (threshold - available);
        drop_rate_ = static_cast<std::int32_t>(
            std::clamp<std::int64_t>(rate, 1, std::numeric_limits<std::int32_t>::max()));
        drop_counter_ = drop_rate_.load();
    }
}

bool Defence::drops_entry_with(std::uint32_t packets) noexcept {
    if (packets == 0 || packets > kMostPackets) return false;
    if (++seen_[packets] < packets) return false;
    seen_[packets] = 0;
    return true;
}

std::uint32_t Defence::draw(std::uint32_t bound) noexcept {
    // splitmix64
    random_ += 0x9e3779b97f4a7c15U;
    std::uint64_t word = random_;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    return static_cast<std::uint32_t>(((word >> 32) * bound) >> 32);
}

}  // namespace xvs::engine
