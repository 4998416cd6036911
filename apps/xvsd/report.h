// What a director has done with packets, as log lines.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "io/xdp_port.h"

namespace xvs::xvsd {

// One line of totals, then one for each reason for which a packet was dropped or did not leave.
// Thread: under the worker's gate.
[[nodiscard]] std::vector<std::string> report_packets(engine::Engine& engine, io::XdpPort& port);

}  // namespace xvs::xvsd
