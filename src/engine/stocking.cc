// Decisions made ahead of time: what is put into stocks for programs in the kernel, and drawn from
// them for packets that came to the engine all the same.
#include <algorithm>

#include "engine/pipeline.h"

namespace xvs::engine {

// With the service's lock held. Returns nullptr where the scheduler itself is to decide: nothing is
// stocked then.
template <class Ip>
DestinationState* Pipeline<Ip>::draw(ServiceState& service) noexcept {
    if (!service.stock.is_attached()) return nullptr;
    // Before it draws: what is drawn here counts for nothing until it is a connection.
    if (!service.stock.is_open() || service.stock.is_low()) {
        restock(service);
    } else {
        service.stock.watch();
    }
    if (service.stock.is_by_client()) {
        if (service.stock.is_spent()) parts_.services.end_stock(service);
        return nullptr;
    }
    DestinationState* const destination = service.stock.draw(parts_.tables.translations());
    if (destination == nullptr && service.stock.is_open()) parts_.services.end_stock(service);
    return destination;
}

template <class Ip>
void Pipeline<Ip>::restock(ServiceState& service) noexcept {
    if (!parts_.tables.has_open_stocks() || !parts_.services.may_stock(service)) return;
    // An assistant reads connections from their first packet on.
    const model::ServiceKey& key = service.config.key;
    if (parts_.assistances.find_for(key.protocol, key.port) != nullptr) return;
    if (!service.stock.prepare(
            *service.scheduler, service.destinations, service.config.flags, now_))
        return;
    std::uint32_t left = std::min(service.stock.room(service.destinations), affordable());
    if (left == 0) return;
    ServiceStock::Deciding deciding(service.stock, *service.scheduler, service.destinations);
    for (; left > 0; --left) {
        DestinationState* const destination = deciding.decide();
        if (destination == nullptr) return;
        deciding.put(decide(service, *destination), *destination);
    }
}

// Whatever is stocked finds a record when it is drawn, and leaves some to whoever comes to the
// engine.
template <class Ip>
std::uint32_t Pipeline<Ip>::affordable() noexcept {
    const flow::ConnectionTable<Ip>& records = parts_.tables.template connections<Ip>();
    const std::uint32_t free = records.capacity() - std::min(records.capacity(), records.size());
    const std::uint32_t stocked =
        parts_.tables.stocks().outstanding().of(static_cast<std::uint8_t>(Ip::kFamily));
    return free / 4 > stocked ? free / 4 - stocked : 0;
}

// A decision that a program cannot carry out has no translation.
template <class Ip>
xvs_decision Pipeline<Ip>::decide(const ServiceState& service,
                                  DestinationState& destination) noexcept {
    using Address = typename Ip::Address;
    xvs_decision decision{};
    decision.inbound = decision.outbound = XVS_NONE;
    const model::ServiceKey& key = service.config.key;
    const model::ForwardingMethod method = destination.config.method;
    if (method == model::ForwardingMethod::Tunnel && service.config.clamps_mss) return decision;
    const auto inbound = flow::FlowKey<Ip>::make({},
                                                 net::Port{0},
                                                 key.address.as<Address>(),
                                                 key.port,
                                                 static_cast<std::uint8_t>(key.protocol));
    flow::TranslationTable& translations = parts_.tables.translations();
    const std::uint32_t translation = translation_for(destination, inbound);
    if (translation == XVS_NONE) return decision;
    const bool is_nat = method == model::ForwardingMethod::Masquerade;
    const xvs_translation& written = translations[translation];
    const bool is_engines = (written.rewrite & XVS_TO_HOST) != 0 || written.tunnel != 0;
    const bool is_identity = destination.config.real.address == key.address &&
                             real_port(destination, key.port) == key.port;
    if (is_engines || (is_nat && is_identity)) {
        translations.release(translation);
        return decision;
    }
    decision.inbound = translation;
    decision.has_outbound = is_nat ? 1 : 0;
    if (is_nat && destination.reply_translation != XVS_NONE) {
        translations.add_reference(destination.reply_translation);
        decision.outbound = destination.reply_translation;
    }
    connections_.fill_masks(decision, key.protocol, method);
    return decision;
}

template <class Ip>
flow::SlotIndex Pipeline<Ip>::find_live(const Packet<Ip>& packet) noexcept {
    constexpr unsigned kTries = 64;
    for (unsigned tries = 0; tries < kTries; ++tries) {
        const flow::SlotIndex slot = flows_.find(packet.key, packet.hash);
        if (slot == XVS_NONE || !flows_.is_drawn(slot) || is_of_other(slot)) return slot;
        // What came before on other CPUs may have been reported; its own report is behind its
        // entries. Meanwhile another CPU may have begun the next one in the place of this.
        parts_.reports.follow_all();
        if (flows_.is_drawn(slot) && connections_.complete(slot)) return slot;
    }
    return XVS_NONE;
}

template <class Ip>
void Pipeline<Ip>::restock_low() noexcept {
    while (ServiceState* const service = connections_.take_low_service()) {
        const SharingLock lock(*service->lock);
        service->stock.is_waiting = false;
        restock(*service);
    }
}

// A reply of NAT has found its way: programs take the same for further connections of the client,
// and the next decisions have a translation for it.
template <class Ip>
void Pipeline<Ip>::learn_reply_way(const flow::FlowKey<Ip>& inbound,
                                   DestinationState& destination,
                                   std::uint32_t translation) noexcept {
    if (!parts_.tables.has_open_stocks()) return;
    const flow::TranslationTable& translations = parts_.tables.translations();
    const auto way = translations.way(translation);
    if (way.next_hop == XVS_NONE) return;
    parts_.tables.client_ways().remember(inbound, way.next_hop, way.generation);
    const bool is_of_service = destination.service_key.fwmark == 0 &&
                               inbound.destination_port_number() == destination.service_key.port;
    const bool is_nat = destination.config.method == model::ForwardingMethod::Masquerade;
    if (!is_of_service || !is_nat || destination.reply_translation == translation) return;
    parts_.tables.translations().add_reference(translation);
    parts_.services.set_reply_translation(destination, translation);
}

template class Pipeline<flow::Ipv4>;
template class Pipeline<flow::Ipv6>;

}  // namespace xvs::engine
