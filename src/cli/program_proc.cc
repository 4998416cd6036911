// --proc NAME: what the kernel's IPVS shows under /proc/net.
#include <ostream>

#include <fmt/format.h>

#include "cli/program.h"
#include "control/proc_text.h"

namespace xvs::cli {
namespace {

constexpr std::string_view kFiles =
    "ip_vs, ip_vs_stats, ip_vs_stats_percpu, ip_vs_conn, ip_vs_conn_sync";

}  // namespace

Outcome<int> Program::proc(const std::vector<std::string>& words) {
    const std::string file = words.size() == 2 ? words[1] : std::string();
    if (file == "ip_vs") return proc_services();
    if (file == "ip_vs_conn") {
        return proc_connections(control::proc_connections_heading(), control::proc_connection);
    }
    if (file == "ip_vs_conn_sync") {
        return proc_connections(control::proc_synced_heading(), control::proc_synced);
    }
    if (file == "ip_vs_stats" || file == "ip_vs_stats_percpu") {
        const auto info = client_->info();
        if (!info) return list_failed(Operation::Other, info.error());
        streams_.out << (file == "ip_vs_stats" ? control::proc_statistics(info->total)
                                               : control::proc_statistics_by_cpu(info->total));
        return 0;
    }
    return usage_error(fmt::format("{}: --proc takes one of {}", name_, kFiles));
}

Outcome<int> Program::proc_services() {
    const auto info = client_->info();
    if (!info) return list_failed(Operation::Other, info.error());
    const auto services = client_->services();
    if (!services) return list_failed(Operation::Other, services.error());
    streams_.out << control::proc_heading(info->version, info->table_size);
    const auto status = for_each_listed(*services, [&](const auto& each, const auto& destinations) {
        streams_.out << control::proc_service(each.service, destinations);
    });
    if (!status) return list_failed(Operation::Other, status.error());
    return 0;
}

Outcome<int> Program::proc_connections(
    const std::string& heading,
    const std::function<std::string(const model::ConnectionInfo&)>& line) {
    streams_.out << heading;
    const Status status = client_->for_each_connection(
        [&](const model::ConnectionInfo& connection) { streams_.out << line(connection); });
    if (!status) return list_failed(Operation::Other, status.error());
    return 0;
}

}  // namespace xvs::cli
