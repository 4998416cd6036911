// What a director has done with packets, as log lines.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "xvsd/packet_ports.h"

namespace xvs::xvsd {

// One line of totals, then one for each reason for which a packet was dropped or did not leave.
// Thread: under the gates of all workers.
[[nodiscard]] std::vector<std::string> report_packets(engine::Engine& engine, PacketPorts& ports);

}  // namespace xvs::xvsd
