#include "tests/lab/http_client.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <poll.h>

#include "lab/traffic.h"

namespace xvs::lab {

namespace {

constexpr timeval kPatience{5, 0};

}  // namespace

Result<HttpClient> HttpClient::open(const NetworkNamespace& client, const net::Endpoint& server) {
    const NetworkNamespace::Scope inside(client);
    const SocketAddress address(server);
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    if (::connect(fd.get(), address.get(), address.size()) != 0)
        return fail(system_error("connecting to " + server.to_string(), errno));
    return HttpClient(std::move(fd));
}

Result<std::string> HttpClient::get(const std::string& path) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: lab\r\n\r\n";
    if (::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
        return fail(system_error("sending a request", errno));
    std::size_t head_end = std::string::npos;
    while ((head_end = unread_.find("\r\n\r\n")) == std::string::npos) {
        if (auto received = receive(); !received) return fail(received.error());
    }
    const std::size_t length_at = unread_.find("Content-Length: ");
    if (length_at == std::string::npos || length_at > head_end)
        return fail(ErrorCode::System, "an answer without Content-Length");
    const std::size_t size = std::stoul(unread_.substr(length_at + 16));
    unread_.erase(0, head_end + 4);
    while (unread_.size() < size) {
        if (auto received = receive(); !received) return fail(received.error());
    }
    std::string body = unread_.substr(0, size);
    unread_.erase(0, size);
    if (body.ends_with('\n')) body.pop_back();
    return body;
}

Status HttpClient::receive() {
    std::array<char, 65536> buffer{};
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return fail(system_error("waiting for an answer", errno));
    if (got == 0) return fail(ErrorCode::System, "the connection was closed before the answer");
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
    return {};
}

}  // namespace xvs::lab
