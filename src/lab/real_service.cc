#include "lab/real_service.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <thread>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <poll.h>

#include "base/byte_order.h"
#include "base/unique_fd.h"
#include "lab/sha256.h"

namespace xvs::lab {

namespace {

constexpr std::size_t kBufferSize = 128 * 1024;  // more than a datagram, and few system calls
constexpr std::size_t kMaxHeaderSize = 16 * 1024;
constexpr int kBacklog = 1024;

Result<UniqueFd> open_socket(int type, std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET6, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    const int off = 0;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    // A reply must leave from the address that was asked (the VIP), not from the one that routing
    // would choose: the kernel tells which it was.
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    ::setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = to_wire16(port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0)
        return fail(system_error(fmt::format("listening on port {}", port), errno));
    if (type == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0)
        return fail(system_error(fmt::format("listening on port {}", port), errno));
    return fd;
}

// A request's line and the headers that matter.
struct Request {
    std::string method;
    std::string path;
    std::uint64_t content_length = 0;
    bool chunked = false;
    bool expects_continue = false;
    bool closes = false;
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<Request> parse_request(std::string_view head) {
    Request request;
    bool first = true;
    while (!head.empty()) {
        const std::size_t end = std::min(head.find("\r\n"), head.size());
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(std::min(end + 2, head.size()));
        if (first) {
            first = false;
            const std::size_t space = line.find(' ');
            const std::size_t last = line.rfind(' ');
            if (space == line.npos || last <= space) return std::nullopt;
            request.method = line.substr(0, space);
            request.path = line.substr(space + 1, last - space - 1);
            request.closes = line.substr(last + 1) == "HTTP/1.0";
            continue;
        }
        const std::size_t colon = line.find(':');
        if (colon == line.npos) continue;
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (equal_ignoring_case(name, "content-length")) {
            const auto length = parse_number(value);
            if (!length) return std::nullopt;
            request.content_length = *length;
        }
        if (equal_ignoring_case(name, "transfer-encoding"))
            request.chunked = equal_ignoring_case(value, "chunked");
        if (equal_ignoring_case(name, "expect"))
            request.expects_continue = equal_ignoring_case(value, "100-continue");
        if (equal_ignoring_case(name, "connection"))
            request.closes = equal_ignoring_case(value, "close");
    }
    return request;
}

// One client's connection, served by a thread of its own.
class HttpConnection {
public:
    HttpConnection(UniqueFd socket, const std::string& name)
        : socket_(std::move(socket)), name_(name) {}

    void serve() {
        while (const auto head = read_head()) {
            const auto request = parse_request(*head);
            if (!request) {
                (void)reply("400 Bad Request", "that is no HTTP request\n");
                return;
            }
            if (!answer(*request) || request->closes) return;
        }
    }

private:
    bool answer(const Request& request) {
        if (request.method == "PUT" || request.method == "POST") return take_upload(request);
        if (request.method != "GET" && request.method != "HEAD")
            return reply("405 Method Not Allowed", "GET, PUT and POST are what I know\n");
        constexpr std::string_view kBytes = "/bytes/";
        if (request.path.starts_with(kBytes)) {
            const auto size = parse_number(std::string_view(request.path).substr(kBytes.size()));
            if (!size) return reply("404 Not Found", "say /bytes/ and a number\n");
            return send_pattern(*size);
        }
        return reply("200 OK", name_ + "\n");
    }

    bool take_upload(const Request& request) {
        if (request.chunked)
            return reply("411 Length Required", "say the upload's size (curl -T FILE does)\n");
        if (request.expects_continue && !send("HTTP/1.1 100 Continue\r\n\r\n")) return false;
        Sha256 digest;
        std::uint64_t left = request.content_length;
        while (left > 0) {
            if (unread_.empty() && !receive()) return false;
            const std::size_t taken = std::min<std::uint64_t>(left, unread_.size());
            digest.update(unread_.first(taken));
            unread_ = unread_.subspan(taken);
            left -= taken;
        }
        return reply("200 OK",
                     fmt::format("{} {} {}\n", name_, request.content_length, digest.finish()));
    }

    bool send_pattern(std::uint64_t size) {
        if (!send(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                              "Content-Length: {}\r\n\r\n",
                              size)))
            return false;
        std::string chunk;
        for (std::uint64_t sent = 0; sent < size; sent += chunk.size()) {
            chunk.resize(std::min<std::uint64_t>(kBufferSize, size - sent));
            for (std::size_t i = 0; i < chunk.size(); ++i)
                chunk[i] = static_cast<char>(pattern(sent + i));
            if (!send(chunk)) return false;
        }
        return true;
    }

