// Tables: everything that lies in shared memory, made once from a Storage and a set of sizes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "base/result.h"
#include "flow/connection_table.h"
#include "flow/family.h"
#include "flow/flow_table.h"
#include "flow/grace_period.h"
#include "flow/next_hop_table.h"
#include "flow/record_table.h"
#include "flow/report_rings.h"
#include "flow/sizes.h"
#include "flow/storage.h"
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

    // For create() alone.
    Tables(const Arrays& arrays, std::unique_ptr<GracePeriod> grace);
    Tables(const Tables&) = delete;
    Tables& operator=(const Tables&) = delete;
    ~Tables();

    [[nodiscard]] xvs_table_header& header() noexcept { return arrays_.header[0]; }

    template <class Ip>
    [[nodiscard]] FlowTable<Ip>& flows() noexcept {
        if constexpr (std::is_same_v<Ip, Ipv4>) {
            return flows4_;
        } else {
            return flows6_;
        }
    }

    template <class Ip>
    [[nodiscard]] ConnectionTable<Ip>& connections() noexcept {
        if constexpr (std::is_same_v<Ip, Ipv4>) {
            return connections4_;
        } else {
            return connections6_;
        }
    }

    [[nodiscard]] TranslationTable& translations() noexcept { return translations_; }

    [[nodiscard]] NextHopTable& next_hops() noexcept { return next_hops_; }

    [[nodiscard]] DestinationRecords& destinations() noexcept { return destinations_; }

    [[nodiscard]] ServiceRecords& services() noexcept { return services_; }

    [[nodiscard]] GracePeriod& grace_period() noexcept { return *grace_; }

    // What writer `row` has counted of a destination. One writer a row.
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

    [[nodiscard]] ReportRings& reports() noexcept { return reports_; }

    // Returns the sum over all writers. Thread: any.
    [[nodiscard]] xvs_counters sum_counters(std::uint32_t destination) noexcept;

    // Frees retired slots whose grace period has ended. Thread: the worker, once a burst.
    void reclaim() noexcept {
        flows4_.reclaim(kReclaimsPerBurst);
        flows6_.reclaim(kReclaimsPerBurst);
    }

private:
    // Twice what a burst can retire in the long run: two entries for each of 32 new connections.
    static constexpr std::size_t kReclaimsPerBurst = 128;

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
        std::span<xvs_report_ring> report_rings;
        std::span<xvs_report> reports;
    };

    [[nodiscard]] static Status allocate(Storage& storage, const Sizes& sizes, Arrays& arrays);

    Arrays arrays_;
    std::unique_ptr<GracePeriod> grace_;
    FlowTable<Ipv4> flows4_;
    FlowTable<Ipv6> flows6_;
    ConnectionTable<Ipv4> connections4_;
    ConnectionTable<Ipv6> connections6_;
    TranslationTable translations_;
    NextHopTable next_hops_;
    DestinationRecords destinations_;
    ServiceRecords services_;
    ReportRings reports_;
};

}  // namespace xvs::flow
