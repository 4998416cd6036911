#include "control/netlink/codec.h"

#include <algorithm>
#include <array>

#include <sys/socket.h>

#include "base/byte_order.h"

namespace xvs::control::netlink {

namespace {

using namespace attribute;  // NOLINT(google-build-using-namespace): numbers only

constexpr std::size_t kMaxSchedulerName = 15;
constexpr std::size_t kMaxEngineName = 16;
constexpr std::uint32_t kMethodMask = 0x7;
constexpr std::uint16_t kMaxProtocol = 255;

tl::unexpected<Error> invalid(const char* what) {
    return fail(ErrorCode::InvalidArgument, std::string("netlink request: ") + what);
}

// In the order of the attributes' numbers.
std::array<std::uint64_t, 10> in_order(const model::Statistics& statistics) {
    const auto& counters = statistics.counters;
    const auto& rates = statistics.rates;
    return {counters.connections,
            counters.packets_in,
            counters.packets_out,
            counters.bytes_in,
            counters.bytes_out,
            rates.connections,
            rates.packets_in,
            rates.packets_out,
            rates.bytes_in,
            rates.bytes_out};
}

void write_key_attributes(MessageWriter& writer, const model::ServiceKey& key) {
    writer.put_u16(kServiceFamily, family_number(key.family()));
    if (key.fwmark != 0) {
        writer.put_u32(kServiceFwmark, key.fwmark);
        return;
    }
    writer.put_u16(kServiceProtocol, static_cast<std::uint16_t>(key.protocol));
    write_address(writer, kServiceAddress, key.address);
    writer.put_be16(kServicePort, net::number(key.port));
}

void write_service_settings(MessageWriter& writer,
                            const model::VirtualService& service,
                            std::uint32_t flags) {
    const std::array<std::uint32_t, 2> flags_and_mask{flags, ~std::uint32_t{0}};
    writer.put_string(kServiceScheduler, service.scheduler);
    if (!service.persistence_engine.empty()) {
        writer.put_string(kServicePersistenceEngine, service.persistence_engine);
    }
    writer.put_bytes(kServiceFlags, std::as_bytes(std::span(flags_and_mask)));
    writer.put_u32(kServiceTimeout, service.persistence_timeout_s);
    if (service.key.family() == net::Family::Ipv4) {
        writer.put_be32(kServiceNetmask, service.persistence_mask);
    } else {
        writer.put_u32(kServiceNetmask, service.persistence_mask);
    }
}

void write_destination_settings(MessageWriter& writer, const model::Destination& destination) {
    writer.put_u32(kDestinationMethod, static_cast<std::uint32_t>(destination.method));
    writer.put_u32(kDestinationWeight, static_cast<std::uint32_t>(destination.weight));
    writer.put_u8(kDestinationTunnelType, static_cast<std::uint8_t>(destination.tunnel.type));
    writer.put_be16(kDestinationTunnelPort, net::number(destination.tunnel.port));
    writer.put_u16(kDestinationTunnelFlags, destination.tunnel.flags);
    writer.put_u32(kDestinationUpperThreshold, destination.upper_threshold);
    writer.put_u32(kDestinationLowerThreshold, destination.lower_threshold);
}

void write_real(MessageWriter& writer, const net::Endpoint& real) {
    write_address(writer, kDestinationAddress, real.address);
    writer.put_be16(kDestinationPort, net::number(real.port));
}

}  // namespace

void write_statistics(MessageWriter& writer,
                      std::uint16_t narrow,
                      std::uint16_t wide,
                      const model::Statistics& statistics) {
    const auto values = in_order(statistics);
    // The older container: bytes have 64 bits, all else the lower 32.
    auto nest = writer.begin_nest(narrow);
    for (std::uint16_t i = 0; i < values.size(); ++i) {
        const auto number = static_cast<std::uint16_t>(i + 1);
        if (number == kBytesIn || number == kBytesOut) {
            writer.put_u64(number, values[i]);
        } else {
            writer.put_u32(number, static_cast<std::uint32_t>(values[i]));
        }
    }
    writer.end_nest(nest);
    nest = writer.begin_nest(wide);
    for (std::uint16_t i = 0; i < values.size(); ++i)
        writer.put_u64(static_cast<std::uint16_t>(i + 1), values[i]);
    writer.end_nest(nest);
}

model::Statistics read_statistics(Bytes wide) {
    const Attributes attributes(wide);
    const auto value = [&attributes](std::uint16_t number) {
        return attributes.u64(number).value_or(0);
    };
    return {.counters = {.connections = value(kConnections),
                         .packets_in = value(kPacketsIn),
                         .packets_out = value(kPacketsOut),
                         .bytes_in = value(kBytesIn),
                         .bytes_out = value(kBytesOut)},
            .rates = {.connections = value(kConnectionRate),
                      .packets_in = value(kPacketsInRate),
                      .packets_out = value(kPacketsOutRate),
                      .bytes_in = value(kBytesInRate),
                      .bytes_out = value(kBytesOutRate)}};
}

std::uint16_t family_number(net::Family family) noexcept {
    return family == net::Family::Ipv4 ? AF_INET : AF_INET6;
}

std::optional<net::Family> family_of(std::uint16_t number) noexcept {
    if (number == AF_INET) return net::Family::Ipv4;
    if (number == AF_INET6) return net::Family::Ipv6;
    return std::nullopt;
}

void write_address(MessageWriter& writer, std::uint16_t number, const net::IpAddress& address) {
    writer.put_bytes(number, address.bytes());
}

net::IpAddress read_address(Bytes bytes, net::Family family) {
    std::array<std::byte, net::Ipv6Address::kSize> padded{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), padded.size()), padded.begin());
    if (family == net::Family::Ipv4) return net::Ipv4Address::load(padded.data());
    return net::Ipv6Address(padded);
}

