#include "testing/server_book.h"

#include <utility>

#include <fmt/format.h>

namespace xvs::test {
namespace {

// Whether there is a real server that the packet which began the connection may have been given.
// One of port 0 takes any; what FTP announces leads to a port of the server's choice.
bool has_server(const Director& director, const model::ConnectionInfo& connection) {
    for (const engine::ServiceState* service : director.engine.services().in_order()) {
        for (const auto* each = service->destinations.first(); each; each = each->next) {
            const net::Endpoint& real = each->config.real;
            if (real.address != connection.real.address) continue;
            if ((connection.flags & model::kConnectionTemplate) != 0) return true;
            if (real.port == connection.real.port || real.port == net::Port{0}) return true;
            // DR and TUN leave the port as it came, and so does a service of any port.
            if (connection.real.port == connection.virtual_endpoint.port) return true;
        }
    }
    return false;
}

std::string line_of(const model::ConnectionInfo& info) {
    return fmt::format("{} {} {} {}",
                       static_cast<unsigned>(info.protocol),
                       info.client.to_string(),
                       info.virtual_endpoint.to_string(),
                       info.real.to_string());
}

// Whether each of `part` is at most that of `whole`.
bool is_within(const model::Counters& part, const model::Counters& whole) {
    return part.connections <= whole.connections && part.packets_in <= whole.packets_in &&
           part.packets_out <= whole.packets_out && part.bytes_in <= whole.bytes_in &&
           part.bytes_out <= whole.bytes_out;
}

void check_counters(const Director& director, std::string& problems) {
    model::Counters services;
    for (const engine::ServiceState* service : director.engine.services().in_order()) {
        model::Counters servers;
        for (const auto* each = service->destinations.first(); each; each = each->next)
            servers += director.engine.services().statistics(*each).counters;
        const model::Counters whole = director.statistics(*service).counters;
        if (!is_within(servers, whole))
            problems += service->config.key.to_string() + " counts less than its real servers\n";
        services += whole;
    }
    if (!is_within(services, director.total().counters))
        problems += "the director counts less than its services\n";
}

// How many packets had an end. Those that waited in vain for a neighbour count as forwarded.
std::uint64_t ended(const Director& director) {
    const engine::PacketTotals totals = director.engine.totals();
    std::uint64_t count = totals.forwarded + totals.to_host;
    for (const auto& [reason, dropped] : director.drops()) {
        const bool is_of_sending = reason == engine::DropReason::NeighbourUnresolved ||
                                   reason == engine::DropReason::NeighbourQueueFull;
        if (!is_of_sending) count += dropped;
    }
    return count;
}

}  // namespace

std::string ServerBook::check(Director& director) {
    std::string problems;
    check_connections(director, problems);
    if (!is_zeroed_) check_counters(director, problems);
    if (ended(director) > director.engine.totals().received)
        problems += "more packets went than came\n";
    return problems;
}

void ServerBook::check_connections(Director& director, std::string& problems) {
    std::set<std::string> now;
    std::set<net::IpAddress> servers;
    for (const model::ConnectionInfo& info : director.connection_infos()) {
        const std::string line = line_of(info);
        now.insert(line);
        servers.insert(info.real.address);
        if (known_.contains(line) || has_server(director, info)) continue;
        // FTP's data go to where the control connection goes, whoever serves there now.
        const bool is_data = had_.contains(info.real.address) && info.real.port != net::Port{80} &&
                             info.real.port != net::Port{8080};
        const bool is_bypass = (info.flags & engine::kConnectionMethodMask) ==
                               static_cast<std::uint32_t>(model::ForwardingMethod::Bypass);
        if (!is_data && !is_bypass)
            problems += "a connection to a server that does not exist: " + line + "\n";
    }
    known_ = std::move(now);
    had_ = std::move(servers);
}

std::string ServerBook::check_end(const Director& director) {
    const std::uint64_t came = director.engine.totals().received;
    const std::uint64_t went = ended(director);
    if (came == went) return {};
    return fmt::format("{} packets came and {} went\n", came, went);
}

}  // namespace xvs::test
