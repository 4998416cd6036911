// Tables: everything that lies in shared memory, made once from a Storage and a set of sizes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "flow/client_ways.h"
#include "flow/connection_table.h"
#include "flow/family.h"
#include "flow/flow_table.h"
#include "flow/grace_period.h"
#include "flow/next_hop_table.h"
#include "flow/record_table.h"
#include "flow/report_rings.h"
#include "flow/sizes.h"
#include "flow/stock_table.h"
#include "flow/storage.h"
#include "flow/stripes.h"
#include "flow/translation_table.h"

namespace xvs::flow {

class Tables {
    struct Arrays;

public:
    // Two random words, so that a stranger cannot aim flows at one slot.
    using Seed = std::array<std::uint32_t, 2>;

    // Allocates every array. `storage` must outlive the tables. Fails with a sentence where memory
    // does not suffice or the sizes make no table.
    [[nodiscard]] static Result<std::unique_ptr<Tables>> create(Storage& storage,
                                                                const Sizes& sizes,
                                                                const Seed& seed);

    // Takes over the tables that an earlier process made in `storage` and left at any moment of
    // their life; nullptr if there are none. Connections that were not whole are ended, and no
    // index in what remains leads astray. Fails with a sentence where they are of another layout,
    // or damaged: nothing has changed then.
    [[nodiscard]] static Result<std::unique_ptr<Tables>> adopt(Storage& storage);

    // Returns the header of the tables that adopt() would take over, nullptr if there are none;
    // fails as it does. Nothing changes: whoever writes the tables may go on.
    [[nodiscard]] static Result<const xvs_table_header*> look(Storage& storage);

    // What adopt() found.
    struct Adoption {
        std::uint32_t connections = 0;
        std::uint32_t ended = 0;  // those that were not whole
    };

    // For create() and adopt() alone.
    Tables(const Arrays& arrays, std::unique_ptr<GracePeriod> grace);
    Tables(const Tables&) = delete;
    Tables& operator=(const Tables&) = delete;
    ~Tables();

    [[nodiscard]] xvs_table_header& header() noexcept { return arrays_.header[0]; }

    // More of the connections that adopt() found turned out not to be whole.
    void note_ended(std::uint32_t count) noexcept {
        adoption_->connections -= count;
        adoption_->ended += count;
    }

    // Returns nullptr if the tables were made by this process.
    [[nodiscard]] const Adoption* adoption() const noexcept {
        return adoption_ ? &*adoption_ : nullptr;
    }

    // Several workers are to use the tables: each gets a FlowTable and a ConnectionTable of its own
    // over the same records. REQUIRES: 2 to header().workers; no worker has begun.
    void share_among(std::size_t workers);

    template <class Ip>
    [[nodiscard]] FlowTable<Ip>& flows(std::size_t worker = 0) noexcept {
        if constexpr (std::is_same_v<Ip, Ipv4>) {
            return worker == 0 ? flows4_ : others_[worker - 1]->flows4;
        } else {
            return worker == 0 ? flows6_ : others_[worker - 1]->flows6;
        }
    }

    template <class Ip>
    [[nodiscard]] ConnectionTable<Ip>& connections(std::size_t worker = 0) noexcept {
        if constexpr (std::is_same_v<Ip, Ipv4>) {
            return worker == 0 ? connections4_ : others_[worker - 1]->connections4;
        } else {
            return worker == 0 ? connections6_ : others_[worker - 1]->connections6;
        }
    }

    // Returns how many workers use the tables.
    [[nodiscard]] std::size_t workers() const noexcept { return 1 + others_.size(); }

    // Returns the worker that owns what a client's address and port begin; both in wire order.
    [[nodiscard]] std::uint8_t worker_of(std::uint32_t client, std::uint16_t port) noexcept {
        if (others_.empty()) return 0;
        return pick(xvs_client_hash4(&keys_, client, port));
    }

    [[nodiscard]] std::uint8_t worker_of(const std::array<std::uint32_t, 4>& client,
                                         std::uint16_t port) noexcept {
        if (others_.empty()) return 0;
        return pick(xvs_client_hash6(&keys_, client.data(), port));
    }

    [[nodiscard]] TranslationTable& translations() noexcept { return translations_; }

    [[nodiscard]] NextHopTable& next_hops() noexcept { return next_hops_; }

