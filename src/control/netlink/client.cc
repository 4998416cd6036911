#include "control/netlink/client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "control/netlink/codec.h"
#include "control/netlink/daemon_codec.h"

namespace xvs::control::netlink {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Netlink has no end of stream: a server that died is noticed by asking again.
constexpr milliseconds kProbeInterval{200};
constexpr milliseconds kSendRetry{1};

// What an error message says; one that is too short to say anything is an error too.
Status outcome_of(const MessageView& message) {
    std::int32_t value = -EIO;
    if (message.body.size() >= sizeof value) std::memcpy(&value, message.body.data(), sizeof value);
    if (value == 0) return {};
    return fail(static_cast<ErrorCode>(-value));
}

Error not_available() {
    return {.code = ErrorCode::NotAvailable,
            .context = "no xvsd serves this network namespace; start one"};
}

}  // namespace

Result<Client> Client::connect(std::uint32_t server, milliseconds patience) {
    auto socket = Socket::open(0);
    if (!socket) return fail(std::move(socket).error());
    Client client(*std::move(socket), server, patience);
    if (auto status = client.resolve_family(); !status) return fail(std::move(status).error());
    return client;
}

Status Client::resolve_family() {
    return exchange(
        kControllerFamilyId,
        message::kFlagRequest | message::kFlagAck,
        controller::kGetFamily,
        1,
        [](MessageWriter& writer) {
            writer.put_string(controller::kFamilyNameAttribute, kFamilyName);
        },
        [this](const Attributes& reply) -> Status {
            const auto family = reply.u16(controller::kFamilyIdAttribute);
            if (!family) return fail(ErrorCode::System, "the server names no family");
            family_ = *family;
            return {};
        });
}

Status Client::request(Command command, std::uint16_t flags, const Body& body, const Visit& visit) {
    return exchange(family_,
                    static_cast<std::uint16_t>(flags | message::kFlagRequest | message::kFlagAck),
                    static_cast<std::uint8_t>(command),
                    kFamilyVersion,
                    body,
                    visit);
}

Status Client::edit(Command command, const Body& body) {
    return settle_ ? put_into_batch(command, body) : request(command, 0, body);
}

MessageHeader Client::next_header(std::uint16_t type, std::uint16_t flags) {
    return {
        .length = 0, .type = type, .flags = flags, .sequence = ++sequence_, .port = socket_.port()};
}

void Client::send_edits_ahead(Settle settle) {
    settle_ = std::move(settle);
}

Status Client::put_into_batch(Command command, const Body& body) {
    MessageWriter writer(batch_);
    writer.begin(next_header(family_, message::kFlagRequest | message::kFlagAck));
    writer.put_generic_header(static_cast<std::uint8_t>(command), kFamilyVersion);
    if (body) body(writer);
    writer.end();
    if (++batched_ < kEditsInBatch) return {};
    send_batch();
    settle_until(kEditsAhead - kEditsInBatch);
    return {};
}

void Client::finish_edits() {
    send_batch();
    settle_until(0);
}

void Client::send_batch() {
    if (batched_ == 0) return;
    unsettled_ += std::exchange(batched_, 0);
    const Status sent = send(batch_);
    batch_.clear();
    if (!sent) fail_unsettled(sent.error());
}

void Client::settle_until(std::size_t limit) {
    while (unsettled_ > limit) {
        const auto received = receive();
        if (received) {
            settle_answered(*received);
        } else {
            fail_unsettled(received.error());
        }
    }
}

void Client::settle_answered(Bytes datagram) {
    while (const auto message = MessageView::take(datagram)) {
        if (message->header.type != message::kError || unsettled_ == 0) continue;
        const auto oldest = sequence_ - static_cast<std::uint32_t>(batched_) -
                            static_cast<std::uint32_t>(unsettled_) + 1;
        // Others are of requests given up.
        if (message->header.sequence == oldest) settle_next(outcome_of(*message));
    }
}

void Client::settle_next(const Status& status) {
    --unsettled_;
    settle_(status);
}

void Client::fail_unsettled(const Error& error) {
    while (unsettled_ > 0)
        settle_next(fail(error));
}

