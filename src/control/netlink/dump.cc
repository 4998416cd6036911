#include "control/netlink/dump.h"

#include <array>
#include <utility>

#include "control/netlink/codec.h"
#include "control/netlink/daemon_codec.h"

namespace xvs::control::netlink {

namespace {

void put_command(MessageWriter& writer, Command command) {
    writer.put_generic_header(static_cast<std::uint8_t>(command), kFamilyVersion);
}

void write_entry(MessageWriter& writer, const ServiceStatus& status) {
    put_command(writer, Command::NewService);
    write_service_status(writer, status);
}

void write_entry(MessageWriter& writer, const DestinationStatus& status) {
    put_command(writer, Command::NewDestination);
    write_destination_status(writer, status);
}

void write_entry(MessageWriter& writer, const model::SyncDaemon& daemon) {
    put_command(writer, Command::NewDaemon);
    write_daemon(writer, daemon);
}

void write_entry(MessageWriter& writer, const model::MarkRule& rule) {
    put_command(writer, Command::NewMarkRule);
    write_mark_rule(writer, rule);
}

void write_entry(MessageWriter& writer, const model::SysctlValue& value) {
    put_command(writer, Command::NewSysctl);
    write_sysctl(writer, value);
}

template <class Entry>
class VectorSource final : public DumpSource {
public:
    explicit VectorSource(std::vector<Entry> entries) : entries_(std::move(entries)) {}

    bool advance() override { return next_++ < entries_.size(); }

    void write(MessageWriter& writer) const override { write_entry(writer, entries_[next_ - 1]); }

private:
    std::vector<Entry> entries_;
    std::size_t next_ = 0;
};

class ConnectionSource final : public DumpSource {
public:
    explicit ConnectionSource(const ServiceManager& services) : services_(services) {}

    bool advance() override {
        ++next_;
        // A lot may come back empty before the end: the cursor says when the end is there.
        while (next_ > lot_.size() && (!started_ || cursor_ != 0)) {
            lot_.clear();
            cursor_ = services_.for_each_connection(
                cursor_, kLot, [this](const model::ConnectionInfo& connection) {
                    lot_.push_back(connection);
                });
            started_ = true;
            next_ = 1;
        }
        return next_ <= lot_.size();
    }

    void write(MessageWriter& writer) const override {
        put_command(writer, Command::NewConnection);
        write_connection(writer, lot_[next_ - 1]);
    }

private:
    static constexpr std::size_t kLot = 256;

    const ServiceManager& services_;
    std::vector<model::ConnectionInfo> lot_;
    std::size_t next_ = 0;
    std::uint64_t cursor_ = 0;
    bool started_ = false;
};

class AccessSource final : public DumpSource {
public:
    explicit AccessSource(const ServiceManager& services) : services_(services) {}

    bool advance() override {
        if (++next_ > lot_.size() && has_more_) {
            lot_.clear();
            next_ = 1;
            has_more_ = services_.for_each_access_rule(
                place_, kLot, [this](const model::AccessRule& rule) { lot_.push_back(rule); });
        }
        return next_ <= lot_.size();
    }

    void write(MessageWriter& writer) const override {
        put_command(writer, Command::NewAccessRule);
        write_access_rule(writer, lot_[next_ - 1]);
    }

private:
    static constexpr std::size_t kLot = 256;

    const ServiceManager& services_;
    std::vector<model::AccessRule> lot_;
    std::size_t next_ = 0;
    AccessPlace place_;
    bool has_more_ = true;
};

}  // namespace

std::unique_ptr<DumpSource> make_dump(std::vector<ServiceStatus> services) {
    return std::make_unique<VectorSource<ServiceStatus>>(std::move(services));
}

std::unique_ptr<DumpSource> make_dump(std::vector<DestinationStatus> destinations) {
    return std::make_unique<VectorSource<DestinationStatus>>(std::move(destinations));
}

std::unique_ptr<DumpSource> make_dump(std::vector<model::SyncDaemon> daemons) {
    return std::make_unique<VectorSource<model::SyncDaemon>>(std::move(daemons));
}

std::unique_ptr<DumpSource> make_dump(std::vector<model::MarkRule> rules) {
    return std::make_unique<VectorSource<model::MarkRule>>(std::move(rules));
}

std::unique_ptr<DumpSource> make_dump(std::vector<model::SysctlValue> values) {
    return std::make_unique<VectorSource<model::SysctlValue>>(std::move(values));
}

std::unique_ptr<DumpSource> make_access_dump(const ServiceManager& services) {
    return std::make_unique<AccessSource>(services);
}

std::unique_ptr<DumpSource> make_connection_dump(const ServiceManager& services) {
    return std::make_unique<ConnectionSource>(services);
}

Dump::Dump(std::unique_ptr<DumpSource> source, const MessageHeader& reply)
    : source_(std::move(source)), reply_(reply) {
    reply_.flags = message::kFlagMulti;
    has_entry_ = source_->advance();
}

Buffer Dump::next() {
    Buffer datagram;
    if (done_) return datagram;
    datagram.reserve(2 * kMaxDatagramSize);
    MessageWriter writer(datagram);
    while (has_entry_) {
        const std::size_t before = datagram.size();
        writer.begin(reply_);
        source_->write(writer);
        writer.end();
        if (datagram.size() > kMaxDatagramSize && before != 0) {
            datagram.resize(before);
            return datagram;
        }
        has_entry_ = source_->advance();
    }
    static constexpr std::array<std::byte, 4> kSuccess{};
    MessageHeader last = reply_;
    last.type = message::kDone;
    writer.begin(last);
    writer.put_raw(kSuccess);
    writer.end();
    done_ = true;
    return datagram;
}

}  // namespace xvs::control::netlink
