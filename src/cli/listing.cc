#include "cli/listing.h"

#include <fmt/format.h>

#include "cli/resolver.h"
#include "cli/scheduler_flags.h"
#include "model/names.h"

namespace xvs::cli {

namespace {

constexpr std::size_t kServiceColumn = 33;
constexpr std::size_t kDestinationColumn = 28;

// Long names are cut to their column, but those of IPv6.
std::string cut(const std::string& name, net::Family family, std::size_t column) {
    return family == net::Family::Ipv4 ? name.substr(0, column) : name;
}

// "TCP  192.0.2.1:80", "FWM  7 IPv6".
std::string service_name(const model::ServiceKey& key, bool numeric) {
    if (key.fwmark != 0) {
        return fmt::format("FWM  {}{}",
                           static_cast<std::int32_t>(key.fwmark),
                           key.family() == net::Family::Ipv6 ? " IPv6" : "");
    }
    const bool known = key.protocol == model::Protocol::Tcp ||
                       key.protocol == model::Protocol::Udp ||
                       key.protocol == model::Protocol::Sctp;
    const std::string name = fmt::format(
        "{:<4} {}",
        known ? model::protocol_name(key.protocol) : "?",
        endpoint_text({.address = key.address, .port = key.port}, key.protocol, numeric));
    return cut(name, key.family(), kServiceColumn);
}

std::string mask_text(const model::VirtualService& service) {
    if (service.key.family() == net::Family::Ipv4) {
        if (service.persistence_mask == 0xffffffff) return {};
        return net::Ipv4Address(service.persistence_mask).to_string();
    }
    return service.persistence_mask == 128 ? std::string()
                                           : std::to_string(service.persistence_mask);
}

std::string rule_text(const model::VirtualService& service, bool numeric) {
    std::string text =
        fmt::format("-A {} -s {}", service_option(service.key, numeric), service.scheduler);
    if ((service.flags & model::kServicePersistent) != 0) {
        text += fmt::format(" -p {}", service.persistence_timeout_s);
        if (const auto mask = mask_text(service); !mask.empty()) text += " -M " + mask;
    }
    if (!service.persistence_engine.empty()) text += " --pe " + service.persistence_engine;
    if ((service.flags & model::kServiceOnePacket) != 0) text += " -o";
    const auto flags = scheduler_flags_text(service.scheduler, service.flags);
    if (!flags.empty()) text += " -b " + flags;
    if (service.clamps_mss) text += " --mss-clamp";
    return text + '\n';
}

std::string line_text(const model::VirtualService& service, bool numeric) {
    std::string text = fmt::format("{} {}", service_name(service.key, numeric), service.scheduler);
    text += listed_scheduler_flags(service.scheduler, service.flags);
    if ((service.flags & model::kServicePersistent) != 0) {
        text += fmt::format(" persistent {}", service.persistence_timeout_s);
        if (const auto mask = mask_text(service); !mask.empty()) text += " mask " + mask;
        if (!service.persistence_engine.empty()) text += " pe " + service.persistence_engine;
    }
    if ((service.flags & model::kServiceOnePacket) != 0) text += " ops";
    if (service.clamps_mss) text += " mss-clamp";
    return text + '\n';
}

// Nine columns; large numbers lose digits to K, M, G, T.
std::string number_text(std::uint64_t number, bool exact) {
    if (exact) {
        const std::string digits = std::to_string(number);
        return digits.size() <= 8 ? fmt::format("{:>9}", digits) : " " + digits;
    }

    struct Unit {
        std::uint64_t below;
        std::uint64_t divisor;
        char letter;
    };

    static constexpr Unit kUnits[] = {{1'000'000'000ULL, 1'000ULL, 'K'},
                                      {100'000'000'000ULL, 1'000'000ULL, 'M'},
                                      {100'000'000'000'000ULL, 1'000'000'000ULL, 'G'}};
    if (number < 100'000'000ULL) return fmt::format("{:>9}", number);
    for (const auto& unit : kUnits) {
        if (number < unit.below) return fmt::format("{:>8}{}", number / unit.divisor, unit.letter);
    }
    return fmt::format("{:>8}T", number / 1'000'000'000'000ULL);
}

template <class Five>
std::string numbers_text(const Five& numbers, bool exact, bool exact_packets) {
    return number_text(numbers.connections, exact_packets) +
           number_text(numbers.packets_in, exact_packets) +
           number_text(numbers.packets_out, exact_packets) + number_text(numbers.bytes_in, exact) +
           number_text(numbers.bytes_out, exact) + '\n';
}

std::string statistics_text(const model::Statistics& statistics,
                            const Format& format,
                            bool of_destination) {
    if (format.layout == Layout::Statistics) {
        return numbers_text(statistics.counters, format.exact, format.exact);
    }
    // ipvsadm never shortens a destination's connections and packets a second.
    return numbers_text(statistics.rates, format.exact, format.exact || of_destination);
}

std::string tunnel_rule(const model::TunnelOptions& tunnel) {
    static constexpr std::string_view kChecksum[] = {"nocsum", "csum", "remcsum"};
    const std::string_view checksum = kChecksum[std::min<std::size_t>(tunnel.flags, 2)];
    switch (tunnel.type) {
        case model::TunnelType::Ipip:
            return " --tun-type ipip";
        case model::TunnelType::Gue:
            return fmt::format(
                " --tun-type gue --tun-port {} --tun-{}", net::number(tunnel.port), checksum);
        case model::TunnelType::Gre:
            return fmt::format(" --tun-type gre --tun-{}", checksum);
    }
    return {};
}

std::string tunnel_info(const model::Destination& destination) {
    static constexpr std::string_view kChecksum[] = {"-c", "c", "r"};
    const auto& tunnel = destination.tunnel;
    const std::string_view checksum = kChecksum[std::min<std::size_t>(tunnel.flags, 2)];
    if (destination.method != model::ForwardingMethod::Tunnel) return "n/a";
    switch (tunnel.type) {
        case model::TunnelType::Ipip:
            return "ipip";
        case model::TunnelType::Gue:
            return fmt::format("gue:{}:{}", net::number(tunnel.port), checksum);
        case model::TunnelType::Gre:
            return fmt::format("gre:{}", checksum);
    }
    return {};
}

std::string_view method_option(model::ForwardingMethod method) {
    switch (method) {
        case model::ForwardingMethod::Masquerade:
            return "-m";
        case model::ForwardingMethod::Tunnel:
            return "-i";
        case model::ForwardingMethod::FullNat:
            return "--fullnat";
        default:
            return "-g";
    }
}

// A mark is of no protocol whose ports would have names.
model::Protocol named_protocol(const model::ServiceKey& key) {
    return key.fwmark != 0 ? model::Protocol::Ip : key.protocol;
}

std::string destination_text(const control::DestinationStatus& status,
                             const model::ServiceKey& key,
                             const Format& format) {
    const auto& destination = status.destination;
    std::string real = endpoint_text(destination.real, named_protocol(key), format.numeric);
    if (format.layout != Layout::Rules) {
        real = cut(real, destination.real.address.family(), kDestinationColumn);
    }
    const std::string connections =
        fmt::format("{:<10} {:<10}\n", status.active_connections, status.inactive_connections);
    const std::string_view method = model::method_name(destination.method);
    switch (format.layout) {
        case Layout::Rules:
            return fmt::format("-a {} -r {} {} -w {}{}\n",
                               service_option(key, format.numeric),
                               real,
                               method_option(destination.method),
                               destination.weight,
                               destination.method == model::ForwardingMethod::Tunnel
                                   ? tunnel_rule(destination.tunnel)
                                   : "");
        case Layout::Statistics:
        case Layout::Rate:
            return fmt::format("  -> {:<28}", real) +
                   statistics_text(status.statistics, format, true);
        case Layout::Thresholds:
            return fmt::format("  -> {:<28} {:<10} {:<10} {}",
                               real,
                               destination.upper_threshold,
                               destination.lower_threshold,
                               connections);
        case Layout::PersistentConnections:
            return fmt::format("  -> {:<28} {:<9} {:<11} {}",
                               real,
                               destination.weight,
                               status.persistent_connections,
                               connections);
        case Layout::TunnelInfo:
            return fmt::format("  -> {:<28} {:<7} {:<13} {:<6} {}",
                               real,
                               method,
                               tunnel_info(destination),
                               destination.weight,
                               connections);
        case Layout::Plain:
            break;
    }
    return fmt::format("  -> {:<28} {:<7} {:<6} {}", real, method, destination.weight, connections);
}

}  // namespace

std::string service_option(const model::ServiceKey& key, bool numeric) {
    if (key.fwmark != 0) {
        return fmt::format("-f {}{}",
                           static_cast<std::int32_t>(key.fwmark),
                           key.family() == net::Family::Ipv6 ? " -6" : "");
    }
    const std::string endpoint =
        endpoint_text({.address = key.address, .port = key.port}, key.protocol, numeric);
    switch (key.protocol) {
        case model::Protocol::Tcp:
            return "-t " + endpoint;
        case model::Protocol::Udp:
            return "-u " + endpoint;
        case model::Protocol::Sctp:
            return "--sctp-service " + endpoint;
        case model::Protocol::Ip:
            break;
    }
    return "--xxx-service " + endpoint;
}

Format Format::of(const Command& command) {
    const auto& options = command.options;
    Format format{.layout = Layout::Plain,
                  .numeric = options.has(Option::Numeric),
                  .exact = options.has(Option::Exact),
                  .sorted = !options.has(Option::NoSort),
                  .persistence_columns = options.has(Option::PersistentConnections)};
    // Several of them at once: ipvsadm shows the first of this list.
    if (command.verb == Verb::Save)
        format.layout = Layout::Rules;
    else if (options.has(Option::Statistics))
        format.layout = Layout::Statistics;
    else if (options.has(Option::Rate))
        format.layout = Layout::Rate;
    else if (options.has(Option::Thresholds))
        format.layout = Layout::Thresholds;
    else if (options.has(Option::PersistentConnections)) {
        format.layout = Layout::PersistentConnections;
    } else if (options.has(Option::TunnelInfo))
        format.layout = Layout::TunnelInfo;
    return format;
}

std::string version_line(std::uint32_t version, std::uint32_t table_size) {
    return fmt::format("IP Virtual Server version {}.{}.{} (size={})\n",
                       version >> 16 & 0xff,
                       version >> 8 & 0xff,
                       version & 0xff,
                       table_size);
}

std::string table_header(const Format& format) {
    static constexpr std::string_view kSecond = "  -> RemoteAddress:Port\n";
    switch (format.layout) {
        case Layout::Rules:
            return {};
        case Layout::Statistics:
            return fmt::format("{:<33}{:>9}{:>9}{:>9}{:>9}{:>9}\n{}",
                               "Prot LocalAddress:Port",
                               "Conns",
                               "InPkts",
                               "OutPkts",
                               "InBytes",
                               "OutBytes",
                               kSecond);
        case Layout::Rate:
            return fmt::format("{:<33}{:>9}{:>9}{:>9}{:>9}{:>9}\n{}",
                               "Prot LocalAddress:Port",
                               "CPS",
                               "InPPS",
                               "OutPPS",
                               "InBPS",
                               "OutBPS",
                               kSecond);
        case Layout::Thresholds:
            return fmt::format("{:<33} {:<10} {:<10} {:<10} {:<10}\n{}",
                               "Prot LocalAddress:Port",
                               "Uthreshold",
                               "Lthreshold",
                               "ActiveConn",
                               "InActConn",
                               kSecond);
        case Layout::PersistentConnections:
            return fmt::format("{:<33} {:<9} {:<11} {:<10} {:<10}\n{}",
                               "Prot LocalAddress:Port",
                               "Weight",
                               "PersistConn",
                               "ActiveConn",
                               "InActConn",
                               kSecond);
        case Layout::TunnelInfo:
            return "Prot LocalAddress:Port Scheduler Flags\n"
                   "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn "
                   "InActConn\n";
        case Layout::Plain:
            break;
    }
    return "Prot LocalAddress:Port Scheduler Flags\n"
           "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
}

std::string service_text(const ListedService& listed, const Format& format) {
    const auto& service = listed.status.service;
    std::string text;
    if (format.layout == Layout::Rules) {
        text = rule_text(service, format.numeric);
    } else if (format.layout == Layout::Statistics || format.layout == Layout::Rate) {
        text = fmt::format("{:<33}", service_name(service.key, format.numeric)) +
               statistics_text(listed.status.statistics, format, false);
    } else {
        text = line_text(service, format.numeric);
    }
    for (const auto& destination : listed.destinations)
        text += destination_text(destination, service.key, format);
    return text;
}

std::string connections_header(const Format& format) {
    std::string text =
        "IPVS connection entries\npro expire state       source             virtual ";
    text += "           destination";
    if (format.persistence_columns) text += "        pe name          pe_data";
    return text + '\n';
}

std::string connection_text(const model::ConnectionInfo& connection, const Format& format) {
    const auto name = [&](const net::Endpoint& endpoint) {
        return endpoint_text(endpoint, connection.protocol, format.numeric);
    };
    std::string text = fmt::format(
        "{:<3} {:<6} {:<11} {:<18} {:<18} ",
        model::protocol_name(connection.protocol),
        fmt::format("{:02}:{:02}", connection.expires_in_s / 60, connection.expires_in_s % 60),
        model::state_name(connection),
        name(connection.client),
        name(connection.virtual_endpoint));
    if (format.persistence_columns && !connection.persistence_engine.empty()) {
        return text + fmt::format("{:<16} {:<18} {}\n",
                                  name(connection.real),
                                  connection.persistence_engine,
                                  connection.persistence_data);
    }
    return text + name(connection.real) + '\n';
}

std::string timeouts_text(const model::Timeouts& timeouts) {
    return fmt::format(
        "Timeout (tcp tcpfin udp): {} {} {}\n", timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s);
}

std::string daemon_text(const model::SyncDaemon& daemon) {
    return fmt::format(
        "{} sync daemon (mcast={}, syncid={}, maxlen={}, group={}, port={}, ttl={})\n",
        daemon.role == model::SyncRole::Master ? "master" : "backup",
        daemon.interface,
        daemon.sync_id,
        daemon.max_length,
        daemon.group.to_string(),
        net::number(daemon.port),
        daemon.ttl);
}

}  // namespace xvs::cli
