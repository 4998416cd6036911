// NumberedDatagrams: a client that sends 10,000 datagrams a second through the director, each with
// a number, and a real server that sends each back. Afterwards every number must have come once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "net/address.h"

namespace xvs::lab {

class NumberedDatagrams {
public:
    // `service` is what the client sends to, `real` what the server's socket is bound to: the VIP
    // with DR and TUN.
    [[nodiscard]] static Result<std::unique_ptr<NumberedDatagrams>> start(
        const NetworkNamespace& client,
        const net::Endpoint& service,
        const NetworkNamespace& server,
        const net::Endpoint& real);

    ~NumberedDatagrams();

    // How many were sent until now.
    [[nodiscard]] std::uint32_t sent() const noexcept { return sent_; }

    // Waits until `more` have been sent; false: they were not within a minute.
    [[nodiscard]] bool await_sent(std::uint32_t more) const;

    // Stops, waits for what is under way, and returns what is wrong: nothing if all came once.
    [[nodiscard]] std::string stop();

private:
    static constexpr std::uint32_t kMost = 1u << 20;
    static constexpr std::uint32_t kGreeting = 0xffffffff;

    NumberedDatagrams(UniqueFd client, UniqueFd server)
        : client_(std::move(client)),
          server_(std::move(server)),
          requests_(kMost),
          replies_(kMost) {}

    void greet();
    void send();
    void send_one();
    void await_room();
    void reflect();
    void listen();
    void join();

    UniqueFd client_;
    UniqueFd server_;
    std::vector<std::uint8_t> requests_;  // how often each came
    std::vector<std::uint8_t> replies_;
    std::atomic<std::uint32_t> sent_ = 0;
    std::atomic<std::uint32_t> answered_ = 0;
    std::uint32_t given_up_ = 0;  // of the sender: those that it no longer waits for
    std::atomic<bool> was_greeted_ = false;
    std::atomic<bool> is_sending_ = true;
    std::atomic<bool> is_receiving_ = true;
    std::vector<std::thread> threads_;
};

}  // namespace xvs::lab
