// What becomes of connections when it is time to look at them.
#include <algorithm>
#include <array>

#include "engine/lookup/connections.h"

namespace xvs::engine {

// In batches that go from step to step, so that what one waits for is on its way into cache while
// the others are at theirs: first its records, then their entries.
template <class Ip>
bool Connections<Ip>::run_timers(std::size_t limit) noexcept {
    const Tick now = to_tick(clock_.now());
    std::array<Batch, 3> batches;
    std::size_t done = 0;
    for (std::size_t turn = 0;; ++turn) {
        Batch& taken = batches[turn % batches.size()];
        Batch& fetched = batches[(turn + 2) % batches.size()];
        Batch& arrived = batches[(turn + 1) % batches.size()];
        taken.count = 0;
        done += checks_.advance(now, std::min(limit - done, kTogether), [&](std::uint32_t id) {
            records_.prefetch(id);
            checks_.prefetch(id);
            taken.connections[taken.count++] = id;
        });
        fetch_entries(fetched, now);
        for (std::size_t each = 0; each < arrived.count; ++each)
            check(arrived.connections[each], now);
        if (taken.count == 0 && fetched.count == 0) return done == limit;
    }
}

// Of those that are this worker's still: an id may have come to name another's record.
template <class Ip>
void Connections<Ip>::fetch_entries(Batch& batch, Tick now) noexcept {
    std::size_t own = 0;
    for (std::size_t each = 0; each < batch.count; ++each) {
        const std::uint32_t connection = batch.connections[each];
        checks_.take(connection, now);
        if (!records_.is_own(connection)) continue;
        batch.connections[own++] = connection;
        const xvs_connection& record = records_[connection];
        const flow::SlotIndex inbound = flow::load_relaxed(record.inbound);
        if (inbound != XVS_NONE) flows_.prefetch_retire(inbound);
        if (record.outbound != XVS_NONE) flows_.prefetch_retire(record.outbound);
    }
    batch.count = own;
}

template <class Ip>
void Connections<Ip>::check(std::uint32_t connection, Tick now) noexcept {
    // One ended with another that was due, and may be another worker's already.
    if (!records_.is_own(connection)) return;
    xvs_connection& record = records_[connection];
    // Not due: a record used again, or one whose check was moved since.
    if (ticks_between(record.check_at, now) < 0)
        return checks_.schedule(connection, record.check_at);
    if ((record.flags & kConnectionTemplate) != 0) return end_template_or_wait(connection, now);
    const Tick last = last_seen(record);
    const Tick expires = last + timeout(record, last);
    if (ticks_between(expires, now) < 0) {
        schedule_check(connection, next_check(record, expires, now));
    } else if (record.controlled > 0) {
        schedule_check(connection, now + to_ticks(kControllerExtension));
    } else {
        end(connection);
    }
}

// Another worker may be about to use it.
template <class Ip>
void Connections<Ip>::end_template_or_wait(std::uint32_t connection, Tick now) noexcept {
    const xvs_connection& record = records_[connection];
    const SharingLock lock(lock_of(record));
    const Tick expires = last_seen(record) + record.timeout;
    if (ticks_between(expires, now) < 0) {
        schedule_check(connection, expires);
    } else if (record.controlled > 0) {
        extend_template(connection, now);
    } else {
        end_locked(connection);
    }
}

// As if it was used now. Whoever adopts it finds that in its entry and its timeout, as listings do.
// From now on it is kept that long after each use. Kernel: ip_vs_conn_expire() sets its timeout.
template <class Ip>
void Connections<Ip>::extend_template(std::uint32_t connection, Tick now) noexcept {
    xvs_connection& record = records_[connection];
    const Tick extension = to_ticks(kControllerExtension);
    if (record.inbound != XVS_NONE)
        flow::store_relaxed(flows_.entry(record.inbound).last_seen, now);
    record.timeout = extension;
    schedule_check(connection, now + extension);
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