    [[nodiscard]] DestinationRecords& destinations() noexcept { return destinations_; }

    [[nodiscard]] ServiceRecords& services() noexcept { return services_; }

    [[nodiscard]] GracePeriod& grace_period() noexcept { return *grace_; }

    // The stocks of decisions; of a table without any nothing can be had.
    [[nodiscard]] StockTable& stocks() noexcept { return stocks_; }

    // Whoever installs entries of a client's address and port holds their stripe.
    [[nodiscard]] Stripes& stripes() noexcept { return stripes_; }

    // The ways that replies to clients took last.
    [[nodiscard]] ClientWays& client_ways() noexcept { return client_ways_; }

    // Programs in the kernel may draw from stocks from here on, and install entries. REQUIRES:
    // there are stocks; share_among() was called if it is to be; no worker has begun, or all wait.
    void open_stocks() noexcept;

    [[nodiscard]] bool has_open_stocks() noexcept { return header().stocks_are_open != 0; }

    // What writer `row` has counted of a destination: a worker by its number, or a CPU. One writer
    // a row.
    [[nodiscard]] xvs_counters& counters(std::uint32_t row, std::uint32_t destination) noexcept {
        return arrays_.counters[std::size_t{row} * header().destinations + destination];
    }

    // What statistics need beyond the counters.
    [[nodiscard]] xvs_destination_totals& destination_totals(std::uint32_t destination) noexcept {
        return arrays_.destination_totals[destination];
    }

    [[nodiscard]] xvs_service_totals& service_totals(std::uint32_t service) noexcept {
        return arrays_.service_totals[service];
    }

    // The director's own.
    [[nodiscard]] xvs_service_totals& totals() noexcept {
        return arrays_.service_totals[header().services];
    }

    // What assistants know of the connections that they read.
    [[nodiscard]] std::span<xvs_assistance> assistances() noexcept { return arrays_.assistances; }

    // Returns the row in which programs in the kernel count on that CPU.
    [[nodiscard]] std::uint32_t row_of_cpu(std::uint32_t cpu) const noexcept {
        return arrays_.header[0].workers + cpu;
    }

    // The rings whose reports are for that worker, of those there may be.
    [[nodiscard]] ReportRings& reports(std::size_t worker = 0) noexcept { return reports_[worker]; }

    // Returns the sum over all writers. Thread: any.
    [[nodiscard]] xvs_counters sum_counters(std::uint32_t destination) noexcept;

    // Frees retired slots of a worker whose grace period has ended. Thread: the worker, once a
    // burst.
    void reclaim(std::size_t worker = 0) noexcept {
        reclaim_from(flows<Ipv4>(worker));
        reclaim_from(flows<Ipv6>(worker));
    }

private:
    // Twice what a burst can retire in the long run: two entries for each of 32 new connections.
    static constexpr std::size_t kReclaimsPerBurst = 128;

    // The more there are, the more at once: timers and floods retire many in one burst.
    template <class Ip>
    static void reclaim_from(FlowTable<Ip>& flows) noexcept {
        flows.reclaim(kReclaimsPerBurst + flows.retired() / 4);
    }

    struct Arrays {
        std::span<xvs_table_header> header;
        std::span<xvs_flow4> flows4;
        std::span<xvs_flow6> flows6;
        std::span<std::uint32_t> owners4;
        std::span<std::uint32_t> owners6;
        std::span<xvs_connection> connections4;
        std::span<xvs_connection> connections6;
        std::span<xvs_translation> translations;
        std::span<xvs_next_hop> next_hops;
        std::span<xvs_destination> destinations;
        std::span<xvs_service> services;
        std::span<xvs_counters> counters;
        std::span<xvs_destination_totals> destination_totals;
        std::span<xvs_service_totals> service_totals;
        std::span<xvs_assistance> assistances;
        std::span<xvs_stock> stocks;
        std::span<xvs_places> places;
        std::span<xvs_decision> decisions;
        std::span<xvs_stripe> stripes;
        std::span<xvs_client_way> client_ways;
        std::span<xvs_report_ring> report_rings;
        std::span<xvs_report> reports;
    };

    // What a further worker has of its own.
    struct Share {
        explicit Share(Tables& tables)
            : flows4(&tables.flows4_),
              flows6(&tables.flows6_),
              connections4(&tables.connections4_),
              connections6(&tables.connections6_) {}

