#include "engine/assist/assistances.h"

#include <algorithm>
#include <bit>

#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

// What a daemon that was killed while it wrote may have left is of no use, and must do no harm.
bool is_whole(const xvs_assistance& record) noexcept {
    if (record.edit_count > XVS_EDITS || record.client.filled > sizeof(record.line)) return false;
    for (unsigned each = 0; each < record.edit_count; ++each) {
        const xvs_edit& edit = record.edits[each];
        const bool is_last = each + 1U == record.edit_count;
        if (edit.inserted > XVS_EDIT_TEXT || edit.removed > XVS_EDIT_TEXT) return false;
        if (edit.removed == 0 || (edit.is_open != 0 && !is_last)) return false;
        if (edit.is_open != 0 && edit.removed == XVS_EDIT_TEXT) return false;
    }
    return true;
}

}  // namespace

Assistances::Assistances(flow::Tables& tables,
                         Steering& steering,
                         std::span<Assistant* const> assistants)
    : tables_(tables),
      steering_(steering),
      records_(tables.assistances()),
      assistants_(assistants.begin(), assistants.end()),
      heads_(std::bit_ceil(records_.size()), XVS_NONE),
      next_(records_.size(), XVS_NONE) {
    for (auto index = static_cast<std::uint32_t>(records_.size()); index-- > 0;) {
        xvs_assistance& record = records_[index];
        const bool is_ipv4 = record.family == static_cast<std::uint8_t>(net::Family::Ipv4);
        const bool is_live = record.state != 0 && (is_ipv4 ? is_of_live<flow::Ipv4>(record)
                                                           : is_of_live<flow::Ipv6>(record));
        if (is_live && is_whole(record)) {
            link(index);
            ++size_;
        } else {
            if (record.state != 0) record = {};
            next_[index] = free_;
            free_ = index;
        }
    }
    count_awaited<flow::Ipv4>();
    count_awaited<flow::Ipv6>();
    steering_.await_clients(awaited_ > 0);
}

template <class Ip>
bool Assistances::is_of_live(const xvs_assistance& record) noexcept {
    const auto& connections = tables_.connections<Ip>();
    if (!connections.is_live(record.connection)) return false;
    const xvs_connection& connection = connections[record.connection];
    return connection.state == record.state && find_by_role(connection.role) != nullptr &&
           find(Ip::kFamily, record.connection) == nullptr;
}

template <class Ip>
void Assistances::count_awaited() noexcept {
    auto& connections = tables_.connections<Ip>();
    connections.for_each(
        0, connections.capacity(), [this](std::uint32_t, const xvs_connection& record) {
            if ((record.flags & kConnectionNoClientPort) != 0) ++awaited_;
        });
}

Assistant* Assistances::find_for(model::Protocol protocol, net::Port virtual_port) const noexcept {
    for (Assistant* each : assistants_) {
        if (each->is_for(protocol, virtual_port)) return each;
    }
    return nullptr;
}

Assistant* Assistances::find_by_role(std::uint8_t role) const noexcept {
    for (Assistant* each : assistants_) {
        if (each->role() == role) return each;
    }
    return nullptr;
}

std::uint32_t& Assistances::head(net::Family family, std::uint32_t connection) noexcept {
    const std::uint32_t number = connection * 2 + (family == net::Family::Ipv6 ? 1U : 0U);
    return heads_[number % heads_.size()];
}

void Assistances::link(std::uint32_t index) noexcept {
    const xvs_assistance& record = records_[index];
    std::uint32_t& first = head(static_cast<net::Family>(record.family), record.connection);
    next_[index] = first;
    first = index;
}

xvs_assistance* Assistances::add(net::Family family,
                                 std::uint32_t connection,
                                 std::uint32_t state) noexcept {
    const SharingLock lock(mutex_);
    if (free_ == XVS_NONE) return nullptr;
    const std::uint32_t index = free_;
    free_ = next_[index];
    xvs_assistance& record = records_[index];
    record = {};
    record.connection = connection;
    record.family = static_cast<std::uint8_t>(family);
    flow::store_release(record.state, state);
    link(index);
    ++size_;
    return &record;
}

xvs_assistance* Assistances::find(net::Family family, std::uint32_t connection) noexcept {
    const SharingLock lock(mutex_);
    for (std::uint32_t index = head(family, connection); index != XVS_NONE; index = next_[index]) {
        xvs_assistance& record = records_[index];
        const bool is_same_family = record.family == static_cast<std::uint8_t>(family);
        if (is_same_family && record.connection == connection) return &record;
    }
    return nullptr;
}

void Assistances::remove(net::Family family, std::uint32_t connection) noexcept {
    const SharingLock lock(mutex_);
    for (std::uint32_t* place = &head(family, connection); *place != XVS_NONE;
         place = &next_[*place]) {
        const std::uint32_t index = *place;
        xvs_assistance& record = records_[index];
        const bool is_same_family = record.family == static_cast<std::uint8_t>(family);
        if (!is_same_family || record.connection != connection) continue;
        *place = next_[index];
        flow::store_release(record.state, 0U);
        next_[index] = free_;
        free_ = index;
        --size_;
        return;
    }
}

void Assistances::await_client() noexcept {
    const SharingLock lock(mutex_);
    flow::store_relaxed(awaited_, awaited_ + 1);
    if (awaited_ == 1) steering_.await_clients(true);
}

void Assistances::cease_to_await() noexcept {
    const SharingLock lock(mutex_);
    flow::store_relaxed(awaited_, awaited_ - 1);
    if (awaited_ == 0) steering_.await_clients(false);
}

}  // namespace xvs::engine
