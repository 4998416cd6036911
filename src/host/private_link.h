// PrivateLink: the veth pair over which packets go up to the engine and come back.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace xvs::host {

// Both ends are in this network namespace (another would need CAP_SYS_ADMIN), up, without
// addresses, without ARP and without IPv6 of their own, and as long as the pair exists no packet of
// the host's takes it. Removed with its owner unless it is to be kept.
class PrivateLink {
public:
    static constexpr std::string_view kNearName = "xvs0";
    static constexpr std::string_view kFarName = "xvs1";

    // One that a killed daemon left behind is replaced.
    [[nodiscard]] static Result<PrivateLink> create();

    // One that an earlier daemon kept is taken over as it is, and made where there is none.
    [[nodiscard]] static Result<PrivateLink> find_or_create();

    // Removes what a daemon left behind.
    [[nodiscard]] static Status remove_leftover();

    // Whether an earlier daemon had made it.
    [[nodiscard]] bool was_found() const noexcept { return was_found_; }

    // It stays when its owner goes, or goes with it; one that was found stays unless told
    // otherwise.
    void keep(bool is_kept) noexcept { is_kept_ = is_kept; }

    PrivateLink(PrivateLink&& other) noexcept;
    PrivateLink& operator=(PrivateLink&&) = delete;
    PrivateLink(const PrivateLink&) = delete;
    PrivateLink& operator=(const PrivateLink&) = delete;
    ~PrivateLink();

    // Where the steering program sends packets to.
    [[nodiscard]] std::uint32_t near_ifindex() const noexcept { return near_; }

    // Where the engine reads them.
    [[nodiscard]] std::uint32_t far_ifindex() const noexcept { return far_; }

    [[nodiscard]] bool is_part(std::uint32_t ifindex) const noexcept {
        return ifindex == near_ || ifindex == far_;
    }

private:
    PrivateLink(std::uint32_t near, std::uint32_t far) noexcept : near_(near), far_(far) {}

    std::uint32_t near_ = 0;
    std::uint32_t far_ = 0;
    bool is_kept_ = false;
    bool was_found_ = false;
};

}  // namespace xvs::host
