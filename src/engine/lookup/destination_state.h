// DestinationState: a real server of a running service, and the list that holds them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/sharing_mutex.h"
#include "flow/layout.h"
#include "model/counters.h"
#include "model/destination.h"
#include "model/virtual_service.h"

namespace xvs::engine {

struct ServiceState;

struct DestinationState {
    model::Destination config;
    std::uint32_t index = XVS_NONE;  // of its record and its counters in the shared tables
    SharingMutex* lock = nullptr;    // its service's, which outlives it: for what is no setting
    bool is_available = false;       // configured; false while it only waits for its connections
    bool is_overloaded = false;      // at its upper threshold
    bool is_nat_source = false;      // its replies are steered to the engine
    bool is_nat_server = false;      // known as one by its address and port

    // The translation of its newest connection's requests, with a reference of its own.
    std::uint32_t translation = XVS_NONE;
    std::uint32_t way_asked_at_tick = 0;  // when the way there was looked up last
    // The same of its newest replies from the service's port, of NAT: the way of most clients.
    std::uint32_t reply_translation = XVS_NONE;

    // Connections bound to it; total includes active. Templates count apart.
    std::uint32_t active_connections = 0;
    std::uint32_t total_connections = 0;
    std::uint32_t persistent_connections = 0;
    // Decisions for it that were put into a stock, and that no connection is known of yet.
    std::uint32_t stocked_connections = 0;
    std::uint32_t stock_share = XVS_NO_SHARE;  // which share of its service's stock they are in

    model::Counters estimated_from;   // counters at the last estimate
    model::Rates scaled_rates;        // fixed point, see estimator.h
    std::uint64_t number = 0;         // in the order they were added; never used twice
    std::uint64_t created = 0;        // likewise, but stays over removal and revival
    std::int32_t last_weight = 0;     // the last one above 0, if there was one since it was added
    ServiceState* service = nullptr;  // nullptr: removed
    model::ServiceKey service_key;    // also of the service it was removed from
    bool is_adopted = false;  // configured when an earlier daemon ended, not yet by this one
    std::uint32_t idle_since_tick = 0;  // while removed and without connections

    DestinationState* next = nullptr;
    DestinationState* previous = nullptr;

    [[nodiscard]] std::uint32_t inactive_connections() const noexcept {
        return total_connections - active_connections;
    }

    // Whether it stands for no real server: its connections go where their clients wanted. They are
    // the service's in no count, and stay when it goes.
    [[nodiscard]] bool is_bypass() const noexcept {
        return config.method == model::ForwardingMethod::Bypass &&
               config.real.address.is_unspecified();
    }

    // Returns whether a scheduler may choose it. Kernel: every scheduler asks the same two.
    [[nodiscard]] bool is_eligible() const noexcept { return config.weight > 0 && !is_overloaded; }
};

// Returns the port that a packet to `virtual_port` goes to: the real server's own if it has one and
// the packet came to the service's port (or by firewall mark), else the packet's. Kernel:
// ip_vs_schedule(), ip_vs_sched_persist().
[[nodiscard]] inline net::Port real_port(const DestinationState& destination,
                                         net::Port virtual_port) noexcept {
    const model::ServiceKey& service = destination.service_key;
    const net::Port own = destination.config.real.port;
    const bool is_for_own = service.fwmark != 0 || service.port == virtual_port;
    return is_for_own && own != net::Port{0} ? own : virtual_port;
}

// The same of a connection with an XVS_ROLE_*: one that an assistant expected goes to the port that
// was agreed on, whatever port the real server has. Kernel: ip_vs_ftp.c.
[[nodiscard]] inline net::Port real_port(const DestinationState& destination,
                                         net::Port virtual_port,
                                         std::uint8_t role) noexcept {
    if (role == XVS_ROLE_PASSIVE_DATA) return virtual_port;
    if (role != XVS_ROLE_ACTIVE_DATA) return real_port(destination, virtual_port);
    const auto of_control =
        net::number(real_port(destination, net::Port(net::number(virtual_port) + 1)));
    return net::Port(of_control - 1);
}

// The real servers of a service in IPVS's order: the newest first. Owns nothing.
class DestinationList {
public:
    [[nodiscard]] DestinationState* first() const noexcept { return first_; }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    // Returns the one after `destination`, the first one after nullptr, nullptr at the end.
    [[nodiscard]] DestinationState* after(const DestinationState* destination) const noexcept {
        return destination == nullptr ? first_ : destination->next;
    }

    void push_front(DestinationState& destination) noexcept {
        destination.previous = nullptr;
        destination.next = first_;
        if (first_ != nullptr) first_->previous = &destination;
        first_ = &destination;
        ++size_;
    }

    void remove(DestinationState& destination) noexcept {
        if (destination.previous != nullptr) {
            destination.previous->next = destination.next;
        } else {
            first_ = destination.next;
        }
        if (destination.next != nullptr) destination.next->previous = destination.previous;
        destination.next = nullptr;
        destination.previous = nullptr;
        --size_;
    }

private:
    DestinationState* first_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace xvs::engine
