// Options: what xvsd is told on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/kernel_router.h"

namespace xvs::xvsd {

struct Options {
    std::vector<std::string> interfaces;  // empty: every layer-3 interface
    std::string state_directory = "/var/lib/xvs";
    bool is_ephemeral = false;
    bool has_fast_path = true;      // established connections are replayed in the kernel
    std::uint32_t connections = 0;  // 0: by the memory of this machine
    std::optional<double> wait_s;   // client: wait until the daemon is ready, then end
    host::PeerRedirect peer_redirect = host::PeerRedirect::Auto;
    bool is_verbose = false;
};

// Parses the command line. Where that says all there is to do (--help, --version, a mistake),
// prints it and sets `exit_code`.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace xvs::xvsd
