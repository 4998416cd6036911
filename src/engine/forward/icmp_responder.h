// IcmpResponder: the errors that the director itself sends, as the kernel would.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "base/sharing_mutex.h"
#include "engine/forward/transmitter.h"
#include "engine/parse/packet.h"
#include "engine/router.h"

namespace xvs::engine {

// Numbers of IPv4 packets of the director's own. Each worker has its own.
class Identifications {
public:
    Identifications(std::size_t worker, std::size_t workers) noexcept
        : last_(static_cast<std::uint32_t>(worker)), step_(static_cast<std::uint32_t>(workers)) {}

    [[nodiscard]] std::uint16_t next() noexcept { return static_cast<std::uint16_t>(next_wide()); }

    // Of IPv6.
    [[nodiscard]] std::uint32_t next_wide() noexcept {
        last_ += step_;
        return last_;
    }

private:
    std::uint32_t last_;
    std::uint32_t step_;
};

// What is wrong; each family has its own type and code for it.
enum class IcmpError : std::uint8_t { TtlExceeded, TooBig, PortUnreachable, HostUnreachable };

// As it is written in a message.
struct IcmpKind {
    std::uint8_t type = 0;
    std::uint8_t code = 0;

    bool operator==(const IcmpKind&) const = default;
};

template <class Ip>
[[nodiscard]] IcmpKind kind_of(IcmpError error) noexcept;

// What an error says beside the packet it quotes.
struct ErrorFields {
    IcmpKind kind;
    net::IpAddress source;  // unspecified: as the way to its receiver has it
    std::uint8_t ttl = 0;
    std::uint32_t rest = 0;  // the MTU of one that says TooBig
};

// At most so many errors a second from this host, with a reserve for bursts, and one a second to
// one receiver. Kernel: net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst and icmp_ratelimit, their
// defaults.
class IcmpRateLimit {
public:
    static constexpr std::uint32_t kPerSecond = 1000;
    static constexpr std::uint32_t kBurst = 50;
    static constexpr std::uint32_t kReceiverBurst = 6;  // kernel: XRLIM_BURST_FACTOR
    static constexpr std::size_t kReceivers = 256;      // told apart by a hash; two may share one

    explicit IcmpRateLimit(const Clock& clock) : clock_(clock) {}

    // Several workers are to use it. REQUIRES: none has begun.
    void share() noexcept { mutex_.share(); }

    // Returns whether one may go to the receiver with that hash now, and counts it.
    [[nodiscard]] bool try_take(std::uint32_t receiver_hash) noexcept;

private:
    struct Bucket {
        std::int64_t credit_ns = 0;
        Nanoseconds filled_at{};
        bool is_known = false;

        bool try_take(Nanoseconds now, std::int64_t cost_ns, std::uint32_t burst) noexcept;
    };

    const Clock& clock_;
    SharingMutex mutex_;
    Bucket all_;
    std::array<Bucket, kReceivers> receivers_;
};

// Thread: the worker.
template <class Ip>
class IcmpResponder {
public:
    using View = typename Headers<Ip>::View;

    IcmpResponder(Router& router,
                  PacketPort& port,
                  Transmitter& transmitter,
                  IcmpRateLimit& limit,
                  Identifications& identifications)
        : router_(router),
          port_(port),
          transmitter_(transmitter),
          limit_(limit),
          identifications_(identifications) {}

    // Sends `error` about `packet`, which is as it came but perhaps for its TTL, to its source.
    // `mtu` is told in TooBig. Nothing is sent about ICMP errors, followers of fragments, or to
    // multicast. Returns the length of the packet that was sent, 0 if none was.
    std::uint32_t send(IcmpError error, const Packet<Ip>& packet, std::uint32_t mtu) noexcept;

    // Sends HostUnreachable about a packet whose next hop has not answered. Returns as send().
    std::uint32_t send_undelivered(const Origin& origin) noexcept;

    // Sends what was said of a tunnel that carried `about`, which may be cut short, to its source,
    // from its destination if that is this host's. Returns as send().
    std::uint32_t relay(const View& about, IcmpKind kind, std::uint32_t rest) noexcept;

private:
    std::uint32_t send_about(const View& about, ErrorFields fields) noexcept;

    Router& router_;
    PacketPort& port_;
    Transmitter& transmitter_;
    IcmpRateLimit& limit_;
    Identifications& identifications_;
};

}  // namespace xvs::engine
