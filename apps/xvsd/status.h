// What a running xvsd says of itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/lookup/service_stock.h"
#include "net/address.h"

namespace xvs::xvsd {

struct DaemonStatus {
    std::string no_fast_path;  // why there is none; empty: there is one
    std::string not_pinned;    // why connections end with the daemon; empty: they don't
    std::string pins;          // the directory on the BPF file system
    std::string state_directory;
    std::uint32_t orphan_timeout_s = 0;
    std::uint32_t workers = 1;
    std::vector<net::Port> ftp_ports;
    engine::ServiceStock::Depths stock{};  // decisions for each service
    std::uint64_t ended_for_room = 0;      // half-open connections
    std::uint64_t without_room = 0;        // packets of new connections that were dropped
    std::uint64_t full_rings = 0;          // reports found to fill their ring
    std::uint64_t drawn = 0;               // connections that programs have begun by them
    std::uint32_t connections = 0;         // of both families
    std::uint32_t capacity = 0;            // of each
    std::size_t services = 0;
    std::uint32_t access_prefixes = 0;
    std::uint64_t denied = 0;  // packets, by access lists
    std::uint64_t not_allowed = 0;
    const char* attached_by = "";
    std::vector<std::string> interfaces;  // with their attach points
};

[[nodiscard]] std::string to_text(const DaemonStatus& status);

}  // namespace xvs::xvsd