model::VirtualService ServiceSettings::service(const model::ServiceKey& key,
                                               const model::VirtualService& old) const {
    return {.key = key,
            .scheduler = scheduler,
            .flags = (old.flags & ~flags_mask) | (flags & flags_mask),
            .persistence_timeout_s = timeout_s,
            .persistence_mask = mask,
            .persistence_engine = persistence_engine,
            .clamps_mss = clamps_mss.value_or(old.clamps_mss)};
}

Result<model::ServiceKey> read_service_key(Bytes service) {
    const Attributes attributes(service);
    const auto family_attribute = attributes.u16(kServiceFamily);
    if (!family_attribute) return invalid("a service without an address family");
    const bool by_mark = attributes.has(kServiceFwmark);
    const auto mark = attributes.u32(kServiceFwmark);
    const auto protocol = attributes.u16(kServiceProtocol);
    const auto port = attributes.be16(kServicePort);
    if (by_mark ? !mark : !protocol || !port || !attributes.has(kServiceAddress)) {
        return invalid("a service without a firewall mark or protocol, address and port");
    }
    if (attributes.bytes(kServiceAddress).size() > net::Ipv6Address::kSize) {
        return invalid("a service address that is too long");
    }
    const auto family = family_of(*family_attribute);
    if (!family) return fail(ErrorCode::FamilyNotSupported);
    if (by_mark) {
        // A mark of zero is the service on TCP 0.0.0.0:0, as in the kernel.
        return model::ServiceKey{.address = read_address({}, *family), .fwmark = *mark};
    }
    if (*protocol > kMaxProtocol) return invalid("a protocol above 255");
    return model::ServiceKey{.protocol = static_cast<model::Protocol>(*protocol),
                             .address = read_address(attributes.bytes(kServiceAddress), *family),
                             .port = net::Port{*port}};
}

Result<ServiceSettings> read_service_settings(Bytes service, net::Family family) {
    const Attributes attributes(service);
    const auto scheduler = attributes.string(kServiceScheduler, kMaxSchedulerName);
    const Bytes flags = attributes.bytes(kServiceFlags);
    const auto timeout = attributes.u32(kServiceTimeout);
    const auto mask = family == net::Family::Ipv4 ? attributes.be32(kServiceNetmask)
                                                  : attributes.u32(kServiceNetmask);
    std::array<std::uint32_t, 2> flags_and_mask{};
    if (!scheduler || flags.size() < sizeof flags_and_mask || !timeout || !mask) {
        return invalid("a service without scheduler, flags, timeout or netmask");
    }
    std::copy_n(flags.begin(),
                sizeof flags_and_mask,
                std::as_writable_bytes(std::span(flags_and_mask)).begin());
    ServiceSettings settings{.scheduler = *scheduler,
                             .persistence_engine = {},
                             .flags = flags_and_mask[0],
                             .flags_mask = flags_and_mask[1],
                             .timeout_s = *timeout,
                             .mask = *mask,
                             .clamps_mss = {}};
    if (const auto clamps = attributes.u8(kServiceMssClamp)) settings.clamps_mss = *clamps != 0;
    if (attributes.has(kServicePersistenceEngine)) {
        auto engine = attributes.string(kServicePersistenceEngine, kMaxEngineName);
        if (!engine) return invalid("a persistence engine's name that is too long");
        settings.persistence_engine = *std::move(engine);
    }
    return settings;
}

Result<ServiceStatus> read_service_status(Bytes service) {
    const auto key = read_service_key(service);
    if (!key) return fail(key.error());
    const auto settings = read_service_settings(service, key->family());
    if (!settings) return fail(settings.error());
    ServiceStatus status;
    status.service = settings->service(*key, {});
    status.statistics = read_statistics(Attributes(service).bytes(kServiceStatistics64));
    return status;
}

