// What access lists say of an address of either family; packets ask in words of their own family.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "engine/defend/access_lists.h"
#include "net/address.h"

namespace xvs::test {

inline std::optional<engine::DropReason> refusal(const engine::AccessLists& lists,
                                                 const engine::AccessList* list,
                                                 const net::IpAddress& client) {
    std::array<std::uint32_t, 4> words{};
    std::memcpy(words.data(), client.bytes().data(), sizeof(words));
    return client.family() == net::Family::Ipv4 ? lists.refusal(list, words[0])
                                                : lists.refusal(list, words);
}

}  // namespace xvs::test
