// AccessLists: which clients are served, for all services and for single ones, by longest prefix.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "engine/drop_reason.h"
#include "engine/steering.h"
#include "flow/access_list.h"
#include "flow/storage.h"
#include "model/access_rule.h"

namespace xvs::engine {

// What a list says beside its prefixes, which lie in the table of all.
struct AccessList {
    std::uint32_t number = XVS_ACCESS_OF_ALL;
    xvs_access_list record{};
    std::uint32_t prefixes = 0;
    std::uint32_t allowed = 0;
    std::array<std::uint32_t, 33> of_length4{};
    std::array<std::uint32_t, 129> of_length6{};
};

// A list's prefixes are looked up length by length, so that a decision costs one look-up for each
// length in use, be there ten prefixes or a hundred thousand. Thread: changed under the gates of
// all workers; a worker asks.
class AccessLists {
public:
    // `steering`, which must outlive it, is told the same.
    explicit AccessLists(Steering& steering) noexcept : steering_(steering) {}

    [[nodiscard]] bool is_empty() const noexcept { return prefixes_ == 0; }

    [[nodiscard]] std::uint32_t prefixes() const noexcept { return prefixes_; }

    // The list for all services.
    [[nodiscard]] AccessList& all() noexcept { return all_; }

    // AlreadyExists where the list has the prefix, be it allowed or denied; OutOfMemory. `service`
    // is whose list it is, or nullptr.
    Status add(AccessList& list, const model::ServiceKey* service, const model::AccessRule& rule);

    // NotFound where the list has no such prefix, or does the other thing with it.
    Status remove(AccessList& list,
                  const model::ServiceKey* service,
                  const model::AccessRule& rule);

    // Cost: as many slots as there may be prefixes, twice over, where there are any.
    void clear(AccessList& list, const model::ServiceKey* service);

    // Returns why a client is refused that goes by the list for all and, if it is not nullptr,
    // another; nullopt: it is served. Takes an address as a FlowKey has it, in wire order.
    [[nodiscard]] std::optional<DropReason> refusal(const AccessList* list,
                                                    std::uint32_t client) const noexcept {
        return refusal(list, std::array<std::uint32_t, 4>{client}, 4);
    }

    [[nodiscard]] std::optional<DropReason> refusal(
        const AccessList* list, const std::array<std::uint32_t, 4>& client) const noexcept {
        return refusal(list, client, 6);
    }

private:
    struct Slot {
        xvs_access_key key;
        std::uint32_t action;  // 0: free
        std::uint32_t reserved;
    };

    // At most half of them are used.
    static constexpr std::uint32_t kSlots = XVS_MAX_ACCESS_PREFIXES * 2;

    [[nodiscard]] std::optional<DropReason> refusal(const AccessList* list,
                                                    const std::array<std::uint32_t, 4>& client,
                                                    std::uint8_t family) const noexcept;
    [[nodiscard]] std::uint32_t decide(const AccessList& list,
                                       const std::array<std::uint32_t, 4>& client,
                                       std::uint8_t family) const noexcept;
    [[nodiscard]] static std::uint32_t home(const xvs_access_key& key) noexcept;
    // The slot of a key, or a free one.
    [[nodiscard]] std::uint32_t find(const xvs_access_key& key) const noexcept;
    void erase(std::uint32_t slot) noexcept;
    Status count(AccessList& list,
                 const model::ServiceKey* service,
                 const xvs_access_key& key,
                 std::uint32_t action,
                 int by);
    Status make_slots();

    Steering& steering_;
    flow::PrivateStorage storage_;
    std::span<Slot> slots_;  // none until there is a prefix
    AccessList all_;
    std::uint32_t prefixes_ = 0;
};

}  // namespace xvs::engine
