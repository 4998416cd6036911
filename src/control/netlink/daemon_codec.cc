#include "control/netlink/daemon_codec.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "control/netlink/codec.h"

namespace xvs::control::netlink {

namespace {

using namespace attribute;  // NOLINT(google-build-using-namespace): numbers only

constexpr std::size_t kMaxInterfaceName = 15;

// Kernel: seconds are kept in jiffies as an int; 100 ticks a second are the fewest.
constexpr std::uint32_t kMaxTimeout = std::numeric_limits<std::int32_t>::max() / 100;

tl::unexpected<Error> invalid(const char* what) {
    return fail(ErrorCode::InvalidArgument, std::string("netlink request: ") + what);
}

}  // namespace

Result<model::SyncRole> read_daemon_role(Bytes daemon) {
    const auto state = Attributes(daemon).u32(kDaemonState);
    if (!state) return invalid("a sync daemon without a state");
    if (*state == static_cast<std::uint32_t>(model::SyncRole::Master)) {
        return model::SyncRole::Master;
    }
    if (*state == static_cast<std::uint32_t>(model::SyncRole::Backup)) {
        return model::SyncRole::Backup;
    }
    return invalid("a sync daemon is a master or a backup");
}

Result<model::SyncDaemon> read_daemon(Bytes daemon) {
    const auto role = read_daemon_role(daemon);
    if (!role) return fail(role.error());
    const Attributes attributes(daemon);
    const auto interface = attributes.string(kDaemonInterface, kMaxInterfaceName);
    const auto sync_id = attributes.u32(kDaemonSyncId);
    if (!interface || !sync_id) return invalid("a sync daemon without interface or syncid");
    model::SyncDaemon wanted{.role = *role,
                             .interface = *interface,
                             .sync_id = *sync_id,
                             .max_length = attributes.u16(kDaemonMaxLength).value_or(0),
                             .group = {},
                             .port = net::Port{attributes.u16(kDaemonPort).value_or(0)},
                             .ttl = attributes.u8(kDaemonTtl).value_or(0)};
    if (attributes.has(kDaemonGroup)) {
        wanted.group = read_address(attributes.bytes(kDaemonGroup), net::Family::Ipv4);
    } else if (attributes.has(kDaemonGroup6)) {
        wanted.group = read_address(attributes.bytes(kDaemonGroup6), net::Family::Ipv6);
    }
    return wanted;
}

void write_daemon(MessageWriter& writer, const model::SyncDaemon& daemon) {
    const auto nest = writer.begin_nest(kDaemon);
    writer.put_u32(kDaemonState, static_cast<std::uint32_t>(daemon.role));
    writer.put_string(kDaemonInterface, daemon.interface);
    writer.put_u32(kDaemonSyncId, daemon.sync_id);
    if (daemon.max_length != 0) writer.put_u16(kDaemonMaxLength, daemon.max_length);
    if (net::number(daemon.port) != 0) writer.put_u16(kDaemonPort, net::number(daemon.port));
    if (daemon.ttl != 0) writer.put_u8(kDaemonTtl, daemon.ttl);
    if (!daemon.group.is_unspecified()) {
        const bool ipv4 = daemon.group.family() == net::Family::Ipv4;
        writer.put_bytes(ipv4 ? kDaemonGroup : kDaemonGroup6,
                         Bytes(daemon.group.bytes()).first(daemon.group.size()));
    }
    writer.end_nest(nest);
}

Result<model::ConnectionInfo> read_connection(Bytes connection) {
    const Attributes attributes(connection);
    const auto family = family_of(attributes.u16(kConnectionFamily).value_or(0));
    const auto real_family = family_of(attributes.u16(kConnectionRealFamily).value_or(0));
    if (!family || !real_family) return invalid("a connection without address families");
    const auto endpoint =
        [&attributes](attribute::Connection address, attribute::Connection port, net::Family of) {
            return net::Endpoint{.address = read_address(attributes.bytes(address), of),
                                 .port = net::Port{attributes.be16(port).value_or(0)}};
        };
    model::ConnectionInfo info;
    info.protocol = static_cast<model::Protocol>(attributes.u16(kConnectionProtocol).value_or(0));
    info.client = endpoint(kConnectionClientAddress, kConnectionClientPort, *family);
    info.virtual_endpoint = endpoint(kConnectionVirtualAddress, kConnectionVirtualPort, *family);
    info.real = endpoint(kConnectionRealAddress, kConnectionRealPort, *real_family);
    info.state = attributes.u8(kConnectionState).value_or(0);
    info.expires_in_s = attributes.u32(kConnectionExpires).value_or(0);
    info.flags = attributes.u32(kConnectionFlags).value_or(0);
    constexpr std::size_t kAny = std::numeric_limits<std::uint16_t>::max();
    info.persistence_engine = attributes.string(kConnectionPersistenceEngine, kAny).value_or("");
    info.persistence_data = attributes.string(kConnectionPersistenceData, kAny).value_or("");
    return info;
}

void write_connection(MessageWriter& writer, const model::ConnectionInfo& connection) {
    const auto nest = writer.begin_nest(kConnection);
    writer.put_u16(kConnectionFamily, family_number(connection.client.address.family()));
    writer.put_u16(kConnectionProtocol, static_cast<std::uint16_t>(connection.protocol));
    write_address(writer, kConnectionClientAddress, connection.client.address);
    writer.put_be16(kConnectionClientPort, net::number(connection.client.port));
    write_address(writer, kConnectionVirtualAddress, connection.virtual_endpoint.address);
    writer.put_be16(kConnectionVirtualPort, net::number(connection.virtual_endpoint.port));
    writer.put_u16(kConnectionRealFamily, family_number(connection.real.address.family()));
    write_address(writer, kConnectionRealAddress, connection.real.address);
    writer.put_be16(kConnectionRealPort, net::number(connection.real.port));
    writer.put_u8(kConnectionState, connection.state);
    writer.put_u32(kConnectionExpires, connection.expires_in_s);
    writer.put_u32(kConnectionFlags, connection.flags);
    if (!connection.persistence_engine.empty()) {
        writer.put_string(kConnectionPersistenceEngine, connection.persistence_engine);
        writer.put_string(kConnectionPersistenceData, connection.persistence_data);
    }
    writer.end_nest(nest);
}

Result<model::Timeouts> read_timeouts(const Attributes& top, const model::Timeouts& present) {
    model::Timeouts timeouts = present;
    const auto read = [&top](Top number, std::uint32_t& into) -> Status {
        if (!top.has(number)) return {};
        const auto value = top.u32(number);
        if (!value) return fail(ErrorCode::OutOfRange, "netlink request: a timeout is too short");
        if (*value > kMaxTimeout) return invalid("a timeout is too long");
        if (*value != 0) into = *value;
        return {};
    };
    if (auto status = read(kTimeoutTcp, timeouts.tcp_s); !status) return fail(status.error());
    if (auto status = read(kTimeoutTcpFin, timeouts.tcp_fin_s); !status) {
        return fail(status.error());
    }
    if (auto status = read(kTimeoutUdp, timeouts.udp_s); !status) return fail(status.error());
    return timeouts;
}

void write_timeouts(MessageWriter& writer, const model::Timeouts& timeouts) {
    writer.put_u32(kTimeoutTcp, timeouts.tcp_s);
    writer.put_u32(kTimeoutTcpFin, timeouts.tcp_fin_s);
    writer.put_u32(kTimeoutUdp, timeouts.udp_s);
}

Result<model::MarkRule> read_mark_rule(const Attributes& top) {
    constexpr std::size_t kMaxLength = 256;
    const auto words = top.string(attribute::kMarkRule, kMaxLength);
    if (!words) return fail(ErrorCode::InvalidArgument, "a mark rule without words");
    return model::parse_mark_rule(*words);
}

Result<model::AccessRule> read_access_rule(const Attributes& top) {
    constexpr std::size_t kMaxLength = 64;
    const auto words = top.string(attribute::kAccessRule, kMaxLength);
    if (!words) return invalid("an access rule without words");
    model::AccessRule rule;
    const std::size_t blank = std::min(words->find(' '), words->size());
    const std::string_view action = std::string_view(*words).substr(0, blank);
    if (action == model::access_action_name(model::AccessAction::Allow)) {
        rule.action = model::AccessAction::Allow;
    } else if (action != model::access_action_name(model::AccessAction::Deny)) {
        return invalid("an access rule allows or denies");
    }
    const auto prefix = model::parse_client_prefix(
        std::string_view(*words).substr(std::min(blank + 1, words->size())));
    if (!prefix) return fail(prefix.error());
    rule.prefix = *prefix;
    if (!top.has(attribute::kService)) return rule;
    const auto key = read_service_key(top.bytes(attribute::kService));
    if (!key) return fail(key.error());
    rule.service = *key;
    return rule;
}

void write_access_rule(MessageWriter& writer, const model::AccessRule& rule) {
    const model::AccessRule words{
        .service = std::nullopt, .prefix = rule.prefix, .action = rule.action};
    writer.put_string(attribute::kAccessRule, words.to_string());
    if (rule.service) write_service_key(writer, *rule.service);
}

void write_mark_rule(MessageWriter& writer, const model::MarkRule& rule) {
    writer.put_string(attribute::kMarkRule, rule.to_string());
}

Result<model::SysctlValue> read_sysctl(Bytes sysctl) {
    constexpr std::size_t kMaxLength = 63;  // of the longest name and the longest value
    const Attributes attributes(sysctl);
    auto name = attributes.string(attribute::kSysctlName, kMaxLength);
    auto value = attributes.string(attribute::kSysctlText, kMaxLength);
    if (!name || !value) return fail(ErrorCode::InvalidArgument);
    return model::SysctlValue{*std::move(name), *std::move(value)};
}

void write_sysctl(MessageWriter& writer, const model::SysctlValue& value) {
    const auto nest = writer.begin_nest(attribute::kSysctl);
    writer.put_string(attribute::kSysctlName, value.name);
    writer.put_string(attribute::kSysctlText, value.value);
    writer.end_nest(nest);
}

}  // namespace xvs::control::netlink
