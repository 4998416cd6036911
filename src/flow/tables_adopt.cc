// Taking over tables that an earlier process left, at whatever instruction it died: what the arrays
// say is checked before it is believed, and what is kept beside them is counted anew.
#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "flow/tables.h"

namespace xvs::flow {
namespace {

constexpr std::string_view kRemedy =
    "end them with: xvsd --detach (established connections end with them)";

Error damaged(std::string_view what) {
    return Error{.code = ErrorCode::InvalidArgument,
                 .context = fmt::format(
                     "the tables of an earlier xvsd are damaged ({}); {}", what, kRemedy)};
}

template <class Element>
Status find_array(Storage& storage,
                  std::string_view name,
                  std::size_t count,
                  std::span<Element>& array) {
    auto memory = storage.find(name);
    if (!memory) return fail(std::move(memory.error()));
    // Single words go by pairs, see allocate_array().
    const std::size_t size = (count * sizeof(Element) + 7) / 8 * 8;
    if (memory->size() != size)
        return fail(damaged(fmt::format("{} has {} bytes, not {}", name, memory->size(), size)));
    array = {reinterpret_cast<Element*>(memory->data()), count};
    return {};
}

Sizes sizes_of(const xvs_table_header& header) noexcept {
    return {.connections4 = header.connections4,
            .connections6 = header.connections6,
            .slots4 = header.slots4,
            .slots6 = header.slots6,
            .translations = header.translations,
            .next_hops = header.next_hops,
            .destinations = header.destinations,
            .services = header.services,
            .counter_rows = header.counter_rows,
            .report_rings = header.report_rings,
            .workers = header.workers,
            .stocks = header.stocks};
}

constexpr std::uint32_t kMaxTimeout = 1u << 30;  // half of what ticks can tell apart

// What every version of the layout begins with.
struct HeaderStart {
    std::uint32_t magic;
    std::uint32_t version;
};

static_assert(offsetof(xvs_table_header, magic) == offsetof(HeaderStart, magic));
static_assert(offsetof(xvs_table_header, version) == offsetof(HeaderStart, version));

// Returns false where the tables were never finished.
Result<bool> check_header(std::span<const std::byte> header) {
    if (header.size() < sizeof(HeaderStart)) return fail(damaged("the header is too short"));
    const auto& start = *reinterpret_cast<const HeaderStart*>(header.data());
    const std::uint32_t magic = load_acquire(start.magic);
    if (magic == 0) return false;
    if (magic != XVS_LAYOUT_MAGIC) return fail(damaged("the header is not one of XVS's"));
    if (start.version != XVS_LAYOUT_VERSION) {
        return fail(ErrorCode::NotSupported,
                    fmt::format("the tables of this network namespace were made by {} xvsd (layout "
                                "version {}, this one knows {}): start that xvsd, or {}",
                                start.version > XVS_LAYOUT_VERSION ? "a newer" : "an older",
                                start.version,
                                XVS_LAYOUT_VERSION,
                                kRemedy));
    }
    if (header.size() != sizeof(xvs_table_header)) return fail(damaged("the header's size"));
    return true;
}

// By which a destination or a next hop was ever named.
template <class Member>
std::uint32_t highest(std::span<const xvs_translation> translations, Member member) noexcept {
    std::uint32_t generation = 0;
    for (const xvs_translation& each : translations)
        generation = std::max(generation, each.*member);
    return generation;
}

}  // namespace

Status Tables::find(Storage& storage, const Sizes& sizes, Arrays& arrays) {
    Status status;
    for_each_array(sizes, arrays, [&](std::string_view name, std::size_t count, auto& array) {
        if (status) status = find_array(storage, name, count, array);
    });
    return status;
}

Result<const xvs_table_header*> Tables::look(Storage& storage) {
    const auto memory = storage.find("header");
    if (!memory) return fail(memory.error());
    if (memory->empty()) return nullptr;
    const auto is_finished = check_header(*memory);
    if (!is_finished) return fail(is_finished.error());
    if (!*is_finished) return nullptr;
    const auto* header = reinterpret_cast<const xvs_table_header*>(memory->data());
    const Sizes sizes = sizes_of(*header);
    if (const Status status = check(sizes); !status) return fail(damaged(status.error().context));
    Arrays arrays;
    if (Status status = find(storage, sizes, arrays); !status)
        return fail(std::move(status.error()));
    return header;
}

Result<std::unique_ptr<Tables>> Tables::adopt(Storage& storage) {
    const auto header = look(storage);
    if (!header) return fail(header.error());
    if (*header == nullptr) return nullptr;
    Arrays arrays;
    if (Status status = find(storage, sizes_of(**header), arrays); !status)
        return fail(std::move(status.error()));
    close_stocks(arrays, storage.has_kernel_readers());
    auto tables = std::make_unique<Tables>(arrays, GracePeriod::make(storage.has_kernel_readers()));
    tables->adopt();
    return tables;
}

// No program is in the middle of installing an entry from here on, nor draws a decision whose
// translations may go.
void Tables::close_stocks(const Arrays& arrays, bool has_kernel_readers) noexcept {
    if (arrays.stocks.empty()) return;
    store_release(arrays.header[0].stocks_are_open, 0u);
    store_release(arrays.header[0].reuses_closed, 0u);
    if (has_kernel_readers) wait_for_kernel_readers();
    for (xvs_stripe& stripe : arrays.stripes)
        store_release(stripe.holder, 0u);
    for (xvs_client_way& way : arrays.client_ways)
        way = {};
}

void Tables::adopt() {
    adoption_ = Adoption{};
    std::uint32_t service_generation = 0;
    for (const xvs_destination_totals& each : arrays_.destination_totals)
        service_generation = std::max(service_generation, each.service_generation);
    services_.adopt(service_generation);
    destinations_.adopt(highest(arrays_.translations, &xvs_translation::destination_generation));
    next_hops_.adopt(highest(arrays_.translations, &xvs_translation::next_hop_generation));
    std::vector<std::uint32_t> references(arrays_.translations.size());
    adopt_connections<Ipv4>(references);
    adopt_connections<Ipv6>(references);
    translations_.adopt(references);
    for (ReportRings& each : reports_)
        each.adopt();
}

// A record that is not whole ends, and its entries with it: they have no owner then.
template <class Ip>
void Tables::adopt_connections(std::vector<std::uint32_t>& references) {
    ConnectionTable<Ip>& records = connections<Ip>();
    FlowTable<Ip>& table = flows<Ip>();
    records.adopt();
    table.adopt();
    for (std::uint32_t index = 0; index < records.capacity(); ++index) {
        if (!records.is_live(index) || is_whole<Ip>(index)) continue;
        records.free(index);
        ++adoption_->ended;
    }
    for (SlotIndex slot = 0; slot < table.capacity(); ++slot) {
        if (!is_live_state(table.state_word(slot))) continue;
        const std::uint32_t owner = table.connection(slot);
        const bool is_named = records.is_live(owner) &&
                              (records[owner].inbound == slot || records[owner].outbound == slot);
        const std::uint32_t translation = table.entry(slot).translation;
        if (table.is_drawn(slot)) {
            // Whoever records connections does so, or retires it.
            if (translation != XVS_NONE && !is_sound<Ip>(translation)) {
                table.retire(slot);
            } else if (translation != XVS_NONE) {
                ++references[translation];
            }
        } else if (!is_named) {
            table.retire(slot);
        } else if (translation != XVS_NONE) {
            ++references[translation];
        }
    }
    adoption_->connections += records.size();
}

// A connection's timeout is the last that is written when it is made. A template that was let go
// has no entry.
template <class Ip>
bool Tables::is_whole(std::uint32_t connection) noexcept {
    const xvs_connection& record = connections<Ip>()[connection];
    if (record.timeout == 0 || record.timeout > kMaxTimeout) return false;
    if (!destinations_.is_used(record.destination)) return false;
    if (record.inbound != XVS_NONE) {
        if (!is_entry_of<Ip>(connection, record.inbound, 0)) return false;
        if (flows<Ip>().entry(record.inbound).protocol != record.protocol) return false;
    }
    return record.outbound == XVS_NONE ||
           is_entry_of<Ip>(connection, record.outbound, XVS_FLOW_OUTBOUND);
}

template <class Ip>
bool Tables::is_entry_of(std::uint32_t connection,
                         SlotIndex slot,
                         std::uint8_t direction) noexcept {
    const FlowTable<Ip>& table = flows<Ip>();
    if (slot >= table.capacity() || table.connection(slot) != connection) return false;
    const auto& entry = table.entry(slot);
    if ((entry.flags & XVS_FLOW_OUTBOUND) != direction) return false;
    return entry.translation == XVS_NONE || is_sound<Ip>(entry.translation);
}

template <class Ip>
bool Tables::is_sound(std::uint32_t translation) const noexcept {
    constexpr std::uint32_t kRewrites = XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION |
                                        XVS_ENCAPSULATE | XVS_TO_HOST | XVS_KEEP_PORT |
                                        XVS_SUSPENDED;
    constexpr std::uint16_t kMaxOverhead = 40 + 8 + 4;  // IPv6, UDP and GUE
    constexpr std::uint8_t kLastTunnel = 2;
    if (translation >= arrays_.translations.size()) return false;
    const xvs_translation& each = arrays_.translations[translation];
    const bool is_encapsulated = (each.rewrite & XVS_ENCAPSULATE) != 0;
    return each.generation != 0 && (each.rewrite & ~kRewrites) == 0 &&
           each.family == static_cast<std::uint8_t>(Ip::kFamily) &&
           each.destination < arrays_.destinations.size() &&
           (each.service == XVS_NONE || each.service < arrays_.services.size()) &&
           (each.next_hop == XVS_NONE || each.next_hop < arrays_.next_hops.size()) &&
           (!is_encapsulated || each.outer_family == 4 || each.outer_family == 6) &&
           each.tunnel <= kLastTunnel && each.overhead <= kMaxOverhead;
}

}  // namespace xvs::flow
