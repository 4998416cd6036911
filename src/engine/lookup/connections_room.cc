// Connections that end before their time, since others need their records.
#include <algorithm>

#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

// A new connection's record, and its template's.
constexpr std::uint32_t kRecordsOfOne = 2;

// While that part of the records is not free, half-open connections that are more than it make way.
constexpr std::uint32_t kReservedPart = 16;

// So many may end at once: reports bring half a ring of new ones at the most, in several bursts.
constexpr unsigned kMostAtOnce = 256;

// The oldest of so many is among the oldest of all.
constexpr unsigned kCandidates = 16;

// To find them among others that are established: so many records, and as many for each worker,
// since a worker's own may lie in a row.
constexpr std::uint32_t kLookedAt = 64;

// What another connection has announced is that one's.
bool may_make_way(const xvs_connection& record) noexcept {
    const bool is_announced =
        record.role == XVS_ROLE_PASSIVE_DATA || record.role == XVS_ROLE_ACTIVE_DATA;
    // One that is being made has no timeout yet, and one that was let go has no entries.
    return is_half_open(record) && !is_announced && record.timeout != 0 &&
           record.inbound != XVS_NONE && record.controlled == 0;
}

// Datagrams make a template worth keeping only where their answers pass by.
bool is_unassured_template(const xvs_connection& record) noexcept {
    return (record.flags & kConnectionTemplate) != 0 && record.timeout != 0 &&
           record.protocol != XVS_TEMPLATE_UDP &&
           flow::load_relaxed(record.protocol_state) != model::kTemplateAssured;
}

// Remembers the one that began first of those that it is shown.
class Oldest {
public:
    explicit Oldest(Tick now) noexcept : now_(now) {}

    void meet(std::uint32_t connection, const xvs_connection& record) noexcept {
        const std::int32_t age = ticks_between(record.check_at - record.timeout, now_);
        if (connection_ != XVS_NONE && age <= age_) return;
        connection_ = connection;
        age_ = age;
    }

    [[nodiscard]] std::uint32_t connection() const noexcept { return connection_; }

    [[nodiscard]] bool is_older_than(const Oldest& other) const noexcept {
        return connection_ != XVS_NONE && (other.connection_ == XVS_NONE || age_ > other.age_);
    }

private:
    Tick now_;
    std::uint32_t connection_ = XVS_NONE;
    std::int32_t age_ = 0;
};

}  // namespace

template <class Ip>
bool Connections<Ip>::has_room() noexcept {
    return records_.has_free(kRecordsOfOne);
}

// DIFFERS FROM IPVS: ADR-0027. It has no table that could be full; its drop_entry ends the same
// kinds of connections at random.
template <class Ip>
bool Connections<Ip>::make_room(bool knows_all) noexcept {
    if (!has_slots_to_retire()) return false;
    Oldest connection(to_tick(clock_.now()));
    Oldest unused(to_tick(clock_.now()));
    unsigned met = 0;
    const auto limit = kLookedAt * (1 + static_cast<std::uint32_t>(tables_.workers()));
    looked_at_ = records_.look_around(
        looked_at_, limit, [&](std::uint32_t index, const xvs_connection& record) noexcept {
            if (is_unassured_template(record)) {
                unused.meet(index, record);
            } else if (may_make_way(record) && (knows_all || flows_.packets(record.inbound) <= 1)) {
                connection.meet(index, record);
            } else {
                return true;
            }
            return ++met < kCandidates;
        });
    if (unused.is_older_than(connection) && end_unused_template(unused.connection())) return true;
    if (connection.connection() == XVS_NONE) return false;
    end(connection.connection());
    ++ended_for_room_;
    return true;
}

// Entries that end leave slots that nobody can take before a grace period has passed; with too many
// of them new connections would find no slots, whatever records there are.
template <class Ip>
bool Connections<Ip>::has_slots_to_retire() const noexcept {
    const std::size_t dead = flows_.retired() * tables_.workers();
    return (flows_.live() + dead) * 8 < std::size_t{flows_.active()} * 5;
}

// Other workers may be about to use it.
template <class Ip>
bool Connections<Ip>::end_unused_template(std::uint32_t connection) noexcept {
    const SharingLock lock(lock_of(records_[connection]));
    if (records_[connection].controlled > 0) return false;
    end_locked(connection);
    ++ended_for_room_;
    return true;
}

template <class Ip>
void Connections<Ip>::keep_room() noexcept {
    const std::uint32_t wanted = std::max(records_.capacity() / kReservedPart, kRecordsOfOne);
    const auto workers = static_cast<std::uint32_t>(tables_.workers());
    for (unsigned ended = 0; ended < kMostAtOnce; ++ended) {
        if (records_.capacity() - records_.size() >= wanted) return;
        // What is only just beginning has that part for itself, whoever has the rest.
        if (half_open_ <= wanted / workers || !make_room()) return;
    }
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
