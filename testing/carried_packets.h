// CarriedPackets: what left through tunnels of late, and what routers on the way say of it.
#pragma once

#include <vector>

#include "testing/director.h"
#include "testing/packet.h"
#include "testing/script_bytes.h"

namespace xvs::test {

class CarriedPackets {
public:
    // `sent` as it was decoded; nothing happens unless it went through a tunnel.
    void remember(const Sent& sent, const Packet& decoded);

    [[nodiscard]] bool is_empty() const { return packets_.empty(); }

    // An ICMP error about one of them, of any kind, that quotes as much as the script says. With
    // `has_damage` the quoted bytes may be others. REQUIRES: !is_empty().
    [[nodiscard]] Packet error(ScriptBytes& script, bool has_damage) const;

private:
    struct Carried {
        Bytes packet;
        net::IpAddress source;
        net::IpAddress destination;
    };

    std::vector<Carried> packets_;
    std::size_t next_ = 0;
};

}  // namespace xvs::test
