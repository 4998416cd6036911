// Assistant: reads what the two ends of a control connection say to each other, and has the
// director ready for the further connections that they agree on. One class an application protocol:
// the pipeline knows none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flow/layout.h"
#include "model/virtual_service.h"
#include "net/address.h"

namespace xvs::engine {

// xvs_stream.phase, as far as it is not the assistant's own.
inline constexpr std::uint8_t kPhaseLost = 0;   // somewhere within what was not read
inline constexpr std::uint8_t kPhaseBegin = 1;  // where something new begins

// Who speaks on a control connection.
struct ControlEnds {
    net::IpAddress client;
    net::IpAddress vip;
    net::IpAddress real;
    bool is_established = false;  // else what is said has no consequences
};

// What an assistant may have the director ready for. Each returns false when there is no room.
class Expectations {
public:
    Expectations() = default;
    Expectations(const Expectations&) = delete;
    Expectations& operator=(const Expectations&) = delete;
    virtual ~Expectations() = default;

    // The client will connect from any port to `port` of the VIP, and is to reach the same port of
    // the real server.
    virtual bool expect_passive(net::Port port) noexcept = 0;

    // The real server will connect to `port` of the client, from the port below its own, and is to
    // be seen as the VIP.
    virtual bool expect_active(net::Port port) noexcept = 0;
};

// Thread: any worker, each with connections of its own. Nothing allocates or throws.
class Assistant {
public:
    Assistant() = default;
    Assistant(const Assistant&) = delete;
    Assistant& operator=(const Assistant&) = delete;
    virtual ~Assistant() = default;

    // XVS_ROLE_*, by which a connection names it.
    [[nodiscard]] virtual std::uint8_t role() const noexcept = 0;

    // Whether a NAT connection to this port of a VIP is for it.
    [[nodiscard]] virtual bool is_for(model::Protocol protocol,
                                      net::Port virtual_port) const noexcept = 0;

    // Reads the next bytes of the client, from `record.client.next` on. Returns false when
    // something was expected that there is no room for: then the bytes come again, and `record`
    // must be as before, for which whoever calls cares.
    virtual bool read_client(xvs_assistance& record,
                             const ControlEnds& ends,
                             std::span<const std::byte> bytes,
                             Expectations& expectations) noexcept = 0;

    // The same of the real server, whose bytes may be exchanged for others (StreamEdits).
    virtual bool read_server(xvs_assistance& record,
                             const ControlEnds& ends,
                             std::span<const std::byte> bytes,
                             Expectations& expectations) noexcept = 0;
};

}  // namespace xvs::engine
