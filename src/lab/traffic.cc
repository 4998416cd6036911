#include "lab/traffic.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <poll.h>

#include "base/byte_order.h"

namespace xvs::lab {

SocketAddress::SocketAddress(const net::Endpoint& endpoint) noexcept {
    const auto port = to_wire16(net::number(endpoint.port));
    if (endpoint.address.family() == net::Family::Ipv4) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = port;
        std::memcpy(&address.sin_addr, endpoint.address.bytes().data(), sizeof address.sin_addr);
        std::memcpy(&storage_, &address, sizeof address);
        size_ = sizeof address;
    } else {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = port;
        std::memcpy(&address.sin6_addr, endpoint.address.bytes().data(), sizeof address.sin6_addr);
        std::memcpy(&storage_, &address, sizeof address);
        size_ = sizeof address;
    }
}

std::string url_of(const net::Endpoint& service, std::string_view path) {
    return fmt::format("http://{}{}", service.to_string(), path);
}

Result<std::string> ask_http(const NetworkNamespace& client,
                             const net::Endpoint& service,
                             const std::vector<std::string>& curl_options) {
    Command curl{"curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "5"};
    curl.insert(curl.end(), curl_options.begin(), curl_options.end());
    curl.push_back(url_of(service));
    auto body = client.run_checked(curl);
    if (body && body->ends_with('\n')) body->pop_back();
    return body;
}

UdpClient::UdpClient(UniqueFd socket, std::string service)
    : socket_(std::move(socket)), service_(std::move(service)) {}

Result<UdpClient> UdpClient::open(const NetworkNamespace& client, const net::Endpoint& service) {
    const NetworkNamespace::Scope inside(client);
    const SocketAddress address(service);
    UniqueFd fd(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    // Connected: answers from another address or port than the service's are not ours.
    if (::connect(fd.get(), address.get(), address.size()) != 0)
        return fail(system_error("a UDP client of " + service.to_string(), errno));
    return UdpClient(std::move(fd), service.to_string());
}

Result<std::string> UdpClient::ask(std::string_view payload, std::chrono::milliseconds patience) {
    if (::send(socket_.get(), payload.data(), payload.size(), MSG_NOSIGNAL) < 0)
        return fail(system_error("sending a datagram to " + service_, errno));
    pollfd watched{socket_.get(), POLLIN, 0};
    if (::poll(&watched, 1, static_cast<int>(patience.count())) <= 0) {
        return fail(ErrorCode::System,
                    fmt::format("no answer from UDP {} within {} ms", service_, patience.count()));
    }
    std::string answer(65536, '\0');
    const ssize_t got = ::recv(socket_.get(), answer.data(), answer.size(), 0);
    if (got < 0) return fail(system_error("the answer of UDP " + service_, errno));
    answer.resize(static_cast<std::size_t>(got));
    return answer;
}

Tally tally(const std::vector<std::string>& answers) {
    Tally result;
    for (const std::string& answer : answers)
        ++result[answer];
    return result;
}

std::string to_string(const Tally& tally) {
    std::string text;
    for (const auto& [name, count] : tally)
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
    return text;
}

bool is_even(const Tally& tally, std::size_t real_servers) {
    if (tally.size() != real_servers) return false;
    const auto [least, most] =
        std::minmax_element(tally.begin(), tally.end(), [](const auto& a, const auto& b) {
            return a.second < b.second;
        });
    return most->second - least->second <= 1;
}

}  // namespace xvs::lab
