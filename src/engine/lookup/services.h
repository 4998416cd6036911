// Services: the virtual services as they run, with their real servers, schedulers and counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/defend/access_lists.h"
#include "engine/lookup/address_filter.h"
#include "engine/lookup/destination_state.h"
#include "engine/lookup/estimator.h"
#include "engine/lookup/mark_rules.h"
#include "engine/lookup/service_locks.h"
#include "engine/lookup/service_stock.h"
#include "engine/router.h"
#include "engine/schedule/scheduler.h"
#include "engine/steering.h"
#include "flow/tables.h"
#include "model/access_rule.h"
#include "model/counters.h"
#include "model/sysctls.h"
#include "model/validate.h"
#include "model/virtual_service.h"

namespace xvs::engine {

struct EndpointHash {
    std::size_t operator()(const net::Endpoint& endpoint) const noexcept {
        return std::hash<net::IpAddress>{}(endpoint.address) ^
               (std::size_t{net::number(endpoint.port)} * 0x9e3779b97f4a7c15U);
    }
};

struct ServiceState {
    model::VirtualService config;
    std::uint32_t index = XVS_NONE;  // of its record in the shared tables
    SharingMutex* lock = nullptr;    // held by who schedules, and by whose connections come and go
    DestinationList destinations;
    DestinationState* bypass = nullptr;    // not among them; only of firewall marks: cache_bypass
    std::unique_ptr<Scheduler> scheduler;  // nullptr: "none", which schedules nothing
    std::unique_ptr<AccessList> access;    // nullptr: it has no list of its own
    ServiceStock stock;                    // the scheduler's next decisions
    std::map<net::Endpoint, DestinationState*> by_endpoint;  // a hash table would grow in leaps
    std::uint64_t number = 0;        // in the order they were added; never used twice
    model::Counters sampled;         // what its real servers have counted until they were looked at
    model::Counters estimated_from;  // `sampled` at the last estimate
    model::Rates scaled_rates;
};

// How far the sum of all real servers there have been has come.
struct TotalListing {
    std::uint32_t next = 0;   // record
    std::uint32_t freed = 0;  // Services::freed_ when it was begun
    unsigned restarts = 0;
    model::Counters sum;
};

// How far a listing of services has come, and what is known of the one that is being summed up.
struct ServiceListing {
    std::uint64_t listed = 0;  // ServiceState::number of the last one
    std::uint64_t summed = 0;  // of the one in hand
    std::uint32_t epoch = 0;   // of its record when that was begun
    unsigned restarts = 0;
    model::DestinationPlace place;
    model::Counters sum;
};

struct ServiceKeyHash {
    std::size_t operator()(const model::ServiceKey& key) const noexcept;
};

// A removed real server is remembered this long after its last connection, and revived with its
// counts when it is added again. Kernel: IP_VS_DEST_TRASH_PERIOD.
inline constexpr std::chrono::seconds kTrashPeriod{120};

// Thread: under the gates of all workers, but for what is said to be a worker's. Nothing allocates
// but add_*() and edit_*().
class Services {
public:
    // All of them must outlive it.
    Services(flow::Tables& tables,
             Steering& steering,
             Router& router,
             const model::Sysctls& sysctls,
             const Clock& clock);

    // Errors as the kernel's: ip_vs_ctl.c. A call that fails has changed nothing.
    Status add_service(const model::VirtualService& wanted);
    Status edit_service(const model::VirtualService& wanted);
    Status remove_service(const model::ServiceKey& key);
    void flush();
    Status add_destination(const model::ServiceKey& key, const model::Destination& wanted);
    Status edit_destination(const model::ServiceKey& key, const model::Destination& wanted);
    Status remove_destination(const model::ServiceKey& key, const net::Endpoint& real);

    // Returns the service that a packet with a firewall mark (0: none) to `vip`:`port` belongs to,
    // or nullptr. Kernel: ip_vs_service_find(): the mark, then the exact port, then for FTP's data
    // port 21, then port 0.
    // Cost: one hash look-up, more only where such services exist. Thread: a worker.
    [[nodiscard]] ServiceState* find_for_packet(std::uint32_t fwmark,
                                                model::Protocol protocol,
                                                const net::IpAddress& vip,
                                                net::Port port) noexcept;

