// Which services have a stock of decisions, and when it is void.
#include "engine/lookup/services.h"

namespace xvs::engine {
namespace {

constexpr net::Port kFtpPort{21};

}  // namespace

void Services::attach_stock(ServiceState& service) {
    const model::ServiceKey& key = service.config.key;
    const bool is_of_ports =
        key.protocol == model::Protocol::Tcp || key.protocol == model::Protocol::Udp;
    if (stock_depths_.turns == 0 || key.fwmark != 0 || !is_of_ports || key.port == net::Port{0})
        return;
    if (key.protocol == model::Protocol::Tcp && key.port == kFtpPort) return;
    const std::uint32_t stock = tables_.stocks().allocate();
    if (stock == XVS_NONE) return;
    service.stock.attach(tables_.stocks(), stock, stock_depths_, key);
    service.stock.set_twin(make_scheduler(service.config.scheduler, scheduler_parts()));
    steering_.add_stock(key, stock);
}

// Whatever has to see each new connection itself goes without.
bool Services::may_stock(const ServiceState& service) const noexcept {
    constexpr std::uint32_t kNeedsPacket = model::kServicePersistent | model::kServiceOnePacket;
    if (!service.stock.is_attached() || !service.scheduler) return false;
    if ((service.config.flags & kNeedsPacket) != 0 || service.access) return false;
    // Programs put DF outside as it is inside, refuse no stray replies, and drop nothing on demand.
    return sysctls_.pmtu_disc != 0 && sysctls_.nat_icmp_send == 0 && sysctls_.drop_packet == 0 &&
           sysctls_.drop_entry == 0 && sysctls_.secure_tcp == 0;
}

void Services::end_stock(ServiceState& service) noexcept {
    service.stock.end(service.scheduler.get(), service.destinations, tables_.translations());
}

void Services::end_stocks() noexcept {
    for (ServiceState* service : order_)
        end_stock(*service);
}

void Services::end_aged_stocks() noexcept {
    for (ServiceState* service : order_) {
        if (service->stock.ages()) end_stock(*service);
    }
}

void Services::release_translation(DestinationState& destination) noexcept {
    for (std::uint32_t* each : {&destination.translation, &destination.reply_translation}) {
        if (*each != XVS_NONE) tables_.translations().release(*each);
        *each = XVS_NONE;
    }
}

void Services::set_reply_translation(DestinationState& destination,
                                     std::uint32_t translation) noexcept {
    const SharingLock lock(*destination.lock);
    const std::uint32_t former = std::exchange(destination.reply_translation, translation);
    if (former != XVS_NONE) tables_.translations().release(former);
}

}  // namespace xvs::engine