Status Client::exchange(std::uint16_t type,
                        std::uint16_t flags,
                        std::uint8_t command,
                        std::uint8_t version,
                        const Body& body,
                        const Visit& visit) {
    finish_edits();
    Buffer datagram;
    MessageWriter writer(datagram);
    const MessageHeader header = next_header(type, flags);
    writer.begin(header);
    writer.put_generic_header(command, version);
    if (body) body(writer);
    writer.end();
    if (auto status = send(datagram); !status) return status;
    while (true) {
        const auto received = receive();
        if (!received) return fail(received.error());
        Bytes rest = *received;
        while (const auto message = MessageView::take(rest)) {
            if (message->header.sequence != header.sequence) continue;  // of a request given up
            if (message->header.type == message::kDone) return {};
            if (message->header.type == message::kError) return outcome_of(*message);
            const auto generic = GenericView::parse(message->body);
            if (!generic || !visit) continue;
            if (auto status = visit(Attributes(generic->attributes)); !status) return status;
        }
    }
}

Status Client::send(Bytes datagram) {
    const auto deadline = steady_clock::now() + patience_;
    while (true) {
        const int error = socket_.send(server_, datagram);
        if (error == 0) return {};
        if (error == ECONNREFUSED) return fail(not_available());
        if (error == EPERM) {
            return fail(ErrorCode::NotPermitted, "managing services needs CAP_NET_ADMIN");
        }
        if (error != EAGAIN && error != EINTR && error != ENOBUFS) {
            return fail(system_error("send to xvsd", error));
        }
        if (steady_clock::now() >= deadline) return fail(no_answer());
        std::this_thread::sleep_for(kSendRetry);
    }
}

Result<Bytes> Client::receive() {
    const auto deadline = steady_clock::now() + patience_;
    while (true) {
        const auto received = socket_.receive(storage_);
        if (received.error == 0) {
            // Any process may bind a free port number; only an administrator's answers count.
            if (received.sender.port == server_ && is_administrator(received.sender)) {
                return received.datagram;
            }
            continue;
        }
        if (received.error == ENOBUFS) return fail(ErrorCode::System, "an answer of xvsd was lost");
        if (received.error == EINTR) continue;
        if (received.error != EAGAIN)
            return fail(system_error("receive from xvsd", received.error));
        if (auto status = wait_for_answer(deadline); !status) return fail(status.error());
    }
}

Status Client::wait_for_answer(steady_clock::time_point deadline) {
    while (true) {
        pollfd descriptor{.fd = socket_.fd(), .events = POLLIN, .revents = 0};
        const int ready =
            ::poll(&descriptor, 1, static_cast<int>(milliseconds(kProbeInterval).count()));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return fail(system_error("wait for xvsd", errno));
        if (steady_clock::now() >= deadline) return fail(no_answer());
        Buffer probe;
        MessageWriter writer(probe);
        writer.begin({.length = 0,
                      .type = message::kNoop,
                      .flags = 0,
                      .sequence = 0,
                      .port = socket_.port()});
        writer.end();
        if (socket_.send(server_, probe) == ECONNREFUSED) {
            return fail(ErrorCode::NotAvailable,
                        "xvsd ended before it answered; whether it did what was asked is unknown, "
                        "list the services to see");
        }
    }
}

Error Client::no_answer() const {
    const auto owner = find_port_owner(server_);
    return {.code = ErrorCode::TimedOut,
            .context = fmt::format("{}, which has the netlink port of xvsd, did not answer in {} s",
                                   owner ? *owner : "the process",
                                   std::chrono::duration<double>(patience_).count())};
}

template <class Entry, class Read>
Result<std::vector<Entry>> Client::dump(Command command, const Read& read) {
    std::vector<Entry> result;
    const auto status =
        request(command, message::kFlagDump, {}, [&](const Attributes& top) -> Status {
            auto entry = read(top);
            if (!entry) return fail(std::move(entry).error());
            result.push_back(*std::move(entry));
            return {};
        });
    if (!status) return fail(status.error());
    return result;
}

