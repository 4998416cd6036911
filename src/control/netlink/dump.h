// Dump: a listing that goes over as many datagrams as it takes, one at a time.
#pragma once

#include <memory>
#include <vector>

#include "control/netlink/wire.h"
#include "control/service_manager.h"
#include "model/mark_rule.h"
#include "model/sync_daemon.h"
#include "model/sysctls.h"

namespace xvs::control::netlink {

// What is listed, entry by entry.
class DumpSource {
public:
    DumpSource() = default;
    DumpSource(const DumpSource&) = delete;
    DumpSource& operator=(const DumpSource&) = delete;
    virtual ~DumpSource() = default;

    // Moves on to the next entry, the first one included. Returns false after the last.
    [[nodiscard]] virtual bool advance() = 0;
    // Writes the generic header and the attributes of the present entry.
    virtual void write(MessageWriter& writer) const = 0;
};

// The sources. Those of services, destinations and daemons hold what was there when they were
// made; connections and access rules are read in small lots as the client takes them.
[[nodiscard]] std::unique_ptr<DumpSource> make_dump(std::vector<ServiceStatus> services);
[[nodiscard]] std::unique_ptr<DumpSource> make_dump(std::vector<DestinationStatus> destinations);
[[nodiscard]] std::unique_ptr<DumpSource> make_dump(std::vector<model::SyncDaemon> daemons);
[[nodiscard]] std::unique_ptr<DumpSource> make_dump(std::vector<model::MarkRule> rules);
[[nodiscard]] std::unique_ptr<DumpSource> make_dump(std::vector<model::SysctlValue> values);
[[nodiscard]] std::unique_ptr<DumpSource> make_access_dump(const ServiceManager& services);
[[nodiscard]] std::unique_ptr<DumpSource> make_connection_dump(const ServiceManager& services);

class Dump {
public:
    // `reply` names sequence, port and type of the messages.
    Dump(std::unique_ptr<DumpSource> source, const MessageHeader& reply);

    // Returns the next datagram, or an empty buffer when all have been returned. The last one ends
    // with a message DONE.
    [[nodiscard]] Buffer next();

    // Whether all have been returned.
    [[nodiscard]] bool has_ended() const noexcept { return done_; }

private:
    std::unique_ptr<DumpSource> source_;
    MessageHeader reply_;
    bool has_entry_;
    bool done_ = false;
};

}  // namespace xvs::control::netlink