    bool reply(std::string_view status, std::string_view body) {
        return send(
            fmt::format("HTTP/1.1 {}\r\nContent-Type: text/plain\r\nX-Real-Server: {}\r\n"
                        "Content-Length: {}\r\n\r\n{}",
                        status,
                        name_,
                        body.size(),
                        body));
    }

    // Returns the next request up to its empty line; nullopt at the end of the connection.
    std::optional<std::string> read_head() {
        std::string head;
        while (head.size() < kMaxHeaderSize) {
            if (unread_.empty() && !receive()) return std::nullopt;
            head += static_cast<char>(unread_.front());
            unread_ = unread_.subspan(1);
            if (head.ends_with("\r\n\r\n")) return head;
        }
        return std::nullopt;
    }

    bool receive() {
        ssize_t got = 0;
        do {
            got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
        } while (got < 0 && errno == EINTR);
        if (got <= 0) return false;
        unread_ = {buffer_.data(), static_cast<std::size_t>(got)};
        return true;
    }

    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    UniqueFd socket_;
    const std::string& name_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(kBufferSize);
    std::span<const std::byte> unread_;
};

void accept_connections(const UniqueFd& listener, const std::string& name) {
    for (;;) {
        UniqueFd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket.is_open()) {
            if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 10);
            continue;
        }
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::thread([socket = std::move(socket), &name]() mutable {
            HttpConnection(std::move(socket), name).serve();
        }).detach();
    }
}

// The control message that held the packet's destination, as the one that sets a reply's source.
std::size_t reply_source(msghdr& received, std::span<std::byte> control) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&received); header != nullptr;
         header = CMSG_NXTHDR(&received, header)) {
        if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(header), sizeof info);
            info.ipi6_ifindex = 0;  // by whatever interface routing says
            const std::size_t size = CMSG_SPACE(sizeof info);
            auto* out = reinterpret_cast<cmsghdr*>(control.data());
            out->cmsg_level = IPPROTO_IPV6;
            out->cmsg_type = IPV6_PKTINFO;
            out->cmsg_len = CMSG_LEN(sizeof info);
            std::memcpy(CMSG_DATA(out), &info, sizeof info);
            return size;
        }
    }
    return 0;
}

void echo_datagrams(const UniqueFd& socket, const std::string& name) {
    std::vector<std::byte> payload(kBufferSize);
    const std::string prefix = name + " ";
    for (;;) {
        alignas(cmsghdr) std::array<std::byte, 256> control{};
        alignas(cmsghdr) std::array<std::byte, 256> reply_control{};
        sockaddr_in6 client{};
        iovec in{payload.data(), payload.size()};
        msghdr received{};
        received.msg_name = &client;
        received.msg_namelen = sizeof client;
        received.msg_iov = &in;
        received.msg_iovlen = 1;
        received.msg_control = control.data();
        received.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket.get(), &received, 0);
        if (got < 0) continue;

        std::string reply_text = prefix;
        reply_text.append(reinterpret_cast<const char*>(payload.data()),
                          static_cast<std::size_t>(got));
        iovec out{reply_text.data(), reply_text.size()};
        msghdr reply{};
        reply.msg_name = &client;
        reply.msg_namelen = received.msg_namelen;
        reply.msg_iov = &out;
        reply.msg_iovlen = 1;
        reply.msg_controllen = reply_source(received, reply_control);
        reply.msg_control = reply.msg_controllen > 0 ? reply_control.data() : nullptr;
        (void)::sendmsg(socket.get(), &reply, MSG_NOSIGNAL);  // a lost datagram is UDP's right
    }
}

}  // namespace

Status serve(const RealServiceOptions& options) {
    std::vector<UniqueFd> listeners;
    std::vector<UniqueFd> datagrams;
    for (const std::uint16_t port : options.tcp_ports) {
        auto fd = open_socket(SOCK_STREAM, port);
        if (!fd) return fail(fd.error());
        listeners.push_back(std::move(*fd));
    }
    for (const std::uint16_t port : options.udp_ports) {
        auto fd = open_socket(SOCK_DGRAM, port);
        if (!fd) return fail(fd.error());
        datagrams.push_back(std::move(*fd));
    }
    std::vector<std::thread> threads;
    for (const UniqueFd& fd : listeners)
        threads.emplace_back([&] { accept_connections(fd, options.name); });
    for (const UniqueFd& fd : datagrams)
        threads.emplace_back([&] { echo_datagrams(fd, options.name); });
    for (std::thread& thread : threads)
        thread.join();
    return {};
}

}  // namespace xvs::lab
