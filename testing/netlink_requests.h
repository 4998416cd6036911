// NetlinkRequests: requests to xvsd's netlink port out of a stream of bytes, valid ones, half-valid
// ones and hostile ones.
#pragma once

#include <cstdint>
#include <functional>

#include "control/netlink/wire.h"
#include "model/virtual_service.h"

namespace xvs::test {

class NetlinkRequests {
public:
    // `draw` returns the next byte. Well-formed requests are about the services of `owner`, which
    // are its alone.
    NetlinkRequests(std::function<unsigned()> draw, std::uint8_t owner)
        : draw_(std::move(draw)), owner_(owner) {}

    // Returns a message with that sequence number, or what is left of one.
    [[nodiscard]] control::netlink::Buffer next(std::uint32_t sequence);

    // Whether the daemon's answer, and what it has afterwards, is the owner's business alone.
    [[nodiscard]] bool concerns_owner_alone(control::netlink::Bytes message) const;

private:
    [[nodiscard]] unsigned below(unsigned limit) { return draw_() % limit; }

    [[nodiscard]] bool owns(const model::ServiceKey& key) const;
    [[nodiscard]] model::ServiceKey service_key();
    [[nodiscard]] model::VirtualService service();
    [[nodiscard]] control::netlink::Buffer well_formed(std::uint32_t sequence);
    void put_arguments(control::netlink::MessageWriter& writer, unsigned command);
    void put_service(control::netlink::MessageWriter& writer);
    void put_destination(control::netlink::MessageWriter& writer, net::Family family);
    void damage(control::netlink::Buffer& message);

    std::function<unsigned()> draw_;
    std::uint8_t owner_;
};

}  // namespace xvs::test
