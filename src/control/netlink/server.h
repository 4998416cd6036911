// Server: xvsd's side of the IPVS generic-netlink protocol, driven by xvsd's event loop.
//
// A foreign netlink socket has no "writable" event, so what a client does not take at once waits
// here and is tried again on a timer; a client that takes nothing for kStallLimit loses it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/netlink/request_handler.h"
#include "control/netlink/socket.h"

namespace xvs::control::netlink {

class Server {
public:
    static constexpr Nanoseconds kFirstRetry = std::chrono::milliseconds(1);
    static constexpr Nanoseconds kLastRetry = std::chrono::milliseconds(5);
    static constexpr Nanoseconds kStallLimit = std::chrono::seconds(5);
    // Answers that wait for one client, and clients that let answers wait. Beyond, the client's
    // are dropped: it asks without ever listening.
    static constexpr std::size_t kMaxWaitingAnswers = 64;
    static constexpr std::size_t kMaxWaitingClients = 1024;

    // The kernel refuses senders without CAP_NET_ADMIN over this network namespace (EPERM), as it
    // does IPVS's own; nothing is left to check here.
    // Error InUse names the process that has the port.
    [[nodiscard]] static Result<std::unique_ptr<Server>> open(RequestHandler& handler,
                                                              const Clock& clock,
                                                              std::uint32_t port = kPortId);

    // Goes on where another process's server left off: requests that wait in its socket are
    // answered here. Error InvalidArgument: `socket` is no netlink socket.
    [[nodiscard]] static Result<std::unique_ptr<Server>> take_over(RequestHandler& handler,
                                                                   const Clock& clock,
                                                                   UniqueFd socket);

    [[nodiscard]] int fd() const noexcept { return socket_.fd(); }

    // To be called when fd() is readable; answers a bounded number of requests.
    void on_readable();

    // To be called at next_deadline() or later.
    void on_timer();

    // Returns when on_timer() is due, on the clock of the constructor; nullopt if nothing waits.
    [[nodiscard]] std::optional<Nanoseconds> next_deadline() const noexcept;

    // Waits until clients have taken what they were answered, but no longer than `patience`.
    void finish_answers(Nanoseconds patience);

private:
    using Outgoing = std::variant<Buffer, Dump>;

    struct Client {
        std::deque<Outgoing> waiting;
        Buffer unsent;  // of the dump at the front
        Nanoseconds stalled_since{};
        Nanoseconds retry_at{};
        Nanoseconds retry_after = kFirstRetry;
    };

    enum class Progress { Finished, Waiting, Gone };

    Server(RequestHandler& handler, const Clock& clock, Socket socket)
        : handler_(handler), clock_(clock), socket_(std::move(socket)) {}

    // Returns how many requests there were in it.
    std::size_t answer(Bytes datagram, std::uint32_t port);
    static void add(std::vector<Outgoing>& answers, Buffer datagram, bool may_join);
    static void add_listing(std::vector<Outgoing>& answers, Dump dump);
    void send(std::vector<Outgoing> answers, std::uint32_t port);
    // Says so to the sender of a datagram that was too long to be read.
    void refuse(const Socket::Received& received) const;
    [[nodiscard]] Progress send_waiting(Client& client, std::uint32_t port) const;
    void settle(std::uint32_t port, Client& client);

    RequestHandler& handler_;
    const Clock& clock_;
    Socket socket_;
    std::map<std::uint32_t, Client> clients_;  // those for whom something waits
    Buffer storage_;
};

}  // namespace xvs::control::netlink
