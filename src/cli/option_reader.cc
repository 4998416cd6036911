#include "cli/option_reader.h"

#include <array>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

#include "cli/legality.h"
#include "cli/resolver.h"

namespace xvs::cli {

namespace {

constexpr std::int64_t kMonth = 31 * 24 * 60 * 60;
constexpr std::uint32_t kDefaultPersistence = 360;  // seconds
constexpr std::int64_t kMaxInt = std::numeric_limits<std::int32_t>::max();
// Longer names are cut; they then name nothing that there is.
constexpr std::size_t kMaxSchedulerName = 15;
constexpr std::size_t kMaxEngineName = 15;
constexpr std::size_t kMaxInterfaceName = 15;

// Letters stand for options that have one; the rest begin above all letters.
enum Id : int {
    kSctpService = 0x100,
    kSet,
    kStartDaemon,
    kStopDaemon,
    kTunType,
    kTunPort,
    kTunNoChecksum,
    kTunChecksum,
    kTunRemoteChecksum,
    kMcastInterface,
    kMcastGroup,
    kMcastPort,
    kMcastTtl,
    kSyncId,
    kSyncMaxLength,
    kTimeout,
    kDaemon,
    kStatistics,
    kRate,
    kThresholds,
    kPersistentConnections,
    kTunnelInfo,
    kNoSort,
    kSort,
    kExact,
    kPersistenceEngine,
    kMssClamp,
};

constexpr OptionSpec kOptions[] = {
    {'A', "add-service", 'A', Value::None},
    {'E', "edit-service", 'E', Value::None},
    {'D', "delete-service", 'D', Value::None},
    {'C', "clear", 'C', Value::None},
    {'L', "list", 'L', Value::None},
    {'L', "", 'l', Value::None},
    {'Z', "zero", 'Z', Value::None},
    {'a', "add-server", 'a', Value::None},
    {'e', "edit-server", 'e', Value::None},
    {'d', "delete-server", 'd', Value::None},
    {'R', "restore", 'R', Value::None},
    {'S', "save", 'S', Value::None},
    {'h', "help", 'h', Value::None},
    {'v', "version", 'v', Value::None},
    {kSet, "set", '\0', Value::None},
    {kStartDaemon, "start-daemon", '\0', Value::Required},
    {kStopDaemon, "stop-daemon", '\0', Value::Required},
    {'t', "tcp-service", 't', Value::Required},
    {'u', "udp-service", 'u', Value::Required},
    {kSctpService, "sctp-service", '\0', Value::Required},
    {'f', "fwmark-service", 'f', Value::Required},
    {'s', "scheduler", 's', Value::Required},
    {'p', "persistent", 'p', Value::Optional},
    {'M', "netmask", 'M', Value::Required},
    {'r', "real-server", 'r', Value::Required},
    {'m', "masquerading", 'm', Value::None},
    {'i', "ipip", 'i', Value::None},
    {'g', "gatewaying", 'g', Value::None},
    {'w', "weight", 'w', Value::Required},
    {'x', "u-threshold", 'x', Value::Required},
    {'y', "l-threshold", 'y', Value::Required},
    {'n', "numeric", 'n', Value::None},
    {'c', "connection", 'c', Value::None},
    {'o', "ops", 'o', Value::None},
    {'b', "sched-flags", 'b', Value::Required},
    {'6', "ipv6", '6', Value::None},
    {kPersistenceEngine, "pe", '\0', Value::Required},
    {kTunType, "tun-type", '\0', Value::Required},
    {kTunPort, "tun-port", '\0', Value::Required},
    {kTunNoChecksum, "tun-nocsum", '\0', Value::None},
    {kTunChecksum, "tun-csum", '\0', Value::None},
    {kTunRemoteChecksum, "tun-remcsum", '\0', Value::None},
    {kMcastInterface, "mcast-interface", '\0', Value::Required},
    {kMcastGroup, "mcast-group", '\0', Value::Required},
    {kMcastPort, "mcast-port", '\0', Value::Required},
    {kMcastTtl, "mcast-ttl", '\0', Value::Required},
    {kSyncId, "syncid", '\0', Value::Required},
    {kSyncMaxLength, "sync-maxlen", '\0', Value::Required},
    {kTimeout, "timeout", '\0', Value::None},
    {kDaemon, "daemon", '\0', Value::None},
    {kStatistics, "stats", '\0', Value::None},
    {kRate, "rate", '\0', Value::None},
    {kThresholds, "thresholds", '\0', Value::None},
    {kPersistentConnections, "persistent-conn", '\0', Value::None},
    {kTunnelInfo, "tun-info", '\0', Value::None},
    {kNoSort, "nosort", '\0', Value::None},
    {kSort, "sort", '\0', Value::None},
    {kExact, "exact", '\0', Value::None},
    {kMssClamp, "mss-clamp", '\0', Value::None},
};

// What an option counts as in the table of legality.h; nullopt for those that fit everywhere.
std::optional<Option> kind_of(int id) {
    static constexpr std::pair<int, Option> kKinds[] = {
        {'t', Option::Service},
        {'u', Option::Service},
        {'f', Option::Service},
        {kSctpService, Option::Service},
        {'s', Option::Scheduler},
        {'p', Option::Persistent},
        {'M', Option::Netmask},
        {'r', Option::RealServer},
        {'m', Option::ForwardingMethod},
        {'i', Option::ForwardingMethod},
        {'g', Option::ForwardingMethod},
        {'w', Option::Weight},
        {'x', Option::UpperThreshold},
        {'y', Option::LowerThreshold},
        {'n', Option::Numeric},
        {'c', Option::Connection},
        {'o', Option::OnePacket},
        {'b', Option::SchedulerFlags},
        {kPersistenceEngine, Option::PersistenceEngine},
        {kTunType, Option::TunnelType},
        {kTunPort, Option::TunnelPort},
        {kTunNoChecksum, Option::TunnelNoChecksum},
        {kTunChecksum, Option::TunnelChecksum},
        {kTunRemoteChecksum, Option::TunnelRemoteChecksum},
        {kMcastInterface, Option::McastInterface},
        {kMcastGroup, Option::McastGroup},
        {kMcastPort, Option::McastPort},
        {kMcastTtl, Option::McastTtl},
        {kSyncId, Option::SyncId},
        {kSyncMaxLength, Option::SyncMaxLength},
        {kTimeout, Option::Timeout},
        {kDaemon, Option::Daemon},
        {kStatistics, Option::Statistics},
        {kRate, Option::Rate},
        {kThresholds, Option::Thresholds},
        {kPersistentConnections, Option::PersistentConnections},
        {kTunnelInfo, Option::TunnelInfo},
        {kNoSort, Option::NoSort},
        {kExact, Option::Exact},
        {kMssClamp, Option::MssClamp},
    };
    for (const auto& [candidate, kind] : kKinds) {
        if (candidate == id) return kind;
    }
    return std::nullopt;
}

}  // namespace

std::span<const OptionSpec> all_options() noexcept {
    return kOptions;
}

std::optional<Verb> verb_of(int id) noexcept {
    switch (id) {
        case 'A':
            return Verb::AddService;
        case 'E':
            return Verb::EditService;
        case 'D':
            return Verb::DeleteService;
        case 'C':
            return Verb::Flush;
        case 'L':
            return Verb::List;
        case 'Z':
            return Verb::Zero;
        case 'a':
            return Verb::AddServer;
        case 'e':
            return Verb::EditServer;
        case 'd':
            return Verb::DeleteServer;
        case 'R':
            return Verb::Restore;
        case 'S':
            return Verb::Save;
        case 'h':
            return Verb::Help;
        case 'v':
            return Verb::Version;
        case kSet:
            return Verb::SetTimeouts;
        case kStartDaemon:
            return Verb::StartDaemon;
        case kStopDaemon:
            return Verb::StopDaemon;
        default:
            return std::nullopt;
    }
}

Outcome<void> read_daemon_role(Verb verb,
                               const ArgumentScanner::Option& option,
                               model::SyncDaemon& daemon) {
    if (verb != Verb::StartDaemon && verb != Verb::StopDaemon) return {};
    if (option.value == "master") {
        daemon.role = model::SyncRole::Master;
    } else if (option.value == "backup") {
        daemon.role = model::SyncRole::Backup;
    } else {
        return usage_error(verb == Verb::StartDaemon ? "illegal start-daemon parameter specified"
                                                     : "illegal start_daemon specified");
    }
    return {};
}

Outcome<std::uint32_t> parse_timeout(const std::string& text, std::int64_t minimum) {
    const auto seconds = parse_number(text, minimum, kMonth);
    if (!seconds) return usage_error(fmt::format("invalid timeout value `{}' specified", text));
    return static_cast<std::uint32_t>(*seconds);
}

Outcome<void> OptionReader::read(const ArgumentScanner::Option& option) {
    const auto kind = kind_of(option.id);
    if (option.id == '6') return read_ipv6();
    if (!kind) return {};
    if (command_.options.has(*kind)) {
        return usage_error(fmt::format("multiple '{}' options specified", option_name(*kind)));
    }
    command_.options.add(*kind);
    const std::string value = option.value.value_or("");
    switch (option.id) {
        case 't':
            return read_address(model::Protocol::Tcp, value);
        case 'u':
            return read_address(model::Protocol::Udp, value);
        case kSctpService:
            return read_address(model::Protocol::Sctp, value);
        case 'f':
            return read_fwmark(value);
        case 'p':
            return read_persistence(option.value);
        case 'M':
            return read_netmask(value);
        case 'r':
            return read_real_server(value);
        case kTunType:
            return read_tunnel_type(value);
        case kMcastGroup:
            return read_group(value);
        default:
            return read_plain(*kind, option.id, value);
    }
}

Outcome<void> OptionReader::read_address(model::Protocol protocol, const std::string& value) {
    const auto parsed = parse_address_and_port(value, protocol);
    if (!parsed) return usage_error("illegal virtual server address[:port] specified");
    auto& service = command_.service;
    service.key = {.protocol = protocol,
                   .address = parsed->address,
                   .port = parsed->port.value_or(net::Port{}),
                   .fwmark = 0};
    if (parsed->address.family() == net::Family::Ipv6) service.persistence_mask = 128;
    return {};
}

Outcome<void> OptionReader::read_fwmark(const std::string& value) {
    const auto mark = parse_number(value, 1, std::numeric_limits<std::uint32_t>::max());
    if (!mark) return usage_error(fmt::format("invalid fwmark value `{}' specified", value));
    command_.service.key.fwmark = static_cast<std::uint32_t>(*mark);
    return {};
}

Outcome<void> OptionReader::read_ipv6() {
    // The message has an end of line of its own.
    if (command_.service.key.fwmark == 0) return usage_error("-6 used before -f\n");
    command_.service.key.address = net::Ipv6Address();
    command_.service.persistence_mask = 128;
    return {};
}

Outcome<void> OptionReader::read_netmask(const std::string& value) {
    if (command_.service.key.family() == net::Family::Ipv4) {
        const auto mask = parse_ipv4(value);
        if (!mask) return usage_error("illegal virtual server persistent mask specified");
        command_.service.persistence_mask = mask->value();
        return {};
    }
    // Whatever follows the digits is passed over.
    const long length = std::strtol(value.c_str(), nullptr, 10);
    if (length < 1 || length > 128) return usage_error("illegal ipv6 netmask specified");
    command_.service.persistence_mask = static_cast<std::uint32_t>(length);
    return {};
}

Outcome<void> OptionReader::read_persistence(const std::optional<std::string>& value) {
    command_.service.flags |= model::kServicePersistent;
    command_.service.persistence_timeout_s = kDefaultPersistence;
    if (!value) return {};
    const auto seconds = parse_timeout(*value, 1);
    if (!seconds) return tl::unexpected(seconds.error());
    command_.service.persistence_timeout_s = *seconds;
    return {};
}

Outcome<void> OptionReader::read_real_server(const std::string& value) {
    const auto& service = command_.service.key;
    const auto parsed = parse_address_and_port(value, service.protocol);
    if (!parsed) return usage_error("illegal real server address[:port] specified");
    command_.destination.real = {.address = parsed->address,
                                 .port = parsed->port.value_or(service.port)};
    return {};
}

Outcome<void> OptionReader::read_tunnel_type(const std::string& value) {
    auto& type = command_.destination.tunnel.type;
    if (value == "ipip")
        type = model::TunnelType::Ipip;
    else if (value == "gue")
        type = model::TunnelType::Gue;
    else if (value == "gre")
        type = model::TunnelType::Gre;
    else
        return usage_error("illegal tunnel type specified");
    return {};
}

Outcome<void> OptionReader::read_group(const std::string& value) {
    const bool ipv6 = value.find(':') != std::string::npos;
    const auto group = net::IpAddress::parse(value);
    if (!group || !group->is_multicast() || (group->family() == net::Family::Ipv6) != ipv6) {
        return usage_error(
            fmt::format("invalid {} mcast-group `{}'", ipv6 ? "IPv6" : "IPv4", value));
    }
    command_.daemon.group = *group;
    return {};
}

Outcome<void> OptionReader::read_plain(Option kind, int id, const std::string& value) {
    auto& destination = command_.destination;
    const auto threshold = parse_number(value, 0, kMaxInt);
    switch (kind) {
        case Option::Scheduler:
            command_.service.scheduler = value.substr(0, kMaxSchedulerName);
            return {};
        case Option::PersistenceEngine:
            command_.service.persistence_engine = value.substr(0, kMaxEngineName);
            return {};
        case Option::SchedulerFlags:
            scheduler_flags_ = value;
            return {};
        case Option::OnePacket:
            command_.service.flags |= model::kServiceOnePacket;
            return {};
        case Option::MssClamp:
            command_.service.clamps_mss = true;
            return {};
        case Option::ForwardingMethod:
            destination.method = id == 'm'   ? model::ForwardingMethod::Masquerade
                                 : id == 'i' ? model::ForwardingMethod::Tunnel
                                             : model::ForwardingMethod::DirectRoute;
            return {};
        case Option::Weight:
            if (!threshold) return usage_error("illegal weight specified");
            destination.weight = static_cast<std::int32_t>(*threshold);
            return {};
        case Option::UpperThreshold:
            if (!threshold) return usage_error("illegal u_threshold specified");
            destination.upper_threshold = static_cast<std::uint32_t>(*threshold);
            return {};
        case Option::LowerThreshold:
            if (!threshold) return usage_error("illegal l_threshold specified");
            destination.lower_threshold = static_cast<std::uint32_t>(*threshold);
            return {};
        case Option::TunnelPort: {
            const auto port = parse_number(value, 1, 65535);
            if (!port) return usage_error("illegal tunnel port specified");
            destination.tunnel.port = net::Port{static_cast<std::uint16_t>(*port)};
            return {};
        }
        case Option::TunnelChecksum:
            destination.tunnel.flags = 1;
            return {};
        case Option::TunnelRemoteChecksum:
            destination.tunnel.flags = 2;
            return {};
        default:
            return read_daemon_option(kind, value);
    }
}

Outcome<void> OptionReader::read_daemon_option(Option kind, const std::string& value) {
    auto& daemon = command_.daemon;
    if (kind == Option::McastInterface) {
        daemon.interface = value.substr(0, kMaxInterfaceName);
        return {};
    }

    struct Range {
        Option kind;
        std::int64_t minimum;
        std::int64_t maximum;
    };

    static constexpr Range kRanges[] = {{Option::SyncId, 0, 255},
                                        {Option::SyncMaxLength, 1, 65535 - 20 - 8},
                                        {Option::McastPort, 1, 65535},
                                        {Option::McastTtl, 1, 255}};
    for (const auto& range : kRanges) {
        if (range.kind != kind) continue;
        const auto number = parse_number(value, range.minimum, range.maximum);
        if (!number) return usage_error(fmt::format("illegal {} specified", option_name(kind)));
        if (kind == Option::SyncId) daemon.sync_id = static_cast<std::uint32_t>(*number);
        if (kind == Option::SyncMaxLength) daemon.max_length = static_cast<std::uint16_t>(*number);
        if (kind == Option::McastPort) {
            daemon.port = net::Port{static_cast<std::uint16_t>(*number)};
        }
        if (kind == Option::McastTtl) daemon.ttl = static_cast<std::uint8_t>(*number);
    }
    return {};
}

}  // namespace xvs::cli
