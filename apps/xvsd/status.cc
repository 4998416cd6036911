#include "xvsd/status.h"

#include <fmt/format.h>
#include <unistd.h>

namespace xvs::xvsd {
namespace {

std::string survival(const DaemonStatus& status) {
    if (!status.not_pinned.empty()) return "end with the daemon: " + status.not_pinned;
    const char* who = status.no_fast_path.empty() ? "established ones go on" : "all wait";
    const std::string how_long =
        status.orphan_timeout_s != 0 ? fmt::format("{} s", status.orphan_timeout_s) : "for ever";
    return fmt::format(
        "outlive the daemon (pinned in {}): {}, new ones wait {}", status.pins, who, how_long);
}

std::string ports(const std::vector<net::Port>& ports) {
    std::string text;
    for (const net::Port each : ports)
        text += fmt::format("{}{}", text.empty() ? "" : ", ", net::number(each));
    return text.empty() ? "none" : text;
}

std::string access(const DaemonStatus& status) {
    if (status.access_prefixes == 0 && status.denied == 0 && status.not_allowed == 0)
        return "all clients";
    return fmt::format(
        "lists of {} prefixes, which refused packets: client-denied {}, "
        "client-not-allowed {}",
        status.access_prefixes,
        status.denied,
        status.not_allowed);
}

std::string fast_path(const DaemonStatus& status) {
    if (!status.no_fast_path.empty()) return "off: " + status.no_fast_path;
    if (status.full_rings == 0) return "on";
    return fmt::format("on; a CPU's reports filled their ring {} times", status.full_rings);
}

std::string stock_of(const DaemonStatus& status) {
    if (status.stock.turns == 0) return "off";
    const std::string by_counts = status.stock.counts > 1
                                      ? fmt::format("{} by counts", status.stock.counts)
                                      : "none by counts";
    return fmt::format("{} decisions a service, {}; {} connections begun in the kernel",
                       status.stock.turns,
                       by_counts,
                       status.drawn);
}

std::string room(const DaemonStatus& status) {
    std::string text = fmt::format("room for {} of each family", status.capacity);
    if (status.ended_for_room > 0)
        text += fmt::format("; {} half-open ones ended for others", status.ended_for_room);
    if (status.without_room > 0)
        text += fmt::format("; {} packets of new ones dropped for want of it", status.without_room);
    return text;
}

}  // namespace

std::string to_text(const DaemonStatus& status) {
    std::string interfaces;
    for (const std::string& interface : status.interfaces)
        interfaces += fmt::format("             {}\n", interface);
    return fmt::format(
        "xvsd {}, pid {}\n"
        "fast path:   {}\n"
        "stock:       {}\n"
        "workers:     {}\n"
        "FTP ports:   {}\n"
        "connections: {}, {}\n"
        "             {}\n"
        "services:    {}, kept in {}\n"
        "access:      {}\n"
        "interfaces:  {}, attached by {}\n"
        "{}",
        XVS_VERSION,
        ::getpid(),
        fast_path(status),
        stock_of(status),
        status.workers,
        ports(status.ftp_ports),
        status.connections,
        room(status),
        survival(status),
        status.services,
        status.state_directory,
        access(status),
        status.interfaces.size(),
        status.attached_by,
        interfaces);
}

}  // namespace xvs::xvsd
