// Steering: the seam by which the engine says which packets are to be brought to it.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "flow/access_list.h"
#include "flow/mark_rule.h"
#include "model/virtual_service.h"
#include "net/address.h"

namespace xvs::engine {

// Every call is idempotent unless it says otherwise; errors (a full map) are the implementation's
// to report, once, in the log. Thread: whoever edits services, under the gates of all workers.
class Steering {
public:
    Steering() = default;
    Steering(const Steering&) = delete;
    Steering& operator=(const Steering&) = delete;
    virtual ~Steering() = default;

    // Packets to this protocol, VIP and port, if the VIP is local when they come.
    virtual void add_service(const model::ServiceKey& key) = 0;
    virtual void remove_service(const model::ServiceKey& key) = 0;

    // Of a service that was added: its stock of decisions, by number.
    virtual void add_stock(const model::ServiceKey& key, std::uint32_t stock) = 0;

    // Packets from this NAT destination to an address that is not local; and, where the destination
    // is an address of this host's own, those that leave the host (XVS_REASON_EGRESS). Counted: as
    // many removals as additions take it out.
    virtual void add_nat_source(model::Protocol protocol, const net::Endpoint& real) = 0;
    virtual void remove_nat_source(model::Protocol protocol, const net::Endpoint& real) = 0;

    // Fragments to or from this address: a VIP, or a NAT destination. Counted.
    virtual void add_address(const net::IpAddress& address) = 0;
    virtual void remove_address(const net::IpAddress& address) = 0;

    // Packets of live flows from and to any address, from here on.
    virtual void remember_everyone() = 0;

    // TCP packets of no flow, to a local address, whose sender is awaited there from any port (an
    // entry with port 0), if there is any such entry now. Thread: any worker.
    virtual void await_clients(bool is_any) noexcept = 0;

    // Packets that these rules give a mark, whether or not their destination is local. They take
    // the place of those before.
    virtual void set_mark_rules(std::span<const xvs_mark_rule> rules) = 0;

    // Which clients' packets need not be brought, but are dropped: a prefix of a list with an
    // XVS_ACCESS_* action, and the list itself, of `service` or, without one, of all or of a
    // firewall mark's; one without prefixes is none. OutOfMemory.
    virtual Status set_access_prefix(const xvs_access_key& key, std::uint32_t action) = 0;
    virtual void remove_access_prefix(const xvs_access_key& key) = 0;
    virtual Status set_access_list(std::uint32_t number,
                                   const model::ServiceKey* service,
                                   const xvs_access_list& list) = 0;
};

}  // namespace xvs::engine
