#include "control/proc_text.h"

#include <fmt/format.h>

#include "model/names.h"

namespace xvs::control {
namespace {

constexpr std::uint32_t kTicksPerSecond = 100;
// Kernel: IP_VS_CONN_F_SYNC, a connection that another director told of.
constexpr std::uint32_t kSynced = 0x20;

// All 39 characters of an IPv6 address.
std::string address_text(const net::IpAddress& address) {
    if (address.family() == net::Family::Ipv4) return fmt::format("{:08X}", address.v4().value());
    std::string text;
    for (std::size_t at = 0; at < address.bytes().size(); ++at) {
        if (at > 0 && at % 2 == 0) text += ':';
        text += fmt::format("{:02x}", std::to_integer<unsigned>(address.bytes()[at]));
    }
    return text;
}

std::string endpoint_text(const net::Endpoint& endpoint) {
    const std::string address = address_text(endpoint.address);
    const auto port = net::number(endpoint.port);
    return endpoint.address.family() == net::Family::Ipv4
               ? fmt::format("{}:{:04X}", address, port)
               : fmt::format("[{}]:{:04X}", address, port);
}

// Kernel: ip_vs_info_seq_show(), which says "ops" of no IPv6 service.
std::string service_line(const model::VirtualService& service) {
    const model::ServiceKey& key = service.key;
    const bool is_one_packet = (service.flags & model::kServiceOnePacket) != 0;
    const char* const ops = is_one_packet ? "ops " : "";
    if (key.fwmark != 0)
        return fmt::format("FWM  {:08X} {} {}", key.fwmark, service.scheduler, ops);
    const std::string line = fmt::format("{}  {} {} ",
                                         model::protocol_name(key.protocol),
                                         endpoint_text({.address = key.address, .port = key.port}),
                                         service.scheduler);
    return key.family() == net::Family::Ipv4 ? line + ops + ' ' : line;
}

std::uint32_t mask_number(const model::VirtualService& service) {
    // Kernel: a prefix length is printed as if it were in network order.
    return service.key.family() == net::Family::Ipv4 ? service.persistence_mask
                                                     : __builtin_bswap32(service.persistence_mask);
}

std::string counters_line(const model::Counters& counters) {
    return fmt::format("{:>8X} {:>8X} {:>8X} {:>16X} {:>16X}\n",
                       counters.connections,
                       counters.packets_in,
                       counters.packets_out,
                       counters.bytes_in,
                       counters.bytes_out);
}

std::string rates_line(const model::Rates& rates) {
    return fmt::format("{:>8X} {:>8X} {:>8X} {:>16X} {:>16X}\n",
                       rates.connections,
                       rates.packets_in,
                       rates.packets_out,
                       rates.bytes_in,
                       rates.bytes_out);
}

std::string connection_columns(const model::ConnectionInfo& connection) {
    const auto both = [](const net::Endpoint& endpoint) {
        return fmt::format("{} {:04X}", address_text(endpoint.address), net::number(endpoint.port));
    };
    return fmt::format("{:<3} {} {} {} {:<11} ",
                       model::protocol_name(connection.protocol),
                       both(connection.client),
                       both(connection.virtual_endpoint),
                       both(connection.real),
                       model::state_name(connection));
}

}  // namespace

std::string proc_heading(std::uint32_t version, std::uint32_t table_size) {
    return fmt::format(
        "IP Virtual Server version {}.{}.{} (size={})\n"
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n",
        version >> 16 & 0xff,
        version >> 8 & 0xff,
        version & 0xff,
        table_size);
}

std::string proc_service(const model::VirtualService& service,
                         const std::vector<DestinationStatus>& destinations) {
    std::string text = service_line(service);
    if ((service.flags & model::kServicePersistent) != 0) {
        text += fmt::format("persistent {} {:08X}",
                            service.persistence_timeout_s * kTicksPerSecond,
                            mask_number(service));
    }
    text += '\n';
    for (const DestinationStatus& each : destinations) {
        text += fmt::format("  -> {}      {:<7} {:<6} {:<10} {:<10}\n",
                            endpoint_text(each.destination.real),
                            model::method_name(each.destination.method),
                            each.destination.weight,
                            each.active_connections,
                            each.inactive_connections);
    }
    return text;
}

std::string proc_statistics(const model::Statistics& total) {
    return "   Total Incoming Outgoing         Incoming         Outgoing\n"
           "   Conns  Packets  Packets            Bytes            Bytes\n" +
           counters_line(total.counters) +
           "\n Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n" +
           rates_line(total.rates);
}

std::string proc_statistics_by_cpu(const model::Statistics& total) {
    return "       Total Incoming Outgoing         Incoming         Outgoing\n"
           "CPU    Conns  Packets  Packets            Bytes            Bytes\n"
           "  0 " +
           counters_line(total.counters) + "  ~ " + counters_line(total.counters) +
           "\n     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n    " +
           rates_line(total.rates);
}

std::string proc_connections_heading() {
    return "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";
}

std::string proc_connection(const model::ConnectionInfo& connection) {
    std::string text =
        connection_columns(connection) + fmt::format("{:>7}", connection.expires_in_s);
    if (!connection.persistence_engine.empty()) {
        text += fmt::format(" {} {}", connection.persistence_engine, connection.persistence_data);
    }
    return text + '\n';
}

std::string proc_synced_heading() {
    return "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n";
}

std::string proc_synced(const model::ConnectionInfo& connection) {
    return connection_columns(connection) +
           fmt::format("{:<6} {:>7}\n",
                       (connection.flags & kSynced) != 0 ? "SYNC" : "LOCAL",
                       connection.expires_in_s);
}

}  // namespace xvs::control
