// Client: a program's side of the IPVS generic-netlink protocol, as xvsadm uses it.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "control/netlink/socket.h"
#include "control/service_manager.h"
#include "model/sync_daemon.h"

namespace xvs::control::netlink {

class Client {
public:
    struct Info {
        std::uint32_t version = 0;  // 0x010201 is 1.2.1
        std::uint32_t table_size = 0;
        model::Statistics total;  // of all services there have been
    };

    // NotAvailable if nobody serves `server` in this network namespace, NotPermitted without
    // CAP_NET_ADMIN. An answer that does not come within `patience` is an error: long enough for a
    // daemon whose workers have a storm of packets to process on a machine that others overload.
    [[nodiscard]] static Result<Client> connect(
        std::uint32_t server = kPortId,
        std::chrono::milliseconds patience = std::chrono::seconds(20));

    [[nodiscard]] Result<Info> info();

    // Edits from here on are sent ahead of their answers, many in one datagram, and return success.
    // `settle` is told what became of each, in their order: of the last ones in finish_edits(),
    // which every other request begins with.
    using Settle = std::function<void(const Status&)>;
    void send_edits_ahead(Settle settle);
    void finish_edits();

    // Errors as of ServiceManager, by code alone: the protocol carries no text.
    Status add_service(const model::VirtualService& service);
    Status edit_service(const model::VirtualService& service);
    Status remove_service(const model::ServiceKey& key);
    Status flush();
    Status add_destination(const model::ServiceKey& key, const model::Destination& destination);
    Status edit_destination(const model::ServiceKey& key, const model::Destination& destination);
    Status remove_destination(const model::ServiceKey& key, const net::Endpoint& real);
    Status zero(const model::ServiceKey& key);
    Status zero_all();

    [[nodiscard]] Result<ServiceStatus> get_service(const model::ServiceKey& key);
    [[nodiscard]] Result<std::vector<ServiceStatus>> services();
    [[nodiscard]] Result<std::vector<DestinationStatus>> destinations(const model::ServiceKey& key);
    // The real servers of each service of `keys` in turn, asked for ahead of the answers. `visit`
    // is told which key it was; none is visited after an error.
    using VisitDestinations = std::function<void(std::size_t, std::vector<DestinationStatus>)>;
    Status destinations_of_each(std::span<const model::ServiceKey> keys,
                                const VisitDestinations& visit);
    // Calls `visit` for each connection as they come.
    Status for_each_connection(const std::function<void(const model::ConnectionInfo&)>& visit);

    [[nodiscard]] Result<model::Timeouts> timeouts();
    // A timeout of zero stays as it is.
    Status set_timeouts(const model::Timeouts& timeouts);

    Status add_mark_rule(const model::MarkRule& rule);
    Status remove_mark_rule(const model::MarkRule& rule);
    [[nodiscard]] Result<std::vector<model::MarkRule>> mark_rules();
    Status add_access_rule(const model::AccessRule& rule);
    Status remove_access_rule(const model::AccessRule& rule);
    // Calls `visit` for each rule as they come.
    Status for_each_access_rule(const std::function<void(const model::AccessRule&)>& visit);
    [[nodiscard]] Result<std::vector<model::SysctlValue>> sysctls();
    Status set_sysctl(const model::SysctlValue& wanted);

    [[nodiscard]] Result<std::vector<model::SyncDaemon>> daemons();
    Status start_daemon(const model::SyncDaemon& daemon);
    Status stop_daemon(model::SyncRole role);

private:
    using Body = std::function<void(MessageWriter&)>;
    // Reads the attributes of one reply.
    using Visit = std::function<Status(const Attributes&)>;

    Client(Socket socket, std::uint32_t server, std::chrono::milliseconds patience)
        : socket_(std::move(socket)), server_(server), patience_(patience) {}

    // So that neither side waits for the other: while one batch is done the next is made.
    static constexpr std::size_t kEditsInBatch = 64;
    static constexpr std::size_t kEditsAhead = 4 * kEditsInBatch;
    // Few enough for the server's limit of answers that wait (kMaxWaitingAnswers) and for the
    // socket's buffer, where such answers are short.
    static constexpr std::size_t kListingsAhead = 16;

    Status resolve_family();
    Status put_into_batch(Command command, const Body& body);
    void send_batch();
    // Takes answers until at most `limit` edits wait for theirs.
    void settle_until(std::size_t limit);
    void settle_next(const Status& status);
    void settle_answered(Bytes datagram);
    void fail_unsettled(const Error& error);
    [[nodiscard]] MessageHeader next_header(std::uint16_t type, std::uint16_t flags);
    // Sends a command and takes its replies until the acknowledgement, or the end of the dump.
    Status request(Command command, std::uint16_t flags, const Body& body, const Visit& visit = {});
    Status edit(Command command, const Body& body);
    // `read` makes an entry of each reply's attributes.
    template <class Entry, class Read>
    Result<std::vector<Entry>> dump(Command command, const Read& read);
    Status ask_for_destinations(std::span<const model::ServiceKey> keys);
    Status exchange(std::uint16_t type,
                    std::uint16_t flags,
                    std::uint8_t command,
                    std::uint8_t version,
                    const Body& body,
                    const Visit& visit);
    Status send(Bytes datagram);
    Result<Bytes> receive();
    Status wait_for_answer(std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] Error no_answer() const;

    Socket socket_;
    std::uint32_t server_;
    std::chrono::milliseconds patience_;
    std::uint16_t family_ = 0;
    std::uint32_t sequence_ = 0;
    Buffer storage_;

    Settle settle_;
    Buffer batch_;
    std::size_t batched_ = 0;    // edits in `batch_`
    std::size_t unsettled_ = 0;  // of those sent; the last one's number is sequence_ - batched_
};

}  // namespace xvs::control::netlink
