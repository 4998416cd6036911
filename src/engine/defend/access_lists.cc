#include "engine/defend/access_lists.h"

#include <cstring>

#include <fmt/format.h>

namespace xvs::engine {
namespace {

xvs_access_key make_key(const AccessList& list, const net::Prefix& prefix) noexcept {
    xvs_access_key key{};
    key.list = list.number;
    key.family = static_cast<std::uint8_t>(prefix.address.family());
    key.length = prefix.length;
    std::memcpy(key.address, prefix.address.bytes().data(), sizeof(key.address));
    return key;
}

// The lengths in use, the longest first; returns how many.
template <std::size_t Lengths>
std::uint8_t list_lengths(const std::array<std::uint32_t, Lengths>& counts,
                          __u8 (&lengths)[Lengths]) noexcept {
    std::uint8_t count = 0;
    for (std::size_t length = Lengths; length-- > 0;) {
        if (counts[length] != 0) lengths[count++] = static_cast<__u8>(length);
    }
    return count;
}

}  // namespace

Status AccessLists::add(AccessList& list,
                        const model::ServiceKey* service,
                        const model::AccessRule& rule) {
    if (auto made = make_slots(); !made) return made;
    const xvs_access_key key = make_key(list, rule.prefix);
    const auto action = static_cast<std::uint32_t>(rule.action);
    const std::uint32_t slot = find(key);
    if (slots_[slot].action != 0) {
        return fail(ErrorCode::AlreadyExists,
                    fmt::format("cannot {}: the list says {} already",
                                rule.to_string(),
                                slots_[slot].action == XVS_ACCESS_ALLOW ? "allow" : "deny"));
    }
    if (prefixes_ == XVS_MAX_ACCESS_PREFIXES) {
        return fail(ErrorCode::OutOfMemory,
                    fmt::format("cannot {}: there is room for {} prefixes in all lists together; a "
                                "shorter prefix may stand for many",
                                rule.to_string(),
                                XVS_MAX_ACCESS_PREFIXES));
    }
    // The prefix comes before what says that such are to be looked for: whoever is allowed by it is
    // not refused in between.
    if (auto told = steering_.set_access_prefix(key, action); !told) return told;
    if (auto told = count(list, service, key, action, +1); !told) {
        steering_.remove_access_prefix(key);
        return told;
    }
    slots_[slot] = {.key = key, .action = action, .reserved = 0};
    ++prefixes_;
    return {};
}

Status AccessLists::remove(AccessList& list,
                           const model::ServiceKey* service,
                           const model::AccessRule& rule) {
    const xvs_access_key key = make_key(list, rule.prefix);
    const std::uint32_t slot = slots_.empty() ? 0 : find(key);
    if (slots_.empty() || slots_[slot].action != static_cast<std::uint32_t>(rule.action)) {
        return fail(ErrorCode::NotFound, "no list says " + rule.to_string());
    }
    if (auto told = count(list, service, key, slots_[slot].action, -1); !told) return told;
    steering_.remove_access_prefix(key);
    erase(slot);
    --prefixes_;
    return {};
}

void AccessLists::clear(AccessList& list, const model::ServiceKey* service) {
    if (list.prefixes == 0) return;
    for (std::uint32_t slot = 0; slot < kSlots && list.prefixes > 0;) {
        const Slot& each = slots_[slot];
        if (each.action == 0 || each.key.list != list.number) {
            ++slot;
            continue;
        }
        static_cast<void>(count(list, service, each.key, each.action, -1));
        steering_.remove_access_prefix(each.key);
        erase(slot);
        --prefixes_;
    }
}

std::optional<DropReason> AccessLists::refusal(const AccessList* list,
                                               const std::array<std::uint32_t, 4>& client,
                                               std::uint8_t family) const noexcept {
    std::uint32_t outcome = decide(all_, client, family);
    if (outcome == XVS_ACCESS_SERVED && list != nullptr) outcome = decide(*list, client, family);
    if (outcome == XVS_ACCESS_SERVED) return std::nullopt;
    return outcome == XVS_ACCESS_DENIED ? DropReason::ClientDenied : DropReason::ClientNotAllowed;
}

// As why_refused_by() of steer_access.bpf.h.
std::uint32_t AccessLists::decide(const AccessList& list,
                                  const std::array<std::uint32_t, 4>& client,
                                  std::uint8_t family) const noexcept {
    if (list.prefixes == 0) return XVS_ACCESS_SERVED;
    const xvs_access_list& record = list.record;
    const std::uint8_t* const lengths = family == 4 ? record.lengths4 : record.lengths6;
    const std::size_t lengths_used = family == 4 ? record.count4 : record.count6;
    xvs_access_key key{};
    key.list = list.number;
    key.family = family;
    for (std::size_t each = 0; each < lengths_used; ++each) {
        xvs_access_cut(&key, client.data(), lengths[each]);
        const std::uint32_t action = slots_[find(key)].action;
        if (action == XVS_ACCESS_ALLOW) return XVS_ACCESS_SERVED;
        if (action == XVS_ACCESS_DENY) return XVS_ACCESS_DENIED;
    }
    return record.has_allowed != 0 ? XVS_ACCESS_NOT_ALLOWED : XVS_ACCESS_SERVED;
}

// Only an administrator chooses what is in the table, so that no key is needed.
std::uint32_t AccessLists::home(const xvs_access_key& key) noexcept {
    std::uint64_t words[sizeof(key) / sizeof(std::uint64_t)];
    static_assert(sizeof(words) == sizeof(key));
    std::memcpy(words, &key, sizeof(key));
    std::uint64_t hash = 0;
    for (const std::uint64_t word : words) {
        hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;
    }
    return static_cast<std::uint32_t>((hash * 0xd6e8feb86659fd93U) >> 32) % kSlots;
}

std::uint32_t AccessLists::find(const xvs_access_key& key) const noexcept {
    std::uint32_t slot = home(key);
    while (slots_[slot].action != 0 && std::memcmp(&slots_[slot].key, &key, sizeof(key)) != 0)
        slot = (slot + 1) % kSlots;
    return slot;
}

// What follows moves up where it would not be found any more.
void AccessLists::erase(std::uint32_t slot) noexcept {
    for (std::uint32_t next = (slot + 1) % kSlots; slots_[next].action != 0;
         next = (next + 1) % kSlots) {
        const std::uint32_t distance = (next - home(slots_[next].key)) % kSlots;
        if (distance < (next - slot) % kSlots) continue;
        slots_[slot] = slots_[next];
        slot = next;
    }
    slots_[slot] = {};
}

// The steering is told what changes beside the prefixes; if it cannot take that, nothing has
// changed.
Status AccessLists::count(AccessList& list,
                          const model::ServiceKey* service,
                          const xvs_access_key& key,
                          std::uint32_t action,
                          int by) {
    const auto change = static_cast<std::uint32_t>(by);
    AccessList changed = list;
    changed.prefixes += change;
    if (action == XVS_ACCESS_ALLOW) changed.allowed += change;
    if (key.family == 4) {
        changed.of_length4[key.length] += change;
    } else {
        changed.of_length6[key.length] += change;
    }
    changed.record = {};
    changed.record.has_allowed = changed.allowed != 0 ? 1 : 0;
    changed.record.count4 = list_lengths(changed.of_length4, changed.record.lengths4);
    changed.record.count6 = list_lengths(changed.of_length6, changed.record.lengths6);
    if (std::memcmp(&changed.record, &list.record, sizeof(changed.record)) != 0) {
        if (auto told = steering_.set_access_list(list.number, service, changed.record); !told) {
            return told;
        }
    }
    list = changed;
    return {};
}

// Pages that are not touched cost nothing.
Status AccessLists::make_slots() {
    if (!slots_.empty()) return {};
    const auto memory = storage_.allocate("access", sizeof(Slot), kSlots);
    if (!memory) {
        return fail(ErrorCode::OutOfMemory,
                    fmt::format("no memory for access lists: {} MiB are needed",
                                (sizeof(Slot) * kSlots) >> 20));
    }
    slots_ = std::span(reinterpret_cast<Slot*>(memory->data()), kSlots);
    return {};
}

}  // namespace xvs::engine
