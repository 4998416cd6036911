// What the kernel's IPVS shows under /proc/net, in its columns: for programs that read those files.
//
// Services and real servers stand in the order of the director's listing. Times of services are in
// ticks of 1/100 s, which the kernel's depend on how it was built.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/service_manager.h"
#include "model/connection.h"

namespace xvs::control {

// ip_vs: the heading, then each service with its real servers.
[[nodiscard]] std::string proc_heading(std::uint32_t version, std::uint32_t table_size);
[[nodiscard]] std::string proc_service(const model::VirtualService& service,
                                       const std::vector<DestinationStatus>& destinations);

// ip_vs_stats, ip_vs_stats_percpu. The director counts for all CPUs at once, which stand as one.
[[nodiscard]] std::string proc_statistics(const model::Statistics& total);
[[nodiscard]] std::string proc_statistics_by_cpu(const model::Statistics& total);

// ip_vs_conn, ip_vs_conn_sync: the heading, then each connection.
[[nodiscard]] std::string proc_connections_heading();
[[nodiscard]] std::string proc_connection(const model::ConnectionInfo& connection);
[[nodiscard]] std::string proc_synced_heading();
[[nodiscard]] std::string proc_synced(const model::ConnectionInfo& connection);

}  // namespace xvs::control
