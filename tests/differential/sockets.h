// The sockets by which the kernel runner sends frames and sees what the director does with them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/unique_fd.h"
#include "net/ip_protocol.h"
#include "testing/packet.h"

namespace xvs::test {

// The far end of one of the director's links: whatever the director sends there comes in here.
class FarEnd {
public:
    // The interface is one of the calling thread's network namespace, and is set up.
    explicit FarEnd(const std::string& interface);

    void send(std::span<const std::byte> frame) const;

    // Returns the next frame, without waiting for one.
    [[nodiscard]] std::optional<Bytes> receive() const;

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

private:
    UniqueFd socket_;
};

// Sees the packets of one protocol that are delivered to the network stack of the namespace in
// which it was made: those that IPVS left alone.
class StackTap {
public:
    StackTap(net::Family family, net::IpProtocol protocol);

    // Returns the next packet, from its IP header on, without waiting for one. Of IPv6 the kernel
    // tells the fields of the fixed header; extension headers are not there any more.
    [[nodiscard]] std::optional<Bytes> receive() const;

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

private:
    [[nodiscard]] std::optional<Bytes> receive_ipv6() const;

    net::Family family_;
    net::IpProtocol protocol_;
    UniqueFd socket_;
};

// Makes the kernel finish checksums before a frame leaves by the interface, which is one of this
// namespace. A link between two namespaces would leave that to a device that is not there.
void finish_checksums(const std::string& interface);

// Returns a socket that takes the datagrams for that port, so that nobody answers them.
[[nodiscard]] UniqueFd listen_to_udp(net::Family family, net::Port port);

// The firewall mark of packets that the stack has not made by itself.
inline constexpr std::uint32_t kNotOfTheStack = 0x7e57;

// Sends a packet, IP header included, as the stack of this namespace would.
void send_from_stack(const Packet& packet);

// From now on this process runs only when the kernel's own threads have nothing to do. On one CPU
// they have then done all that a packet causes before the call that sent it is followed by another.
// Lifts the machine's limits on ICMP errors, too, which all directors together would meet.
void give_way_to_the_kernel();

// Ends the program with a sentence: the runner can do nothing without what failed.
[[noreturn]] void give_up(const std::string& what, int error_number);

}  // namespace xvs::test