    // As long as it is the same, find_for_packet() returns the same. Never 0. Thread: a worker.
    [[nodiscard]] std::uint32_t edition() const noexcept { return edition_; }

    [[nodiscard]] ServiceState* find(const model::ServiceKey& key) noexcept;
    [[nodiscard]] const ServiceState* find(const model::ServiceKey& key) const noexcept;

    // Whether a NAT real server of some service sends from there. Kernel: ip_vs_has_real_service().
    [[nodiscard]] bool is_nat_server(model::Protocol protocol,
                                     const net::Endpoint& source) const noexcept;

    // Whether there is a service of that family, or may be: those of an earlier daemon wait to be
    // added again. Without any, all its packets are the host's, those of connections too. Kernel:
    // ip_vs_unregister_hooks(). Thread: a worker, as well.
    [[nodiscard]] bool serves(net::Family family) const noexcept {
        return services_of(family) != 0 || !adopted_.empty();
    }

    // Returns whether that has changed for some family since the last call.
    [[nodiscard]] bool take_turned() noexcept { return std::exchange(has_turned_, false); }

    // Returns whether connections of a removed real server are to end since the last call.
    [[nodiscard]] bool take_orphaned() noexcept { return std::exchange(has_orphaned_, false); }

    [[nodiscard]] DestinationState& destination(std::uint32_t index) noexcept {
        return destinations_[index];
    }

    [[nodiscard]] const DestinationState& destination(std::uint32_t index) const noexcept {
        return destinations_[index];
    }

    // Whoever was added before by an earlier daemon and is not wanted any more has gone, from here
    // on; to be called once what is wanted has been added again.
    void finish_adoption();

    // An adopted connection is bound to `destination`; REQUIRES: it is not added yet.
    void adopt_connection(DestinationState& destination, bool is_active, bool has_replies);
    void adopt_template(DestinationState& destination) noexcept;

    // A connection was scheduled to it. Thread: a worker.
    void count_connection(const DestinationState& destination) noexcept {
        auto& connections = tables_.destination_totals(destination.index).connections;
        if (locks_.is_shared()) {
            flow::add_relaxed(connections, __u64{1});
        } else {
            ++connections;
        }
    }

    // Services that are added from here on get a stock of so many decisions each, as long as there
    // are stocks.
    void set_stock_depths(const ServiceStock::Depths& depths) noexcept { stock_depths_ = depths; }

    // Whether what a service is, and what is set, allow that its decisions are made ahead of time.
    [[nodiscard]] bool may_stock(const ServiceState& service) const noexcept;

    // Voids what is stocked for a service: its scheduler stands where it would without. To be
    // called before anything that decisions depend on changes. Thread: a worker with the service's
    // lock.
    void end_stock(ServiceState& service) noexcept;

    // The same of all services.
    void end_stocks() noexcept;

    // The same of those whose decisions compare counts: to be called now and then, so that none is
    // old. Cost: a look at each service.
    void end_aged_stocks() noexcept;

    // Makes `translation`, with a reference that passes, the one of a real server's newest
    // replies. Thread: a worker.
    void set_reply_translation(DestinationState& destination, std::uint32_t translation) noexcept;

    // Several workers are to use the services. REQUIRES: none has begun.
    void share() noexcept { locks_.share(); }

    // To be called when cache_bypass is set: firewall-mark services can send on what no real server
    // takes from here on. OutOfMemory where there is no room for another destination.
    Status prepare_bypass();

    // Which packets get which firewall mark; tells the steering as well.
    void set_mark_rules(std::span<const xvs_mark_rule> rules);

    [[nodiscard]] const MarkRules& mark_rules() const noexcept { return mark_rules_; }

    // Which clients are served: NoSuchService, and as AccessLists. A service's list goes with it;
    // that for all stays.
    Status add_access_rule(const model::AccessRule& rule);
    Status remove_access_rule(const model::AccessRule& rule);

