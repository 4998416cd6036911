// Services of an earlier daemon: their real servers wait, as removed ones do, until they are added
// again, and keep their connections and counts meanwhile.
#include <algorithm>
#include <array>

#include "base/byte_order.h"
#include "engine/lookup/services.h"
#include "engine/ticks.h"

namespace xvs::engine {
namespace {

net::IpAddress load_address(std::uint8_t family, const std::uint8_t (&bytes)[16]) noexcept {
    std::array<std::byte, 16> address;
    std::copy_n(reinterpret_cast<const std::byte*>(bytes), sizeof(bytes), address.begin());
    return family == static_cast<std::uint8_t>(net::Family::Ipv4)
               ? net::IpAddress(net::Ipv4Address::load(address.data()))
               : net::IpAddress(net::Ipv6Address(address));
}

net::Port load_port(std::uint16_t wire) noexcept {
    return net::Port{from_wire16(wire)};
}

}  // namespace

void Services::adopt() {
    flow::ServiceRecords& records = tables_.services();
    for (std::uint32_t index = 0; index < records.used(); ++index) {
        if (!records.is_used(index)) continue;
        const xvs_service& record = records[index];
        const model::ServiceKey key =
            model::canonical({.protocol = static_cast<model::Protocol>(record.protocol),
                              .address = load_address(record.family, record.address),
                              .port = load_port(record.port),
                              .fwmark = record.fwmark});
        // Two of one key cannot be: of a damaged pair the first stays.
        if (!adopted_.emplace(key, index).second) records.free(index);
    }
    for (std::uint32_t index = 0; index < tables_.destinations().used(); ++index) {
        if (tables_.destinations().is_used(index)) adopt_destination(index);
    }
}

void Services::adopt_destination(std::uint32_t index) {
    const xvs_destination& record = tables_.destinations()[index];
    while (destinations_.size() <= index)
        destinations_.emplace_back();
    DestinationState& destination = destinations_[index];
    destination.index = index;
    destination.config.real = {load_address(record.family, record.address), load_port(record.port)};
    destination.config.method = static_cast<model::ForwardingMethod>(record.method);
    destination.service_key =
        model::canonical({.protocol = static_cast<model::Protocol>(record.virtual_protocol),
                          .address = load_address(record.virtual_family, record.virtual_address),
                          .port = load_port(record.virtual_port),
                          .fwmark = record.virtual_fwmark});
    destination.lock = &locks_.of(destination.service_key);
    destination.is_adopted = (record.flags & XVS_DESTINATION_AVAILABLE) != 0;
    destination.is_available = destination.is_bypass();
    tables_.translations().suspend(index, !destination.is_adopted);
    destination.is_overloaded = (record.flags & XVS_DESTINATION_OVERLOADED) != 0;
    destination.idle_since_tick = to_tick(clock_.now());
    destination.estimated_from = raw(destination);
    if (!destination.is_bypass()) learn_address(destination.config.real.address);
    if (destination.service_key.fwmark == 0) {
        learn_address(destination.service_key.address);
    } else {
        learn_all_addresses();
    }
    trash_.emplace(destination.config.real, index);
}

void Services::adopt_connection(DestinationState& destination, bool is_active, bool has_replies) {
    ++destination.total_connections;
    if (is_active) ++destination.active_connections;
    if (has_replies) steer_replies(destination, true);
}

void Services::adopt_template(DestinationState& destination) noexcept {
    ++destination.persistent_connections;
}

void Services::finish_adoption() {
    for (DestinationState& destination : destinations_) {
        if (!destination.is_adopted) continue;
        destination.is_adopted = false;
        if (destination.is_bypass()) continue;
        make_unavailable(destination);
        const ServiceState* service = find(destination.service_key);
        const bool is_of_it = service != nullptr &&
                              tables_.destination_totals(destination.index).service_generation ==
                                  generation_of(*service);
        if (is_of_it) absorb(tables_.service_totals(service->index).absorbed, destination);
    }
    for (const auto& [key, index] : adopted_)
        tables_.services().free(index);
    has_turned_ |= !adopted_.empty();
    adopted_.clear();
}

}  // namespace xvs::engine
