// Traffic: a laboratory's client asks a service and says who answered.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "net/address.h"

namespace xvs::lab {

// An endpoint as the socket calls take it.
class SocketAddress {
public:
    explicit SocketAddress(const net::Endpoint& endpoint) noexcept;

    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage_);
    }

    [[nodiscard]] socklen_t size() const noexcept { return size_; }

    [[nodiscard]] int family() const noexcept { return storage_.ss_family; }

private:
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

// "http://192.0.2.1:80/" and "http://[2001:db8:1::1]:80/".
[[nodiscard]] std::string url_of(const net::Endpoint& service, std::string_view path = "/");

// Asks once by curl, over a connection of its own; returns the body without its line's end.
[[nodiscard]] Result<std::string> ask_http(const NetworkNamespace& client,
                                           const net::Endpoint& service,
                                           const std::vector<std::string>& curl_options = {});

// A UDP client with a port of its own.
class UdpClient {
public:
    [[nodiscard]] static Result<UdpClient> open(const NetworkNamespace& client,
                                                const net::Endpoint& service);

    // Sends one datagram and returns the answer; fails when none comes within `patience`.
    [[nodiscard]] Result<std::string> ask(
        std::string_view payload, std::chrono::milliseconds patience = std::chrono::seconds(2));

private:
    UdpClient(UniqueFd socket, std::string service);

    UniqueFd socket_;
    std::string service_;
};

// How often each answered.
using Tally = std::map<std::string, unsigned>;

[[nodiscard]] Tally tally(const std::vector<std::string>& answers);

// "rs1 4, rs2 4, rs3 4".
[[nodiscard]] std::string to_string(const Tally& tally);

// True when each of `real_servers` servers answered, and none more often than another by more than
// one: what rr must give when nobody else asks.
[[nodiscard]] bool is_even(const Tally& tally, std::size_t real_servers);

}  // namespace xvs::lab