Result<Client::Info> Client::info() {
    Info info;
    const auto status = request(Command::GetInfo, 0, {}, [&info](const Attributes& top) -> Status {
        info.version = top.u32(attribute::kInfoVersion).value_or(0);
        info.table_size = top.u32(attribute::kInfoTableSize).value_or(0);
        info.total = read_statistics(top.bytes(attribute::kInfoStatistics64));
        return {};
    });
    if (!status) return fail(status.error());
    return info;
}

Status Client::add_service(const model::VirtualService& service) {
    return edit(Command::NewService,
                [&](MessageWriter& writer) { write_service(writer, service); });
}

Status Client::edit_service(const model::VirtualService& service) {
    return edit(Command::SetService,
                [&](MessageWriter& writer) { write_service(writer, service); });
}

Status Client::remove_service(const model::ServiceKey& key) {
    return edit(Command::DeleteService,
                [&](MessageWriter& writer) { write_service_key(writer, key); });
}

Status Client::flush() {
    return edit(Command::Flush, {});
}

Status Client::add_destination(const model::ServiceKey& key,
                               const model::Destination& destination) {
    return edit(Command::NewDestination, [&](MessageWriter& writer) {
        write_service_key(writer, key);
        write_destination(writer, destination);
    });
}

Status Client::edit_destination(const model::ServiceKey& key,
                                const model::Destination& destination) {
    return edit(Command::SetDestination, [&](MessageWriter& writer) {
        write_service_key(writer, key);
        write_destination(writer, destination);
    });
}

Status Client::remove_destination(const model::ServiceKey& key, const net::Endpoint& real) {
    return edit(Command::DeleteDestination, [&](MessageWriter& writer) {
        write_service_key(writer, key);
        write_destination_key(writer, real);
    });
}

Status Client::zero(const model::ServiceKey& key) {
    return edit(Command::Zero, [&](MessageWriter& writer) { write_service_key(writer, key); });
}

Status Client::zero_all() {
    return edit(Command::Zero, {});
}

Result<ServiceStatus> Client::get_service(const model::ServiceKey& key) {
    Result<ServiceStatus> result = fail(ErrorCode::NoSuchService);
    const auto status = request(
        Command::GetService,
        0,
        [&](MessageWriter& writer) { write_service_key(writer, key); },
        [&result](const Attributes& top) -> Status {
            result = read_service_status(top.bytes(attribute::kService));
            return {};
        });
    if (!status) return fail(status.error());
    return result;
}

Result<std::vector<ServiceStatus>> Client::services() {
    return dump<ServiceStatus>(Command::GetService, [](const Attributes& top) {
        return read_service_status(top.bytes(attribute::kService));
    });
}

Result<std::vector<DestinationStatus>> Client::destinations(const model::ServiceKey& key) {
    std::vector<DestinationStatus> result;
    const auto status = destinations_of_each(
        {&key, 1}, [&result](std::size_t, auto found) { result = std::move(found); });
    if (!status) return fail(status.error());
    return result;
}

Status Client::destinations_of_each(std::span<const model::ServiceKey> keys,
                                    const VisitDestinations& visit) {
    finish_edits();
    const std::uint32_t first = sequence_ + 1;
    std::size_t asked = 0;
    std::size_t answered = 0;
    std::vector<DestinationStatus> found;
    while (answered < keys.size()) {
        if (asked - answered <= kListingsAhead / 2) {
            const auto more = std::min(keys.size() - asked, kListingsAhead - (asked - answered));
            if (auto status = ask_for_destinations(keys.subspan(asked, more)); !status)
                return status;
            asked += more;
        }
        const auto received = receive();
        if (!received) return fail(received.error());
        Bytes rest = *received;
        while (const auto message = MessageView::take(rest)) {
            // Others are of requests given up.
            if (message->header.sequence != first + answered) continue;
            if (message->header.type == message::kError) {
                if (auto outcome = outcome_of(*message); !outcome) return outcome;
            } else if (message->header.type != message::kDone) {
                const auto generic = GenericView::parse(message->body);
                if (!generic) continue;
                const auto body = Attributes(generic->attributes).bytes(attribute::kDestination);
                auto entry = read_destination_status(body, keys[answered].family());
                if (!entry) return fail(std::move(entry).error());
                found.push_back(*std::move(entry));
                continue;
            }
            visit(answered++, std::exchange(found, {}));
        }
    }
    return {};
}

