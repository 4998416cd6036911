#include "model/validate.h"

#include <limits>

#include <fmt/format.h>

namespace xvs::model {

namespace {

constexpr std::uint32_t kMaxUpperThreshold = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kMaxPrefixLength = 128;

template <class Predicate, class Argument>
bool answers_yes(const Predicate& predicate, const Argument& argument) {
    return predicate && predicate(argument);
}

// Kernel: inet_addr_type() calls 0.0.0.0 and 255.255.255.255 broadcast.
bool is_unicast(const net::Ipv4Address& address) {
    return !address.is_unspecified() && !address.is_multicast() && address.value() != 0xffffffff;
}

// Kernel: ipv6_addr_type(); an IPv4-mapped address lacks the unicast bit.
bool is_unicast(const net::Ipv6Address& address) {
    static constexpr std::size_t kMappedPrefixSize = 12;
    bool mapped = true;
    for (std::size_t i = 0; i < kMappedPrefixSize; ++i) {
        const std::byte expected = i < kMappedPrefixSize - 2 ? std::byte{0} : std::byte{0xff};
        mapped = mapped && address.bytes()[i] == expected;
    }
    return !address.is_unspecified() && !address.is_multicast() && !mapped;
}

}  // namespace

ServiceKey canonical(const ServiceKey& key) {
    if (key.fwmark == 0) return key;
    ServiceKey mark;
    if (key.family() == net::Family::Ipv6) mark.address = net::Ipv6Address();
    mark.fwmark = key.fwmark;
    return mark;
}

Status check_access_rule(const AccessRule& rule) {
    if (!rule.service || rule.service->family() == rule.prefix.address.family()) return {};
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("cannot {}: it has no clients of that address family", rule.to_string()));
}

Status check_service(const VirtualService& service, const Surroundings& surroundings) {
    if (service.scheduler != kNoScheduler &&
        !answers_yes(surroundings.has_scheduler, service.scheduler)) {
        return fail(ErrorCode::NotFound,
                    fmt::format("service {}: there is no scheduler \"{}\"",
                                service.key.to_string(),
                                service.scheduler));
    }
    if (!service.persistence_engine.empty() &&
        !answers_yes(surroundings.has_persistence_engine, service.persistence_engine)) {
        return fail(ErrorCode::NotFound,
                    fmt::format("service {}: there is no persistence engine \"{}\"",
                                service.key.to_string(),
                                service.persistence_engine));
    }
    if (service.key.family() == net::Family::Ipv6 &&
        (service.persistence_mask < 1 || service.persistence_mask > kMaxPrefixLength)) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("service {}: the IPv6 persistence mask is a prefix length from 1 "
                                "to 128, not {}",
                                service.key.to_string(),
                                service.persistence_mask));
    }
    return {};
}

Status check_destination(net::Family service_family, const Destination& destination) {
    const std::string name = destination.real.to_string();
    if (destination.real.address.family() != service_family &&
        destination.method != ForwardingMethod::Tunnel) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("destination {}: another address family than the service's needs "
                                "a tunnel",
                                name));
    }
    if (destination.weight < 0) {
        return fail(ErrorCode::OutOfRange,
                    fmt::format("destination {}: weight {} is negative", name, destination.weight));
    }
    if (destination.lower_threshold > destination.upper_threshold) {
        return fail(ErrorCode::OutOfRange,
                    fmt::format("destination {}: the lower threshold {} is above the upper one, {}",
                                name,
                                destination.lower_threshold,
                                destination.upper_threshold));
    }
    if (destination.upper_threshold > kMaxUpperThreshold) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("destination {}: upper threshold {} is above {}",
                                name,
                                destination.upper_threshold,
                                kMaxUpperThreshold));
    }
    if (destination.tunnel.type == TunnelType::Gue && net::number(destination.tunnel.port) == 0) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("destination {}: a GUE tunnel needs a port", name));
    }
    return {};
}

Status check_real_address(const net::IpAddress& address, const Surroundings& surroundings) {
    if (answers_yes(surroundings.is_local, address)) return {};
    const bool acceptable =
        address.family() == net::Family::Ipv4
            ? is_unicast(address.v4()) && !answers_yes(surroundings.is_broadcast, address)
            : is_unicast(address.v6()) &&
                  (!address.v6().is_link_local() || address.v6().is_loopback());
    if (acceptable) return {};
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} is not an address that a real server can have: it must be unicast{}",
                    address.to_string(),
                    address.family() == net::Family::Ipv6 ? " and not link-local" : ""));
}

}  // namespace xvs::model
