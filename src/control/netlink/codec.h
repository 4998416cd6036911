// Services, destinations and statistics as attributes, both ways: xvsd reads requests and writes
// replies, clients write requests and read replies. Kernel: ip_vs_genl_parse_service() and the
// functions around it.
#pragma once

#include <optional>

#include "base/result.h"
#include "control/netlink/wire.h"
#include "control/service_manager.h"

namespace xvs::control::netlink {

// What a request says of a service beyond its key.
struct ServiceSettings {
    std::string scheduler;
    std::string persistence_engine;
    std::uint32_t flags = 0;
    std::uint32_t flags_mask = 0;
    std::uint32_t timeout_s = 0;
    std::uint32_t mask = 0;          // as VirtualService::persistence_mask
    std::optional<bool> clamps_mss;  // clients that know IPVS alone do not say

    // Returns the service that a request asks for. What it does not say is `old`'s, that of the
    // present one or a blank one.
    [[nodiscard]] model::VirtualService service(const model::ServiceKey& key,
                                                const model::VirtualService& old) const;
};

// Of the attribute SERVICE, an empty nest included: InvalidArgument for what is missing or too
// short, FamilyNotSupported.
[[nodiscard]] Result<model::ServiceKey> read_service_key(Bytes service);
[[nodiscard]] Result<ServiceSettings> read_service_settings(Bytes service, net::Family family);
[[nodiscard]] Result<ServiceStatus> read_service_status(Bytes service);

// Of the attribute DESTINATION. A family of zero, or none, is the service's.
[[nodiscard]] Result<net::Endpoint> read_destination_key(Bytes destination,
                                                         net::Family service_family);
[[nodiscard]] Result<model::Destination> read_destination(Bytes destination,
                                                          net::Family service_family);
[[nodiscard]] Result<DestinationStatus> read_destination_status(Bytes destination,
                                                                net::Family service_family);

void write_service_key(MessageWriter& writer, const model::ServiceKey& key);
void write_service(MessageWriter& writer, const model::VirtualService& service);
void write_service_status(MessageWriter& writer, const ServiceStatus& status);
void write_destination_key(MessageWriter& writer, const net::Endpoint& real);
void write_destination(MessageWriter& writer, const model::Destination& destination);
void write_destination_status(MessageWriter& writer, const DestinationStatus& status);

// Both containers of the same counts and rates; the wide one is enough to read them.
void write_statistics(MessageWriter& writer,
                      std::uint16_t narrow,
                      std::uint16_t wide,
                      const model::Statistics& statistics);
[[nodiscard]] model::Statistics read_statistics(Bytes wide);

// The address in 16 bytes, as all clients expect of either family.
void write_address(MessageWriter& writer, std::uint16_t number, const net::IpAddress& address);
// Missing bytes are zero, as moby sends four for IPv4.
[[nodiscard]] net::IpAddress read_address(Bytes bytes, net::Family family);

// AF_INET or AF_INET6 as numbers on the wire.
[[nodiscard]] std::uint16_t family_number(net::Family family) noexcept;
[[nodiscard]] std::optional<net::Family> family_of(std::uint16_t number) noexcept;

}  // namespace xvs::control::netlink
