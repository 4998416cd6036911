// Sync daemons, connections, timeouts and settings as attributes, both ways.
#pragma once

#include "base/result.h"
#include "control/netlink/wire.h"
#include "model/access_rule.h"
#include "model/connection.h"
#include "model/mark_rule.h"
#include "model/sync_daemon.h"
#include "model/sysctls.h"
#include "model/timeouts.h"

namespace xvs::control::netlink {

// Of the attribute DAEMON. InvalidArgument for what is missing; only the role is wanted of a
// daemon that is to stop.
[[nodiscard]] Result<model::SyncDaemon> read_daemon(Bytes daemon);
[[nodiscard]] Result<model::SyncRole> read_daemon_role(Bytes daemon);
void write_daemon(MessageWriter& writer, const model::SyncDaemon& daemon);

// Of the attribute CONNECTION.
[[nodiscard]] Result<model::ConnectionInfo> read_connection(Bytes connection);
void write_connection(MessageWriter& writer, const model::ConnectionInfo& connection);

// Of a message's top level; a timeout that is zero or not there is as in `present`. OutOfRange for
// an attribute that is too short, InvalidArgument for more seconds than the kernel can count.
[[nodiscard]] Result<model::Timeouts> read_timeouts(const Attributes& top,
                                                    const model::Timeouts& present);
void write_timeouts(MessageWriter& writer, const model::Timeouts& timeouts);

// Of a message's attributes: the words of a mark rule. InvalidArgument.
[[nodiscard]] Result<model::MarkRule> read_mark_rule(const Attributes& top);
void write_mark_rule(MessageWriter& writer, const model::MarkRule& rule);

// Of a message's attributes: an access rule's words, and its service if it has one.
// InvalidArgument.
[[nodiscard]] Result<model::AccessRule> read_access_rule(const Attributes& top);
void write_access_rule(MessageWriter& writer, const model::AccessRule& rule);

// Of the attribute SYSCTL. InvalidArgument for what is missing or too long.
[[nodiscard]] Result<model::SysctlValue> read_sysctl(Bytes sysctl);
void write_sysctl(MessageWriter& writer, const model::SysctlValue& value);

}  // namespace xvs::control::netlink
