// DropReason: why a packet was dropped. Every packet that is neither forwarded nor given to the
// host has exactly one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xvs::engine {

enum class DropReason : std::uint8_t {
#define XVS_DROP(name, text, meaning) name,
#include "engine/drop_reason.def"
#undef XVS_DROP
};

struct DropReasonText {
    std::string_view name;
    std::string_view meaning;
};

inline constexpr std::array kDropReasons{
#define XVS_DROP(name, text, meaning) DropReasonText{text, meaning},
#include "engine/drop_reason.def"
#undef XVS_DROP
};

// Returns the reason's name as counters show it: "no-destination".
[[nodiscard]] constexpr std::string_view drop_reason_name(DropReason reason) noexcept {
    return kDropReasons[static_cast<std::size_t>(reason)].name;
}

// How often each reason came. Thread: one worker writes.
class DropCounters {
public:
    void count(DropReason reason) noexcept { ++counts_[static_cast<std::size_t>(reason)]; }

    [[nodiscard]] std::uint64_t operator[](DropReason reason) const noexcept {
        return counts_[static_cast<std::size_t>(reason)];
    }

    DropCounters& operator+=(const DropCounters& other) noexcept {
        for (std::size_t each = 0; each < counts_.size(); ++each)
            counts_[each] += other.counts_[each];
        return *this;
    }

private:
    std::array<std::uint64_t, kDropReasons.size()> counts_{};
};

}  // namespace xvs::engine
