// What a director has done with packets, as log lines.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "flow/access_list.h"
#include "xvsd/packet_ports.h"

namespace xvs::xvsd {

// What the steering program has refused is among them: `refusals` as of SteeringProgram.
// One line of totals, then one for each reason for which a packet was dropped or did not leave.
// Thread: under the gates of all workers.
[[nodiscard]] std::vector<std::string> report_packets(
    engine::Engine& engine,
    PacketPorts& ports,
    const std::array<std::uint64_t, XVS_ACCESS_REFUSALS>& refusals);

}  // namespace xvs::xvsd