    // Thread: a worker.
    [[nodiscard]] const AccessLists& access_lists() const noexcept { return access_; }

    // Holds every address that a packet of a service or a connection comes from or goes to. Thread:
    // a worker.
    [[nodiscard]] const AddressFilter& addresses() const noexcept { return addresses_; }

    // A connection comes to, or goes from, a real server; an active one counts as ActiveConn.
    // Thresholds are watched here. Kernel: ip_vs_bind_dest(), ip_vs_unbind_dest(). Thread: a worker
    // with the real server's lock, as for the next.
    void bind(DestinationState& destination, bool is_active) noexcept;
    void unbind(DestinationState& destination, bool is_active) noexcept;

    // A persistence template goes.
    void unbind_template(DestinationState& destination) noexcept;

    // Removes real servers of a service, at most `limit`; returns whether some are left.
    bool remove_destinations(const model::ServiceKey& key, std::size_t limit);

    // Frees real servers that were removed kTrashPeriod ago and have no connection left. Goes on
    // from where the last call left off; returns false when it has been through all.
    bool empty_trash();

    // Moves the rates whose turn has come by `elapsed`, which goes from 0 to kEstimatePeriod and
    // then begins anew; each real server's turn is at the same moment of every period, and those of
    // services at its end. Returns false where so much is due that it must be called again for the
    // same `elapsed`; the period is over when it returns true at its end.
    bool estimate_rates(Nanoseconds elapsed) noexcept;

    // Calls `visit` for at most `limit` real servers of a service behind `place`, which moves on,
    // newest first. Returns whether there are more.
    bool for_each_destination(const ServiceState& service,
                              model::DestinationPlace& place,
                              std::size_t limit,
                              const std::function<void(const DestinationState&)>& visit) const;

    // Calls `visit` for services and their statistics, in the order they were added, from `listing`
    // on, which moves on; to be called again as long as it returns true, and holds up others for
    // some kCountersAtOnce only. Statistics of a service that is edited meanwhile are begun anew.
    using VisitService = std::function<void(const ServiceState&, const model::Statistics&)>;
    bool for_each_service(ServiceListing& listing, const VisitService& visit) const;

    // Returns how many real servers may be looked at in one go.
    [[nodiscard]] std::size_t destinations_at_once() const noexcept;

    [[nodiscard]] model::Statistics statistics(const DestinationState& destination) const noexcept;

    // Goes on with the sum of one service in `listing`; returns whether it is whole.
    [[nodiscard]] bool sum_up(const ServiceState& service, ServiceListing& listing) const;
    [[nodiscard]] model::Statistics statistics(const ServiceState& service,
                                               const ServiceListing& whole) const noexcept;
    // The same of the director.
    [[nodiscard]] bool sum_up(TotalListing& listing) const noexcept;
    [[nodiscard]] model::Statistics total(const TotalListing& whole) const noexcept;

    // Has a service's real servers, then the service, count from zero; returns whether it is done.
    [[nodiscard]] bool zero(ServiceState& service, ServiceListing& listing);
    void zero_total(const TotalListing& whole) noexcept;

    // Services in the order they were added.
    [[nodiscard]] const std::vector<ServiceState*>& in_order() const noexcept { return order_; }

private:
    // How many counters (a real server has one for each writer) are read in one go, some 100 us.
    static constexpr std::size_t kCountersAtOnce = 4096;
    static constexpr std::size_t kFreedAtOnce = 64;  // system calls, 1 us each
    static constexpr unsigned kMaxRestarts = 3;

