// NetlinkSocket: questions to rtnetlink and their answers, or its events.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xvs::host {

// A request under construction, in a buffer of its own. Attributes beyond kSize are not put in.
class NetlinkRequest {
public:
    static constexpr std::size_t kSize = 1024;

    NetlinkRequest(std::uint16_t type, std::uint16_t flags) noexcept;

    // The family's fixed header, zeroed; to be called once, before the attributes.
    template <class Header>
    Header& add_header() noexcept {
        return *static_cast<Header*>(extend(sizeof(Header)));
    }

    void put(std::uint16_t type, std::span<const std::byte> value) noexcept;
    void put_u8(std::uint16_t type, std::uint8_t value) noexcept;
    void put_u32(std::uint16_t type, std::uint32_t value) noexcept;
    void put_string(std::uint16_t type, std::string_view value) noexcept;
    // Returns what end_nest() wants.
    std::size_t begin_nest(std::uint16_t type) noexcept;
    void end_nest(std::size_t start) noexcept;

    [[nodiscard]] nlmsghdr& message() noexcept;

private:
    friend class NetlinkSocket;
    void* extend(std::size_t size) noexcept;

    alignas(nlmsghdr) std::array<std::byte, kSize> buffer_{};
};

class NetlinkSocket {
public:
    // Joins the multicast groups (RTNLGRP_*).
    [[nodiscard]] static Result<NetlinkSocket> open(std::span<const unsigned> groups = {});

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    // Sends `request` and waits until the kernel has done it. Returns 0 or an errno.
    int execute(NetlinkRequest& request) noexcept {
        return ask(request, NLM_F_ACK, [](const nlmsghdr&) {});
    }

    // Calls `visit` with each message of the answer. Returns 0 or an errno.
    template <class Visit>
    int query(NetlinkRequest& request, Visit&& visit) noexcept {
        return ask(request, 0, visit);
    }

    template <class Visit>
    int dump(NetlinkRequest& request, Visit&& visit) noexcept {
        return ask(request, NLM_F_DUMP, visit);
    }

    // Calls `visit` with each event that has come. Returns 0, or ENOBUFS when events were lost.
    template <class Visit>
    int receive_events(Visit&& visit) noexcept {
        while (true) {
            const int size = receive(MSG_DONTWAIT_FLAG);
            if (size == -EINTR) continue;
            if (size == -EAGAIN) return 0;
            if (size < 0) return -size;
            for_each_message(size, [&](const nlmsghdr& message) { visit(message); });
        }
    }

private:
    static constexpr int MSG_DONTWAIT_FLAG = 0x40;
    static constexpr int kUnfinished = -1;

    explicit NetlinkSocket(UniqueFd fd);

    int send(NetlinkRequest& request, std::uint16_t flags) noexcept;
    // Returns the size of one datagram in the buffer, or a negative errno.
    int receive(int flags) noexcept;
    // kUnfinished while more messages are to come, else the errno that ends the answer.
    [[nodiscard]] int outcome_of(const nlmsghdr& message, bool is_dump) const noexcept;

    template <class Visit>
    void for_each_message(int size, Visit&& visit) noexcept {
        int rest = size;
        const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
        while (is_whole(*message, rest)) {
            visit(*message);
            message = next(*message, rest);
        }
    }

    [[nodiscard]] static bool is_whole(const nlmsghdr& message, int rest) noexcept;
    [[nodiscard]] static const nlmsghdr* next(const nlmsghdr& message, int& rest) noexcept;

    // A query (flags 0) ends with its one message, the others with an acknowledgement or DONE.
    template <class Visit>
    int ask(NetlinkRequest& request, std::uint16_t flags, Visit&& visit) noexcept {
        if (const int error = send(request, flags); error != 0) return error;
        int outcome = kUnfinished;
        while (outcome == kUnfinished) {
            const int size = receive(0);
            if (size == -EINTR) continue;
            if (size < 0) return -size;
            for_each_message(size, [&](const nlmsghdr& message) {
                if (message.nlmsg_seq != sequence_ || outcome != kUnfinished) return;
                outcome = outcome_of(message, (flags & NLM_F_DUMP) != 0);
                if (outcome != kUnfinished) return;
                visit(message);
                if (flags == 0) outcome = 0;
            });
        }
        return outcome;
    }

    UniqueFd fd_;
    std::uint32_t sequence_ = 0;
    std::vector<std::byte> buffer_;
};

}  // namespace xvs::host