Result<net::Endpoint> read_destination_key(Bytes destination, net::Family service_family) {
    const Attributes attributes(destination);
    const auto port = attributes.be16(kDestinationPort);
    const Bytes address = attributes.bytes(kDestinationAddress);
    if (!attributes.has(kDestinationAddress) || !port || address.size() > net::Ipv6Address::kSize) {
        return invalid("a destination without address and port");
    }
    const std::uint16_t number = attributes.u16(kDestinationFamily).value_or(0);
    const auto family = number == 0 ? service_family : family_of(number);
    if (!family) return fail(ErrorCode::FamilyNotSupported);
    return net::Endpoint{.address = read_address(address, *family), .port = net::Port{*port}};
}

Result<model::Destination> read_destination(Bytes destination, net::Family service_family) {
    auto real = read_destination_key(destination, service_family);
    if (!real) return fail(std::move(real).error());
    const Attributes attributes(destination);
    const auto method = attributes.u32(kDestinationMethod);
    const auto weight = attributes.u32(kDestinationWeight);
    const auto upper = attributes.u32(kDestinationUpperThreshold);
    const auto lower = attributes.u32(kDestinationLowerThreshold);
    if (!method || !weight || !upper || !lower) {
        return invalid("a destination without method, weight or thresholds");
    }
    // The kernel stores numbers that it then has no use for; XVS has no place for them.
    const std::uint32_t method_number = *method & kMethodMask;
    const std::uint8_t tunnel_type = attributes.u8(kDestinationTunnelType).value_or(0);
    if (method_number > static_cast<std::uint32_t>(model::ForwardingMethod::FullNat)) {
        return invalid("an unknown forwarding method");
    }
    if (tunnel_type > static_cast<std::uint8_t>(model::TunnelType::Gre)) {
        return invalid("an unknown tunnel type");
    }
    return model::Destination{
        .real = *real,
        .method = static_cast<model::ForwardingMethod>(method_number),
        .weight = static_cast<std::int32_t>(*weight),
        .upper_threshold = *upper,
        .lower_threshold = *lower,
        .tunnel = {.type = static_cast<model::TunnelType>(tunnel_type),
                   .port = net::Port{attributes.be16(kDestinationTunnelPort).value_or(0)},
                   .flags = attributes.u16(kDestinationTunnelFlags).value_or(0)}};
}

Result<DestinationStatus> read_destination_status(Bytes destination, net::Family service_family) {
    auto settings = read_destination(destination, service_family);
    if (!settings) return fail(std::move(settings).error());
    const Attributes attributes(destination);
    DestinationStatus status;
    status.destination = *settings;
    status.active_connections = attributes.u32(kDestinationActive).value_or(0);
    status.inactive_connections = attributes.u32(kDestinationInactive).value_or(0);
    status.persistent_connections = attributes.u32(kDestinationPersistent).value_or(0);
    status.statistics = read_statistics(attributes.bytes(kDestinationStatistics64));
    return status;
}

void write_service_key(MessageWriter& writer, const model::ServiceKey& key) {
    const auto nest = writer.begin_nest(kService);
    write_key_attributes(writer, key);
    writer.end_nest(nest);
}

void write_service(MessageWriter& writer, const model::VirtualService& service) {
    const auto nest = writer.begin_nest(kService);
    write_key_attributes(writer, service.key);
    write_service_settings(writer, service, service.flags);
    writer.put_u8(kServiceMssClamp, service.clamps_mss ? 1 : 0);
    writer.end_nest(nest);
}

void write_service_status(MessageWriter& writer, const ServiceStatus& status) {
    const auto nest = writer.begin_nest(kService);
    write_key_attributes(writer, status.service.key);
    write_service_settings(writer, status.service, status.service.flags | model::kServiceHashed);
    write_statistics(writer, kServiceStatistics, kServiceStatistics64, status.statistics);
    if (status.service.clamps_mss) writer.put_u8(kServiceMssClamp, 1);
    writer.end_nest(nest);
}

void write_destination_key(MessageWriter& writer, const net::Endpoint& real) {
    const auto nest = writer.begin_nest(kDestination);
    write_real(writer, real);
    writer.put_u16(kDestinationFamily, family_number(real.address.family()));
    writer.end_nest(nest);
}

void write_destination(MessageWriter& writer, const model::Destination& destination) {
    const auto nest = writer.begin_nest(kDestination);
    write_real(writer, destination.real);
    write_destination_settings(writer, destination);
    writer.put_u16(kDestinationFamily, family_number(destination.real.address.family()));
    writer.end_nest(nest);
}

void write_destination_status(MessageWriter& writer, const DestinationStatus& status) {
    const auto nest = writer.begin_nest(kDestination);
    write_real(writer, status.destination.real);
    write_destination_settings(writer, status.destination);
    writer.put_u32(kDestinationActive, status.active_connections);
    writer.put_u32(kDestinationInactive, status.inactive_connections);
    writer.put_u32(kDestinationPersistent, status.persistent_connections);
    writer.put_u16(kDestinationFamily, family_number(status.destination.real.address.family()));
    write_statistics(writer, kDestinationStatistics, kDestinationStatistics64, status.statistics);
    writer.end_nest(nest);
}

}  // namespace xvs::control::netlink
