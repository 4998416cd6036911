// Netlink messages and attributes: checked views for reading, a writer into a plain buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/netlink/protocol.h"

namespace xvs::control::netlink {

using Bytes = std::span<const std::byte>;
using Buffer = std::vector<std::byte>;

// struct nlmsghdr, in host byte order as all of netlink.
struct MessageHeader {
    static constexpr std::size_t kSize = 16;

    std::uint32_t length = 0;
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t port = 0;

    // Returns nullopt if `bytes` is shorter than a header. The length may exceed what is there.
    [[nodiscard]] static std::optional<MessageHeader> load(Bytes bytes) noexcept;

    [[nodiscard]] bool has(std::uint16_t flag) const noexcept { return (flags & flag) == flag; }
};

// One message of a datagram.
struct MessageView {
    MessageHeader header;
    Bytes whole;  // header included
    Bytes body;   // after the header

    // Takes the first message off `datagram`. Returns nullopt, and leaves `datagram` alone, if
    // there is no whole one.
    [[nodiscard]] static std::optional<MessageView> take(Bytes& datagram) noexcept;
};

// struct genlmsghdr and what follows it.
struct GenericView {
    static constexpr std::size_t kHeaderSize = 4;

    std::uint8_t command = 0;
    Bytes attributes;

    [[nodiscard]] static std::optional<GenericView> parse(Bytes body) noexcept;
};

// The attributes of one level by number. As the kernel's nla_parse() does without strictness:
// unknown numbers are passed over, the last of a number counts, what does not parse ends the list.
class Attributes {
public:
    static constexpr std::size_t kNumbers = 32;

    explicit Attributes(Bytes bytes) noexcept;

    [[nodiscard]] bool has(std::uint16_t number) const noexcept;

    // Returns the payload, empty for an attribute that is not there.
    [[nodiscard]] Bytes bytes(std::uint16_t number) const noexcept;

    // Return nullopt if the attribute is not there or shorter than the type.
    [[nodiscard]] std::optional<std::uint8_t> u8(std::uint16_t number) const noexcept;
    [[nodiscard]] std::optional<std::uint16_t> u16(std::uint16_t number) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> u32(std::uint16_t number) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> u64(std::uint16_t number) const noexcept;
    [[nodiscard]] std::optional<std::uint16_t> be16(std::uint16_t number) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> be32(std::uint16_t number) const noexcept;

    // Returns the text before the NUL; nullopt if there is no NUL within `max_length` + 1 bytes.
    [[nodiscard]] std::optional<std::string> string(std::uint16_t number,
                                                    std::size_t max_length) const;

private:
    struct Payload {
        const std::byte* start;
        std::size_t size;
    };

    std::array<Payload, kNumbers> payloads_;  // of those in present_ alone
    std::uint32_t present_ = 0;
};

// Appends messages to a buffer.
class MessageWriter {
public:
    explicit MessageWriter(Buffer& out) noexcept : out_(out) {}

    // Starts a message; its length is filled in by end().
    void begin(const MessageHeader& header);
    void end();

    void put_generic_header(std::uint8_t command, std::uint8_t version);

    void put_u8(std::uint16_t number, std::uint8_t value);
    void put_u16(std::uint16_t number, std::uint16_t value);
    void put_u32(std::uint16_t number, std::uint32_t value);
    void put_u64(std::uint16_t number, std::uint64_t value);
    void put_be16(std::uint16_t number, std::uint16_t value);
    void put_be32(std::uint16_t number, std::uint32_t value);
    void put_bytes(std::uint16_t number, Bytes value);
    // With its NUL.
    void put_string(std::uint16_t number, std::string_view value);

    // Returns what end_nest() wants.
    [[nodiscard]] std::size_t begin_nest(std::uint16_t number);
    void end_nest(std::size_t start);

    // Raw bytes of the message's body, padded.
    void put_raw(Bytes value);

private:
    template <class Integer>
    void put_integer(std::uint16_t number, Integer value);
    // Returns where the payload goes, which is all zeroes; valid until more is put.
    std::byte* put_attribute(std::uint16_t number, std::size_t payload_size);
    void pad();

    Buffer& out_;
    std::size_t message_start_ = 0;
};

}  // namespace xvs::control::netlink