    void begin_sum(const ServiceState& service, ServiceListing& listing) const noexcept;
    void sample(DestinationState& destination) noexcept;
    [[nodiscard]] bool is_due_for_freeing(const DestinationState& destination) const noexcept;
    void remove_from_trash(const DestinationState& destination);
    [[nodiscard]] model::Counters absorbed(const ServiceState& service) const noexcept;
    [[nodiscard]] model::Counters raw(const DestinationState& destination) const noexcept;
    void forget_counts(DestinationState& destination) noexcept;
    // Sums of real servers that have gone, less those of real servers before they came.
    void absorb(xvs_sums& absorbed, const DestinationState& destination) const noexcept;
    void give_back(xvs_sums& absorbed, const DestinationState& destination) const noexcept;
    void adopt();
    void adopt_destination(std::uint32_t index);
    [[nodiscard]] std::uint32_t allocate_service(const model::ServiceKey& key) noexcept;
    [[nodiscard]] std::uint32_t generation_of(const ServiceState& service) const noexcept;
    void review_overload(DestinationState& destination) noexcept;
    void make_unavailable(const DestinationState& destination) noexcept;
    void set_overloaded(DestinationState& destination, bool is_overloaded) noexcept;
    [[nodiscard]] static DestinationState* find_destination(const ServiceState& service,
                                                            const net::Endpoint& real) noexcept;
    [[nodiscard]] DestinationState* make_destination(const model::ServiceKey& key);
    Status prepare_bypass(ServiceState& service);
    void leave_bypass(ServiceState& service);
    [[nodiscard]] DestinationState* revive(const model::ServiceKey& key, const net::Endpoint& real);
    [[nodiscard]] static Status check(const model::ServiceKey& key,
                                      const model::Destination& wanted);
    void steer_replies(DestinationState& destination, bool is_wanted);
    void list_nat_server(DestinationState& destination, bool is_wanted);
    void clear_access(ServiceState& service);
    void learn_address(const net::IpAddress& address);
    void learn_all_addresses();
    void forget_address(const net::IpAddress& address);
    void release_translation(DestinationState& destination) noexcept;
    void apply(DestinationState& destination, const model::Destination& wanted);
    [[nodiscard]] Status change_scheduler(ServiceState& service, const std::string& name);
    [[nodiscard]] SchedulerParts scheduler_parts() noexcept;
    void unlink(ServiceState& service, DestinationState& destination);
    void attach_stock(ServiceState& service);
    void free_destination(DestinationState& destination);
    void count_service(const model::ServiceKey& key, int by) noexcept;

    [[nodiscard]] unsigned services_of(net::Family family) const noexcept {
        return family == net::Family::Ipv4 ? ipv4_services_ : ipv6_services_;
    }

    flow::Tables& tables_;
    Steering& steering_;
    Router& router_;
    const model::Sysctls& sysctls_;
    const Clock& clock_;
    model::Surroundings surroundings_;
    ServiceLocks locks_;
    AddressFilter addresses_;
    MarkRules mark_rules_;
    AccessLists access_{steering_};
    std::unordered_map<model::ServiceKey, std::unique_ptr<ServiceState>, ServiceKeyHash> services_;
    std::vector<ServiceState*> order_;
    std::deque<DestinationState> destinations_;  // by record index
    // Removed real servers that wait for their connections and their period, by RIP and port.
    std::unordered_multimap<net::Endpoint, std::uint32_t, EndpointHash> trash_;
    // How many services have it; of firewall marks, any protocol's, under that of IP.
    std::map<std::pair<model::Protocol, net::Endpoint>, unsigned> nat_servers_;
    bool has_orphaned_ = false;
    ServiceStock::Depths stock_depths_;
    bool has_turned_ = false;
    std::uint32_t edition_ = 1;
    unsigned ipv4_services_ = 0;
    unsigned ipv6_services_ = 0;
    unsigned any_port_services_ = 0;
    unsigned ftp_services_ = 0;
    // Records of an earlier daemon's services that are not added again yet.
    std::unordered_map<model::ServiceKey, std::uint32_t, ServiceKeyHash> adopted_;
    std::uint64_t last_number_ = 0;
    std::uint32_t freed_ = 0;                   // real servers, until now
    std::uint32_t trash_position_ = 0;          // the record that is looked at next
    std::uint32_t estimated_destinations_ = 0;  // in this period, by record
    std::size_t estimated_services_ = 0;
    model::Counters sampled_;
    model::Counters estimated_from_;
    model::Rates scaled_rates_;
};

}  // namespace xvs::engine
