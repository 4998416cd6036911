// Options: what xvsd is told on its command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/lookup/service_stock.h"
#include "host/kernel_router.h"
#include "net/address.h"
#include "xvsd/af_xdp.h"

namespace xvs::xvsd {

inline constexpr std::uint32_t kDefaultStock = 1024;  // decisions for each service

struct Options {
    std::vector<std::string> interfaces;  // empty: every layer-3 interface
    std::string state_directory;          // empty: by the network namespace
    std::string bpffs;                    // empty: where it usually is
    bool is_ephemeral = false;
    bool has_fast_path = true;      // established connections are replayed in the kernel
    std::uint32_t connections = 0;  // 0: by the memory of this machine
    std::uint32_t workers = 1;      // threads of the engine
    engine::ServiceStock::Depths stock{.turns = kDefaultStock, .counts = 32};  // turns 0: none
    std::chrono::seconds orphan_timeout{600};                                  // 0: never
    std::vector<net::Port> ftp_ports{net::Port{21}};  // of VIPs where FTP is spoken
    bool is_takeover = false;      // go on in the place of the daemon that runs here
    bool is_detach = false;        // client: hand everything back to the host, then end
    std::optional<double> wait_s;  // client: wait until the daemon is ready, then end
    // Interfaces whose attach point is set by hand: true for XDP, false for tc alone.
    std::map<std::string, bool> attach_at_xdp;
    AfXdpUse af_xdp = AfXdpUse::Auto;
    host::PeerRedirect peer_redirect = host::PeerRedirect::Auto;
    bool is_verbose = false;
};

// Parses the command line. Where that says all there is to do (--help, --version, a mistake),
// prints it and sets `exit_code`.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace xvs::xvsd
