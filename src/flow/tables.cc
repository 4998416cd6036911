#include "flow/tables.h"

#include <bit>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace xvs::flow {

namespace {

template <class Element>
Status allocate_array(Storage& storage,
                      std::string_view name,
                      std::size_t count,
                      std::span<Element>& array) {
    static_assert(sizeof(Element) % 8 == 0 || std::is_same_v<Element, std::uint32_t>);
    // Single words go by pairs: an element of a BPF array is a multiple of 8 bytes.
    constexpr std::size_t kElementSize = sizeof(Element) < 8 ? 8 : sizeof(Element);
    constexpr std::size_t kTogether = kElementSize / sizeof(Element);
    Result<std::span<std::byte>> memory =
        storage.allocate(name, kElementSize, (count + kTogether - 1) / kTogether);
    if (!memory) return fail(std::move(memory.error()));
    array = {reinterpret_cast<Element*>(memory->data()), count};
    return {};
}

// 128 pages of IPv4: so few that looking at them costs no page walks, and so many that the table
// need not grow twice in one grace period, while slots that entries have left are of no use yet.
xvs_table_extent first_extent(std::uint32_t slots) noexcept {
    constexpr std::uint32_t kFirst = 1u << 14;
    const std::uint32_t first = std::min(slots, kFirst);
    return {.active = first, .former = first, .cleanings = 0, .reserved = 0};
}

}  // namespace

Status Tables::check(const Sizes& sizes) {
    const auto check_slots = [](std::string_view name, std::uint32_t slots) -> Status {
        if (std::has_single_bit(slots) && slots >= 2 * XVS_PROBES) return {};
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("table {}: {} slots; must be a power of two from {} on",
                                name,
                                slots,
                                2 * XVS_PROBES));
    };
    if (Status status = check_slots("flows4", sizes.slots4); !status) return status;
    if (Status status = check_slots("flows6", sizes.slots6); !status) return status;

    const std::pair<std::string_view, std::uint32_t> counts[] = {
        {"connections4", sizes.connections4},
        {"connections6", sizes.connections6},
        {"translations", sizes.translations},
        {"next_hops", sizes.next_hops},
        {"destinations", sizes.destinations},
        {"services", sizes.services},
        {"counters", sizes.counter_rows}};
    for (const auto& [name, count] : counts) {
        // Half the indices, so that twice as many still have one.
        if (count > 0 && count <= 1u << 30) continue;
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("table {}: {} records; must be 1 to {}", name, count, 1u << 30));
    }
    if (sizes.stocks != 0 && sizes.stocks != XVS_STOCKS) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{} stocks; must be {} or none", sizes.stocks, XVS_STOCKS));
    }
    if (sizes.workers == 0 || sizes.workers > XVS_MAX_WORKERS ||
        sizes.counter_rows < sizes.workers) {
        return fail(
            ErrorCode::InvalidArgument,
            fmt::format("{} workers; must be 1 to {}, each with a row of the {} of counters",
                        sizes.workers,
                        XVS_MAX_WORKERS,
                        sizes.counter_rows));
    }
    return {};
}

Status Tables::allocate(Storage& storage, const Sizes& sizes, Arrays& arrays) {
    Status status;
    for_each_array(sizes, arrays, [&](std::string_view name, std::size_t count, auto& array) {
        if (status) status = allocate_array(storage, name, count, array);
    });
    return status;
}

Result<std::unique_ptr<Tables>> Tables::create(Storage& storage,
                                               const Sizes& sizes,
                                               const Seed& seed) {
    if (Status status = check(sizes); !status) return fail(std::move(status.error()));
    Arrays arrays;
    if (Status status = allocate(storage, sizes, arrays); !status) {
        return fail(std::move(status.error()));
    }
    // The magic comes last: a header without it is not yet of use.
    xvs_table_header& header = arrays.header[0];
    header = {.magic = 0,
              .version = XVS_LAYOUT_VERSION,
              .slots4 = sizes.slots4,
              .slots6 = sizes.slots6,
              .connections4 = sizes.connections4,
              .connections6 = sizes.connections6,
              .translations = sizes.translations,
              .next_hops = sizes.next_hops,
              .destinations = sizes.destinations,
              .services = sizes.services,
              .counter_rows = sizes.counter_rows,
              .seed = {seed[0], seed[1]},
              .report_rings = sizes.report_rings,
              .extent4 = first_extent(sizes.slots4),
              .extent6 = first_extent(sizes.slots6),
              .timeouts_changed_at = 0,
              .workers = sizes.workers,
              .stocks = sizes.stocks,
              .stocks_are_open = 0,
              .reuses_closed = 0,
              .reserved = 0};
    store_release(header.magic, XVS_LAYOUT_MAGIC);
    return std::make_unique<Tables>(arrays, GracePeriod::make(storage.has_kernel_readers()));
}

Tables::Tables(const Arrays& arrays, std::unique_ptr<GracePeriod> grace)
    : arrays_(arrays),
      keys_(xvs_make_hash_keys(arrays.header[0].seed)),
      grace_(std::move(grace)),
      flows4_(
          arrays.flows4, arrays.owners4, arrays.header[0].seed, *grace_, arrays.header[0].extent4),
      flows6_(
          arrays.flows6, arrays.owners6, arrays.header[0].seed, *grace_, arrays.header[0].extent6),
      connections4_(arrays.connections4),
      connections6_(arrays.connections6),
      translations_(
          arrays.translations, static_cast<std::uint32_t>(arrays.destinations.size()), *grace_),
      next_hops_(arrays.next_hops),
      destinations_(arrays.destinations),
      services_(arrays.services),
      stocks_(arrays.stocks, arrays.decisions, arrays.places, *grace_),
      stripes_(arrays.stripes, keys_),
      client_ways_(arrays.client_ways, keys_) {
    const std::size_t cpus = arrays.header[0].report_rings;
    for (std::size_t worker = 0; worker < header().workers; ++worker) {
        reports_.emplace_back(
            arrays.report_rings.subspan(worker * cpus, cpus),
            arrays.reports.subspan(worker * cpus * XVS_REPORTS, cpus * XVS_REPORTS));
    }
}

void Tables::share_among(std::size_t workers) {
    translations_.share();
    stocks_.share();
    client_ways_.share();
    for (std::size_t worker = 1; worker < workers; ++worker)
        others_.push_back(std::make_unique<Share>(*this));
}

void Tables::open_stocks() noexcept {
    for (std::size_t worker = 0; worker < workers(); ++worker) {
        flows<Ipv4>(worker).share_with_programs();
        flows<Ipv6>(worker).share_with_programs();
    }
    store_release(header().stocks_are_open, 1u);
}

Tables::~Tables() = default;

xvs_counters Tables::sum_counters(std::uint32_t destination) noexcept {
    xvs_counters sum{};
    for (std::uint32_t row = 0; row < header().counter_rows; ++row) {
        const xvs_counters& part = counters(row, destination);
        sum.packets_in += load_relaxed(part.packets_in);
        sum.bytes_in += load_relaxed(part.bytes_in);
        sum.packets_out += load_relaxed(part.packets_out);
        sum.bytes_out += load_relaxed(part.bytes_out);
    }
    return sum;
}

}  // namespace xvs::flow
