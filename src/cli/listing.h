// The tables that ipvsadm -L prints, and the lines of -S.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "control/service_manager.h"
#include "model/connection.h"

namespace xvs::cli {

enum class Layout { Plain, Statistics, Rate, Thresholds, PersistentConnections, TunnelInfo, Rules };

struct Format {
    Layout layout = Layout::Plain;
    bool numeric = false;
    bool exact = false;  // no K, M, G, T
    bool sorted = true;
    bool persistence_columns = false;  // of connections

    [[nodiscard]] static Format of(const Command& command);
};

struct ListedService {
    control::ServiceStatus status;
    std::vector<control::DestinationStatus> destinations;
};

// "-t 192.0.2.1:80", "-f 7 -6". A mark above INT_MAX comes out negative, as from ipvsadm.
[[nodiscard]] std::string service_option(const model::ServiceKey& key, bool numeric);

// "IP Virtual Server version 1.2.1 (size=4096)"
[[nodiscard]] std::string version_line(std::uint32_t version, std::uint32_t table_size);

[[nodiscard]] std::string table_header(const Format& format);

// A service and its destinations.
[[nodiscard]] std::string service_text(const ListedService& service, const Format& format);

// In ipvsadm's order; destinations likewise by sort_destinations().
void sort_services(std::vector<control::ServiceStatus>& services);
void sort_destinations(std::vector<control::DestinationStatus>& destinations);

[[nodiscard]] std::string connections_header(const Format& format);
[[nodiscard]] std::string connection_text(const model::ConnectionInfo& connection,
                                          const Format& format);

[[nodiscard]] std::string timeouts_text(const model::Timeouts& timeouts);
[[nodiscard]] std::string daemon_text(const model::SyncDaemon& daemon);

}  // namespace xvs::cli
