// TortureTraffic: numbered packets of the same flows from two CPUs at once, answered by the real
// servers, and every packet that is received checked.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lab/laboratory.h"
#include "tests/lab/numbered_packet.h"

namespace xvs::lab {

inline constexpr std::uint16_t kTortureTcpPort = 9000;  // of the VIP and of the real servers
inline constexpr std::uint16_t kTortureUdpPort = 9001;
inline constexpr std::size_t kTortureSenders = 2;  // each on a CPU of its own

// What was seen.
struct TortureCounts {
    std::uint64_t sent = 0;
    std::uint64_t at_servers = 0;
    std::uint64_t at_client = 0;
    std::uint64_t flows = 0;        // whose first packet has come
    std::uint64_t rescheduled = 0;  // epochs of one flow that went to another server
};

class TortureTraffic {
public:
    // REQUIRES: a laboratory with services for the ports above, which outlives it.
    explicit TortureTraffic(Laboratory& lab);
    ~TortureTraffic();
    TortureTraffic(const TortureTraffic&) = delete;
    TortureTraffic& operator=(const TortureTraffic&) = delete;

    void start();
    // Lets what is under way arrive.
    void stop();

    // Flows that this real server has may go to another one: to be said before it is removed and
    // after, of those that it gets in between.
    void note_removal(std::size_t server) { ++removals_[server]; }

    // Nothing that is sent after this belongs to that real server's service of this port and
    // family, until note_back().
    void note_gone(std::size_t server, std::uint16_t port, net::Family family);

    void note_back() { gone_ = 0; }

    [[nodiscard]] TortureCounts counts() const;

    // What was wrong, each kind with how often and an example; nothing if all was right.
    [[nodiscard]] std::string problems() const;

private:
    class Sender;
    class Receiver;
    class Servers;

    static constexpr std::size_t kMaxServers = 8;

    void take_reply(Receiver& receiver, const NumberedPacket& packet, const std::string& damage);
    void complain(const std::string& kind, const NumberedPacket& packet, const std::string& where);
    // As the client sends it, but for its number.
    [[nodiscard]] NumberedPacket request(std::uint32_t flow) const;

    Laboratory& lab_;
    std::chrono::steady_clock::time_point started_;
    std::atomic<bool> is_sending_ = false;
    std::atomic<bool> is_listening_ = false;
    [[nodiscard]] bool is_gone(std::size_t server, const NumberedPacket& packet) const;

    std::array<std::atomic<std::uint32_t>, kMaxServers> removals_{};
    std::atomic<std::uint64_t> gone_ = 0;  // which_of() the real server and its service; 0: none
    // By sender and flow: the last sequence number, and what it was when a real server had gone.
    std::vector<std::atomic<std::uint32_t>> sequences_;
    std::vector<std::atomic<std::uint32_t>> sequences_before_;
    std::atomic<std::uint64_t> sent_ = 0;
    std::atomic<std::uint64_t> at_servers_ = 0;
    std::atomic<std::uint64_t> at_client_ = 0;
    std::atomic<std::uint64_t> flows_ = 0;
    std::atomic<std::uint64_t> rescheduled_ = 0;
    std::vector<std::atomic<std::uint32_t>> answered_;  // by flow: the epoch whose SYN was answered
    std::vector<std::atomic<std::uint32_t>> reset_;     // by flow: the last epoch that was reset
    std::vector<std::thread> threads_;
    std::vector<std::thread> senders_;
    mutable std::mutex problems_gate_;
    std::map<std::string, std::pair<std::uint64_t, std::string>> problems_;
};

}  // namespace xvs::lab