        FlowTable<Ipv4> flows4;
        FlowTable<Ipv6> flows6;
        ConnectionTable<Ipv4> connections4;
        ConnectionTable<Ipv6> connections6;
    };

    [[nodiscard]] std::uint8_t pick(std::uint32_t hash) const noexcept {
        return static_cast<std::uint8_t>(
            xvs_worker_of(hash, static_cast<std::uint32_t>(workers())));
    }

    [[nodiscard]] static Status check(const Sizes& sizes);
    [[nodiscard]] static Status allocate(Storage& storage, const Sizes& sizes, Arrays& arrays);
    [[nodiscard]] static Status find(Storage& storage, const Sizes& sizes, Arrays& arrays);

    // Calls `get(name, count, array)` for each array there is.
    template <class Get>
    static void for_each_array(const Sizes& sizes, Arrays& arrays, Get&& get);

    void adopt();
    static void close_stocks(const Arrays& arrays, bool has_kernel_readers) noexcept;
    template <class Ip>
    void adopt_connections(std::vector<std::uint32_t>& references);
    template <class Ip>
    [[nodiscard]] bool is_whole(std::uint32_t connection) noexcept;
    template <class Ip>
    [[nodiscard]] bool is_entry_of(std::uint32_t connection,
                                   SlotIndex slot,
                                   std::uint8_t direction) noexcept;
    template <class Ip>
    [[nodiscard]] bool is_sound(std::uint32_t translation) const noexcept;

    Arrays arrays_;
    xvs_hash_keys keys_;
    std::unique_ptr<GracePeriod> grace_;
    FlowTable<Ipv4> flows4_;
    FlowTable<Ipv6> flows6_;
    ConnectionTable<Ipv4> connections4_;
    ConnectionTable<Ipv6> connections6_;
    TranslationTable translations_;
    NextHopTable next_hops_;
    DestinationRecords destinations_;
    ServiceRecords services_;
    StockTable stocks_;
    Stripes stripes_;
    ClientWays client_ways_;
    std::vector<ReportRings> reports_;  // by worker
    std::vector<std::unique_ptr<Share>> others_;
    std::optional<Adoption> adoption_;
};

template <class Get>
void Tables::for_each_array(const Sizes& sizes, Arrays& arrays, Get&& get) {
    get("header", std::size_t{1}, arrays.header);
    get("flows4", std::size_t{sizes.slots4}, arrays.flows4);
    get("flows6", std::size_t{sizes.slots6}, arrays.flows6);
    get("owners4", std::size_t{sizes.slots4}, arrays.owners4);
    get("owners6", std::size_t{sizes.slots6}, arrays.owners6);
    get("connections4", std::size_t{sizes.connections4}, arrays.connections4);
    get("connections6", std::size_t{sizes.connections6}, arrays.connections6);
    get("translations", std::size_t{sizes.translations}, arrays.translations);
    get("next_hops", std::size_t{sizes.next_hops}, arrays.next_hops);
    get("destinations", std::size_t{sizes.destinations}, arrays.destinations);
    get("services", std::size_t{sizes.services}, arrays.services);
    get("counters", std::size_t{sizes.counter_rows} * sizes.destinations, arrays.counters);
    get("dest_totals", std::size_t{sizes.destinations}, arrays.destination_totals);
    get("service_totals", std::size_t{sizes.services} + 1, arrays.service_totals);
    get("assistances", std::size_t{sizes.assistances()}, arrays.assistances);
    if (sizes.stocks != 0) {
        get("stocks", std::size_t{sizes.stocks} * (1 + XVS_SHARES), arrays.stocks);
        get("places", std::size_t{sizes.stocks}, arrays.places);
        get("decisions", std::size_t{sizes.stocks} * XVS_STOCK_SIZE, arrays.decisions);
        get("stripes", std::size_t{XVS_STRIPES}, arrays.stripes);
        get("client_ways", std::size_t{XVS_CLIENT_WAYS}, arrays.client_ways);
    }
    if (sizes.report_rings == 0) return;
    const std::size_t rings = std::size_t{sizes.workers} * sizes.report_rings;
    get("report_rings", rings, arrays.report_rings);
    get("reports", rings * XVS_REPORTS, arrays.reports);
}

}  // namespace xvs::flow
