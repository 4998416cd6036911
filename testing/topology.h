// The network that every scenario plays in; tests/scenario/README.md draws it.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "net/address.h"
#include "testing/literals.h"

namespace xvs::test {

// The two links of the director.
enum class Side : std::uint8_t { Client, Real };

inline constexpr std::array kSides{Side::Client, Side::Real};

inline constexpr std::uint32_t kDefaultMtu = 1500;

struct TestHost {
    std::string_view name;
    Side side = Side::Client;
    net::IpAddress v4;
    net::IpAddress v6;
    net::MacAddress mac;
};

struct DirectorLink {
    Side side = Side::Client;
    net::IpAddress v4;
    net::IpAddress v6;
    unsigned v4_prefix = 24;
    unsigned v6_prefix = 64;
    net::MacAddress mac;
};

namespace detail {

// Locally administered: side and number are the last two bytes.
constexpr net::MacAddress test_mac(unsigned side, unsigned number) {
    return net::MacAddress({std::byte{2},
                            std::byte{0},
                            std::byte{0},
                            std::byte{0},
                            static_cast<std::byte>(side),
                            static_cast<std::byte>(number)});
}

}  // namespace detail

namespace topology {

using namespace literals;  // NOLINT(google-build-using-namespace): literals only

inline constexpr std::array kDirectorLinks{
    DirectorLink{
        Side::Client, "198.51.100.1"_ip, "2001:db8:1::1"_ip, 24, 64, detail::test_mac(1, 1)},
    DirectorLink{Side::Real, "10.0.0.1"_ip, "2001:db8:2::1"_ip, 24, 64, detail::test_mac(2, 1)},
};

// On-link at the director, each known to it as a permanent neighbour.
inline constexpr std::array kHosts{
    TestHost{"client", Side::Client, "198.51.100.7"_ip, "2001:db8:1::7"_ip, detail::test_mac(1, 7)},
    TestHost{
        "client2", Side::Client, "198.51.100.8"_ip, "2001:db8:1::8"_ip, detail::test_mac(1, 8)},
    TestHost{
        "client3", Side::Client, "198.51.100.9"_ip, "2001:db8:1::9"_ip, detail::test_mac(1, 9)},
    TestHost{"real1", Side::Real, "10.0.0.11"_ip, "2001:db8:2::11"_ip, detail::test_mac(2, 0x11)},
    TestHost{"real2", Side::Real, "10.0.0.12"_ip, "2001:db8:2::12"_ip, detail::test_mac(2, 0x12)},
    TestHost{"real3", Side::Real, "10.0.0.13"_ip, "2001:db8:2::13"_ip, detail::test_mac(2, 0x13)},
    TestHost{"real4", Side::Real, "10.0.0.14"_ip, "2001:db8:2::14"_ip, detail::test_mac(2, 0x14)},
};

// On-link as well, but nobody answers for them.
inline constexpr std::array kAbsentHosts{
    TestHost{"nobody", Side::Client, "198.51.100.99"_ip, "2001:db8:1::99"_ip, {}},
    TestHost{"nobody", Side::Real, "10.0.0.99"_ip, "2001:db8:2::99"_ip, {}},
};

// Addresses of the director's own beside those of its links.
inline constexpr std::array kVips{
    "192.0.2.1"_ip, "192.0.2.2"_ip, "2001:db8::1"_ip, "2001:db8::2"_ip};

}  // namespace topology

// The director itself, as a scenario names its network stack.
inline constexpr std::string_view kDirectorHost = "host";

[[nodiscard]] constexpr const TestHost* find_host(std::string_view name) noexcept {
    for (const TestHost& host : topology::kHosts) {
        if (host.name == name) return &host;
    }
    return nullptr;
}

[[nodiscard]] constexpr const TestHost* find_host(const net::MacAddress& mac) noexcept {
    for (const TestHost& host : topology::kHosts) {
        if (host.mac == mac) return &host;
    }
    return nullptr;
}

[[nodiscard]] constexpr const DirectorLink& director_link(Side side) noexcept {
    return topology::kDirectorLinks[side == Side::Client ? 0 : 1];
}

}  // namespace xvs::test