Status Client::ask_for_destinations(std::span<const model::ServiceKey> keys) {
    if (keys.empty()) return {};
    Buffer datagram;
    MessageWriter writer(datagram);
    for (const model::ServiceKey& key : keys) {
        writer.begin(
            next_header(family_, message::kFlagRequest | message::kFlagAck | message::kFlagDump));
        writer.put_generic_header(static_cast<std::uint8_t>(Command::GetDestination),
                                  kFamilyVersion);
        write_service_key(writer, key);
        writer.end();
    }
    return send(datagram);
}

Status Client::for_each_connection(const std::function<void(const model::ConnectionInfo&)>& visit) {
    return request(
        Command::GetConnection, message::kFlagDump, {}, [&visit](const Attributes& top) -> Status {
            const auto entry = read_connection(top.bytes(attribute::kConnection));
            if (!entry) return fail(entry.error());
            visit(*entry);
            return {};
        });
}

Result<model::Timeouts> Client::timeouts() {
    Result<model::Timeouts> result = fail(ErrorCode::System, "xvsd answered without timeouts");
    const auto status =
        request(Command::GetConfig, 0, {}, [&result](const Attributes& top) -> Status {
            result = read_timeouts(top, {.tcp_s = 0, .tcp_fin_s = 0, .udp_s = 0});
            return {};
        });
    if (!status) return fail(status.error());
    return result;
}

Status Client::set_timeouts(const model::Timeouts& timeouts) {
    return edit(Command::SetConfig,
                [&](MessageWriter& writer) { write_timeouts(writer, timeouts); });
}

Status Client::add_mark_rule(const model::MarkRule& rule) {
    return edit(Command::NewMarkRule,
                [&rule](MessageWriter& writer) { write_mark_rule(writer, rule); });
}

Status Client::remove_mark_rule(const model::MarkRule& rule) {
    return edit(Command::DeleteMarkRule,
                [&rule](MessageWriter& writer) { write_mark_rule(writer, rule); });
}

Result<std::vector<model::MarkRule>> Client::mark_rules() {
    return dump<model::MarkRule>(Command::GetMarkRule, read_mark_rule);
}

Status Client::add_access_rule(const model::AccessRule& rule) {
    return edit(Command::NewAccessRule,
                [&rule](MessageWriter& writer) { write_access_rule(writer, rule); });
}

Status Client::remove_access_rule(const model::AccessRule& rule) {
    return edit(Command::DeleteAccessRule,
                [&rule](MessageWriter& writer) { write_access_rule(writer, rule); });
}

Status Client::for_each_access_rule(const std::function<void(const model::AccessRule&)>& visit) {
    return request(
        Command::GetAccessRule, message::kFlagDump, {}, [&visit](const Attributes& top) -> Status {
            const auto rule = read_access_rule(top);
            if (!rule) return fail(rule.error());
            visit(*rule);
            return {};
        });
}

Result<std::vector<model::SysctlValue>> Client::sysctls() {
    return dump<model::SysctlValue>(Command::GetSysctl, [](const Attributes& top) {
        return read_sysctl(top.bytes(attribute::kSysctl));
    });
}

Status Client::set_sysctl(const model::SysctlValue& wanted) {
    return edit(Command::SetSysctl,
                [&wanted](MessageWriter& writer) { write_sysctl(writer, wanted); });
}

Result<std::vector<model::SyncDaemon>> Client::daemons() {
    return dump<model::SyncDaemon>(Command::GetDaemon, [](const Attributes& top) {
        return read_daemon(top.bytes(attribute::kDaemon));
    });
}

Status Client::start_daemon(const model::SyncDaemon& daemon) {
    return edit(Command::NewDaemon, [&](MessageWriter& writer) { write_daemon(writer, daemon); });
}

Status Client::stop_daemon(model::SyncRole role) {
    return edit(Command::DeleteDaemon, [&](MessageWriter& writer) {
        const auto nest = writer.begin_nest(attribute::kDaemon);
        writer.put_u32(attribute::kDaemonState, static_cast<std::uint32_t>(role));
        writer.end_nest(nest);
    });
}

}  // namespace xvs::control::netlink
