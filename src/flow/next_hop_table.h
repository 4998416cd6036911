// NextHopTable: the neighbours through which packets leave, as Linux resolves them.
#pragma once

#include <cstring>

#include "flow/record_table.h"
#include "net/address.h"

namespace xvs::flow {

// Written from rtnetlink under the gates of all workers; new records by a worker that asks for a
// way. A record is changed in place as long as it is the way to the same gateway on the same
// interface; another way is another record, or invalidate().
class NextHopTable final : public RecordTable<xvs_next_hop> {
public:
    using RecordTable::RecordTable;

    // The neighbour's MAC and the interface's own. The record is unresolved while they change, and
    // counts the change: a reader that copies them looks at the flags before and after.
    void resolve(std::uint32_t index,
                 const net::MacAddress& neighbour,
                 const net::MacAddress& own) noexcept {
        xvs_next_hop& hop = (*this)[index];
        unresolve(index);
        copy(hop.mac_destination, neighbour);
        copy(hop.mac_source, own);
        const unsigned changes = (hop.flags + XVS_HOP_CHANGE) & XVS_HOP_CHANGES;
        const unsigned others = hop.flags & ~XVS_HOP_CHANGES;
        store_release(hop.flags, static_cast<__u8>(others | changes | XVS_HOP_RESOLVED));
    }

    void unresolve(std::uint32_t index) noexcept {
        xvs_next_hop& hop = (*this)[index];
        store_release(hop.flags, static_cast<__u8>(hop.flags & ~XVS_HOP_RESOLVED));
    }

private:
    static void copy(__u8 (&to)[net::MacAddress::kSize], const net::MacAddress& mac) noexcept {
        for (std::size_t i = 0; i < net::MacAddress::kSize; ++i)
            store_release(to[i], static_cast<__u8>(mac.bytes()[i]));
    }
};

}  // namespace xvs::flow
