#include "control/netlink/wire.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"

namespace xvs::control::netlink {

namespace {

constexpr std::size_t kAttributeHeaderSize = 4;
constexpr std::uint16_t kAttributeNumberMask = 0x3fff;  // without the flags "nested", "big endian"

constexpr std::size_t aligned(std::size_t size) noexcept {
    return (size + 3) & ~std::size_t{3};
}

template <class Integer>
Integer load(const std::byte* from) noexcept {
    Integer value{};
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class Integer>
std::optional<Integer> load_checked(Bytes bytes) noexcept {
    if (bytes.size() < sizeof(Integer)) return std::nullopt;
    return load<Integer>(bytes.data());
}

}  // namespace

std::optional<MessageHeader> MessageHeader::load(Bytes bytes) noexcept {
    if (bytes.size() < kSize) return std::nullopt;
    const std::byte* at = bytes.data();
    return MessageHeader{.length = netlink::load<std::uint32_t>(at),
                         .type = netlink::load<std::uint16_t>(at + 4),
                         .flags = netlink::load<std::uint16_t>(at + 6),
                         .sequence = netlink::load<std::uint32_t>(at + 8),
                         .port = netlink::load<std::uint32_t>(at + 12)};
}

std::optional<MessageView> MessageView::take(Bytes& datagram) noexcept {
    const auto header = MessageHeader::load(datagram);
    if (!header || header->length < MessageHeader::kSize || header->length > datagram.size()) {
        return std::nullopt;
    }
    const Bytes whole = datagram.first(header->length);
    datagram = datagram.subspan(std::min(aligned(header->length), datagram.size()));
    return MessageView{
        .header = *header, .whole = whole, .body = whole.subspan(MessageHeader::kSize)};
}

std::optional<GenericView> GenericView::parse(Bytes body) noexcept {
    if (body.size() < kHeaderSize) return std::nullopt;
    return GenericView{.command = std::to_integer<std::uint8_t>(body[0]),
                       .attributes = body.subspan(kHeaderSize)};
}

Attributes::Attributes(Bytes bytes) noexcept {
    while (bytes.size() >= kAttributeHeaderSize) {
        const std::size_t length = load<std::uint16_t>(bytes.data());
        const auto number = static_cast<std::uint16_t>(load<std::uint16_t>(bytes.data() + 2) &
                                                       kAttributeNumberMask);
        if (length < kAttributeHeaderSize || length > bytes.size()) return;
        if (number < kNumbers) {
            payloads_[number] = {.start = bytes.data() + kAttributeHeaderSize,
                                 .size = length - kAttributeHeaderSize};
            present_ |= std::uint32_t{1} << number;
        }
        bytes = bytes.subspan(std::min(aligned(length), bytes.size()));
    }
}

bool Attributes::has(std::uint16_t number) const noexcept {
    return number < kNumbers && (present_ >> number & 1) != 0;
}

Bytes Attributes::bytes(std::uint16_t number) const noexcept {
    return has(number) ? Bytes(payloads_[number].start, payloads_[number].size) : Bytes{};
}

std::optional<std::uint8_t> Attributes::u8(std::uint16_t number) const noexcept {
    return load_checked<std::uint8_t>(bytes(number));
}

std::optional<std::uint16_t> Attributes::u16(std::uint16_t number) const noexcept {
    return load_checked<std::uint16_t>(bytes(number));
}

std::optional<std::uint32_t> Attributes::u32(std::uint16_t number) const noexcept {
    return load_checked<std::uint32_t>(bytes(number));
}

std::optional<std::uint64_t> Attributes::u64(std::uint16_t number) const noexcept {
    return load_checked<std::uint64_t>(bytes(number));
}

std::optional<std::uint16_t> Attributes::be16(std::uint16_t number) const noexcept {
    if (bytes(number).size() < sizeof(std::uint16_t)) return std::nullopt;
    return load_be16(bytes(number).data());
}

std::optional<std::uint32_t> Attributes::be32(std::uint16_t number) const noexcept {
    if (bytes(number).size() < sizeof(std::uint32_t)) return std::nullopt;
    return load_be32(bytes(number).data());
}

std::optional<std::string> Attributes::string(std::uint16_t number, std::size_t max_length) const {
    const Bytes payload = bytes(number);
    const auto searched = payload.first(std::min(payload.size(), max_length + 1));
    const auto nul = std::find(searched.begin(), searched.end(), std::byte{0});
    if (nul == searched.end()) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(payload.data()),
                       static_cast<std::size_t>(nul - searched.begin()));
}

void MessageWriter::begin(const MessageHeader& header) {
    message_start_ = out_.size();
    out_.resize(out_.size() + MessageHeader::kSize);
    std::byte* at = out_.data() + message_start_;
    std::memcpy(at + 4, &header.type, sizeof header.type);
    std::memcpy(at + 6, &header.flags, sizeof header.flags);
    std::memcpy(at + 8, &header.sequence, sizeof header.sequence);
    std::memcpy(at + 12, &header.port, sizeof header.port);
}

void MessageWriter::end() {
    const auto length = static_cast<std::uint32_t>(out_.size() - message_start_);
    std::memcpy(out_.data() + message_start_, &length, sizeof length);
    pad();
}

void MessageWriter::put_generic_header(std::uint8_t command, std::uint8_t version) {
    out_.push_back(std::byte{command});
    out_.push_back(std::byte{version});
    out_.resize(out_.size() + 2);
}

std::byte* MessageWriter::put_attribute(std::uint16_t number, std::size_t payload_size) {
    const auto length = static_cast<std::uint16_t>(kAttributeHeaderSize + payload_size);
    const std::size_t at = out_.size();
    // Grown once for header, payload and padding: a listing consists of many small ones.
    out_.resize(aligned(at + kAttributeHeaderSize + payload_size));
    std::byte* const header = out_.data() + at;
    std::memcpy(header, &length, sizeof length);
    std::memcpy(header + 2, &number, sizeof number);
    return header + kAttributeHeaderSize;
}

void MessageWriter::pad() {
    out_.resize(aligned(out_.size()));
}

void MessageWriter::put_bytes(std::uint16_t number, Bytes value) {
    std::copy(value.begin(), value.end(), put_attribute(number, value.size()));
}

void MessageWriter::put_raw(Bytes value) {
    out_.insert(out_.end(), value.begin(), value.end());
    pad();
}

template <class Integer>
void MessageWriter::put_integer(std::uint16_t number, Integer value) {
    std::memcpy(put_attribute(number, sizeof value), &value, sizeof value);
}

void MessageWriter::put_u8(std::uint16_t number, std::uint8_t value) {
    put_integer(number, value);
}

void MessageWriter::put_u16(std::uint16_t number, std::uint16_t value) {
    put_integer(number, value);
}

void MessageWriter::put_u32(std::uint16_t number, std::uint32_t value) {
    put_integer(number, value);
}

void MessageWriter::put_u64(std::uint16_t number, std::uint64_t value) {
    put_integer(number, value);
}

void MessageWriter::put_be16(std::uint16_t number, std::uint16_t value) {
    put_integer(number, to_wire16(value));
}

void MessageWriter::put_be32(std::uint16_t number, std::uint32_t value) {
    put_integer(number, to_wire32(value));
}

void MessageWriter::put_string(std::uint16_t number, std::string_view value) {
    const Bytes text = std::as_bytes(std::span(value));
    std::copy(text.begin(), text.end(), put_attribute(number, value.size() + 1));
}

std::size_t MessageWriter::begin_nest(std::uint16_t number) {
    const std::size_t start = out_.size();
    put_attribute(number, 0);
    return start;
}

void MessageWriter::end_nest(std::size_t start) {
    const auto length = static_cast<std::uint16_t>(out_.size() - start);
    std::memcpy(out_.data() + start, &length, sizeof length);
}

}  // namespace xvs::control::netlink
