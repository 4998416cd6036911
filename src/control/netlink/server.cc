#include "control/netlink/server.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <thread>

namespace xvs::control::netlink {

namespace {

constexpr std::size_t kRequestsAtOnce = 64;
// So that one client with a long listing and a quick reader do not keep the others waiting.
constexpr int kDatagramsAtOnce = 64;
// Of answers to requests that came together, whose sender reads whatever Client does.
constexpr std::size_t kMaxJoinedSize = 32 * 1024;
static_assert(kMaxJoinedSize <= Socket::kMaxReceived);

}  // namespace

Result<std::unique_ptr<Server>> Server::open(RequestHandler& handler,
                                             const Clock& clock,
                                             std::uint32_t port) {
    auto socket = Socket::open(port);
    if (!socket) return fail(std::move(socket).error());
    return std::unique_ptr<Server>(new Server(handler, clock, *std::move(socket)));
}

Result<std::unique_ptr<Server>> Server::take_over(RequestHandler& handler,
                                                  const Clock& clock,
                                                  UniqueFd socket) {
    auto taken = Socket::take_over(std::move(socket));
    if (!taken) return fail(std::move(taken).error());
    return std::unique_ptr<Server>(new Server(handler, clock, *std::move(taken)));
}

void Server::on_readable() {
    for (std::size_t requests = 0; requests < kRequestsAtOnce; ++requests) {
        const auto received = socket_.receive(storage_);
        // ENOBUFS: the kernel lost requests to us, whose senders will time out; go on.
        if (received.error == EMSGSIZE) refuse(received);
        if (received.error == EMSGSIZE || received.error == ENOBUFS || received.error == EINTR) {
            continue;
        }
        if (received.error != 0) return;
        if (received.sender.port == 0) continue;  // the kernel, which has nothing to ask
        requests += answer(received.datagram, received.sender.port);
    }
}

void Server::add(std::vector<Outgoing>& answers, Buffer datagram, bool may_join) {
    auto* const last =
        may_join && !answers.empty() ? std::get_if<Buffer>(&answers.back()) : nullptr;
    if (last != nullptr && last->size() + datagram.size() <= kMaxJoinedSize) {
        last->insert(last->end(), datagram.begin(), datagram.end());
    } else {
        answers.emplace_back(std::move(datagram));
    }
}

// Of a long one the rest is made as the client takes it.
void Server::add_listing(std::vector<Outgoing>& answers, Dump dump) {
    for (std::size_t size = 0; size < kMaxJoinedSize && !dump.has_ended();) {
        Buffer next = dump.next();
        size += next.size();
        add(answers, std::move(next), true);
    }
    if (!dump.has_ended()) answers.emplace_back(std::move(dump));
}

// What was asked in one datagram is answered in as few: one that holds many requests comes from a
// client that does not wait in between. Waking it costs more than a short listing.
std::size_t Server::answer(Bytes datagram, std::uint32_t port) {
    std::vector<Outgoing> answers;
    std::size_t requests = 0;
    while (const auto message = MessageView::take(datagram)) {
        const bool is_alone = requests++ == 0 && datagram.empty();
        Answer answer = handler_.handle(*message, port);
        for (auto& each : answer.datagrams)
            add(answers, std::move(each), !is_alone);
        if (!answer.dump) continue;
        if (is_alone) {
            answers.emplace_back(*std::move(answer.dump));
        } else {
            add_listing(answers, *std::move(answer.dump));
        }
    }
    handler_.finish_edits();
    send(std::move(answers), port);
    return requests;
}

void Server::refuse(const Socket::Received& received) const {
    const auto header = MessageHeader::load(received.datagram);
    if (!header || received.sender.port == 0) return;
    const MessageView request{.header = *header, .whole = received.datagram, .body = {}};
    // Who does not listen loses it, as the kernel's answers are lost.
    static_cast<void>(socket_.send(received.sender.port,
                                   error_datagram(request, received.sender.port, EMSGSIZE)));
}

void Server::on_timer() {
    const Nanoseconds now = clock_.now();
    for (auto entry = clients_.begin(); entry != clients_.end();) {
        const auto here = entry++;
        if (here->second.retry_at <= now) settle(here->first, here->second);
    }
}

std::optional<Nanoseconds> Server::next_deadline() const noexcept {
    const auto first =
        std::min_element(clients_.begin(), clients_.end(), [](const auto& a, const auto& b) {
            return a.second.retry_at < b.second.retry_at;
        });
    if (first == clients_.end()) return std::nullopt;
    return first->second.retry_at;
}

void Server::finish_answers(Nanoseconds patience) {
    const Nanoseconds until = clock_.now() + patience;
    while (!clients_.empty() && clock_.now() < until) {
        std::this_thread::sleep_for(kFirstRetry);
        on_timer();
    }
}

void Server::send(std::vector<Outgoing> answers, std::uint32_t port) {
    if (answers.empty()) return;
    const bool known = clients_.contains(port);
    if (!known && clients_.size() >= kMaxWaitingClients) return;
    Client& client = clients_[port];
    if (!known) client.stalled_since = clock_.now();
    std::move(answers.begin(), answers.end(), std::back_inserter(client.waiting));
    if (client.waiting.size() > kMaxWaitingAnswers) {
        clients_.erase(port);
        return;
    }
    // Behind what waits already there is nothing to try: the timer does.
    if (!known) settle(port, client);
}

Server::Progress Server::send_waiting(Client& client, std::uint32_t port) const {
    for (int i = 0; i < kDatagramsAtOnce; ++i) {
        if (client.waiting.empty()) return Progress::Finished;
        Outgoing& front = client.waiting.front();
        if (client.unsent.empty()) {
            if (auto* const dump = std::get_if<Dump>(&front))
                client.unsent = dump->next();
            else
                client.unsent = std::get<Buffer>(std::move(front));
        }
        if (client.unsent.empty()) {  // a dump at its end
            client.waiting.pop_front();
            continue;
        }
        const int error = socket_.send(port, client.unsent);
        if (error == EAGAIN || error == ENOBUFS || error == EINTR) return Progress::Waiting;
        // ECONNREFUSED: the client left without waiting, as ipvsadm does before the last ACK.
        if (error != 0) return Progress::Gone;
        client.unsent.clear();
        client.stalled_since = clock_.now();
        client.retry_after = kFirstRetry;
        if (std::holds_alternative<Buffer>(front)) client.waiting.pop_front();
    }
    return client.waiting.empty() ? Progress::Finished : Progress::Waiting;
}

void Server::settle(std::uint32_t port, Client& client) {
    const Nanoseconds now = clock_.now();
    const Progress progress = send_waiting(client, port);
    if (progress != Progress::Waiting || now - client.stalled_since >= kStallLimit) {
        clients_.erase(port);
        return;
    }
    client.retry_at = now + client.retry_after;
    client.retry_after = std::min(client.retry_after * 2, kLastRetry);
}

}  // namespace xvs::control::netlink
