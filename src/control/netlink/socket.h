// Socket: a generic-netlink socket that talks to other programs' netlink ports, with who they are.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "control/netlink/wire.h"

namespace xvs::control::netlink {

// Who sent a datagram, as the kernel says.
struct Sender {
    std::uint32_t port = 0;
    pid_t process = 0;
    uid_t user = 0;
};

class Socket {
public:
    // Binds `port`; 0 lets the kernel choose. In use: Error InUse that names the process.
    [[nodiscard]] static Result<Socket> open(std::uint32_t port);

    // A bound one that another process handed over, with the datagrams that wait in it. Error
    // InvalidArgument: it is none.
    [[nodiscard]] static Result<Socket> take_over(UniqueFd fd);

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    [[nodiscard]] std::uint32_t port() const noexcept { return port_; }

    // Returns 0 or an errno; EAGAIN where the receiver's buffer is full, ECONNREFUSED where nobody
    // has that port. Does not block.
    [[nodiscard]] int send(std::uint32_t to, Bytes datagram) const noexcept;

    struct Received {
        int error = 0;   // an errno: EAGAIN where there is no datagram, EMSGSIZE for one cut short
        Bytes datagram;  // valid until the storage is used again
        Sender sender;
    };

    // Takes the next datagram; of one that is longer than kMaxReceived the beginning, with
    // EMSGSIZE. Does not block.
    [[nodiscard]] Received receive(Buffer& storage) const;

    static constexpr std::size_t kMaxReceived = 64 * 1024;

private:
    Socket(UniqueFd fd, std::uint32_t port) noexcept : fd_(std::move(fd)), port_(port) {}

    UniqueFd fd_;
    std::uint32_t port_;
};

// Returns "pid 4711 (xvsd)" for the process that has `port` bound in this network namespace, or
// nullopt if nobody has, or it cannot be seen.
[[nodiscard]] std::optional<std::string> find_port_owner(std::uint32_t port);

// Whether a process may administer the network: it is root's, the caller's own user's, or has
// CAP_NET_ADMIN.
[[nodiscard]] bool is_administrator(const Sender& sender);

}  // namespace xvs::control::netlink
