#include "engine/assist/ftp_assistant.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "engine/assist/ftp_grammar.h"
#include "engine/assist/stream_edits.h"

namespace xvs::engine {
namespace {

// xvs_assistance.armed: the reply that the client's last command asks for.
constexpr std::uint8_t kArmedNot = 0;
constexpr std::uint8_t kArmedPassive = 1;   // 227
constexpr std::uint8_t kArmedExtended = 2;  // 229

// Where in a reply the real server's stream is, beside kPhaseLost (in a line that says nothing of
// interest) and kPhaseBegin (in its code).
enum Phase : std::uint8_t {
    kPassiveText = 2,      // behind "227 ": the address begins with the first digit
    kPassiveAddress = 3,   // in it
    kExtendedText = 4,     // behind "229 ": a parenthesis opens
    kExtendedBegin = 5,    // has opened
    kExtendedAddress = 6,  // within
};

// Below are the ports of services: nobody has data connections there. RFC 2577, 3.
constexpr net::Port kFirstFreePort{1024};

bool is_free(net::Port port) noexcept {
    return port >= kFirstFreePort;
}

bool is_digit(char letter) noexcept {
    return letter >= '0' && letter <= '9';
}

// The real server's stream, a byte at a time.
class ReplyReader {
public:
    ReplyReader(xvs_assistance& record,
                const ControlEnds& ends,
                Expectations& expectations) noexcept
        : record_(record), ends_(ends), expectations_(expectations), edits_(record) {}

    bool read(std::span<const std::byte> bytes) noexcept {
        for (std::size_t each = 0; each < bytes.size(); ++each) {
            at_ = record_.server.next + static_cast<std::uint32_t>(each);
            if (!take(static_cast<char>(bytes[each]))) return false;
        }
        return true;
    }

private:
    bool take(char letter) noexcept {
        switch (record_.server.phase) {
            case kPhaseBegin:
                take_code(letter);
                return true;
            case kPassiveText:
                if (!is_digit(letter)) break;
                open();
                return take_passive(letter);
            case kPassiveAddress:
                return take_passive(letter);
            case kExtendedText:
                if (letter == '(') record_.server.phase = kExtendedBegin;
                break;
            case kExtendedBegin:
                if (letter == '(') break;
                open();
                return take_extended(letter);
            case kExtendedAddress:
                return take_extended(letter);
            default:
                break;
        }
        if (letter == '\n') begin_line();
        return true;
    }

    void begin_line() noexcept {
        record_.server.phase = kPhaseBegin;
        record_.server.filled = 0;
    }

    void take_code(char letter) noexcept {
        const std::string_view wanted = record_.armed == kArmedPassive    ? "227 "
                                        : record_.armed == kArmedExtended ? "229 "
                                                                          : "";
        if (letter == '\n') return begin_line();
        const std::size_t place = record_.server.filled;
        if (place >= wanted.size() || letter != wanted[place] || !ends_.is_established) {
            record_.server.phase = kPhaseLost;
        } else if (++record_.server.filled == wanted.size()) {
            record_.server.phase = record_.armed == kArmedPassive ? kPassiveText : kExtendedText;
        }
    }

    void open() noexcept {
        record_.server.phase =
            record_.server.phase == kPassiveText ? kPassiveAddress : kExtendedAddress;
        edits_.open(at_);
        is_opened_here_ = true;
    }

    // An address goes up to the first character that belongs to none, which is withheld with it, so
    // that there is a byte to come with the new one.
    bool take_passive(char letter) noexcept {
        const bool has_room = edits_.withhold(letter);
        if (is_digit(letter) || letter == ',') {
            if (!has_room) leave(letter);
            return true;
        }
        std::string_view text = edits_.withheld();
        text.remove_suffix(1);
        const auto data = ftp::parse_host_port(text);
        const bool is_from_there = data && is_own(data->address) && is_free(data->port);
        if (!is_from_there || !ends_.is_established || ends_.vip.family() != net::Family::Ipv4) {
            leave(letter);
            return true;
        }
        if (!expectations_.expect_passive(data->port)) return false;
        const ftp::HostPortText vip = ftp::format_host_port(ends_.vip.v4(), data->port);
        std::array<char, ftp::kHostPortSize + 1> exchanged{};
        const auto end = std::copy(vip.view().begin(), vip.view().end(), exchanged.begin());
        *end = letter;
        exchange({exchanged.data(), vip.size + 1}, letter);
        return true;
    }

    bool take_extended(char letter) noexcept {
        const bool has_room = edits_.withhold(letter);
        const std::string_view text = edits_.withheld();
        const auto delimiters = std::count(text.begin(), text.end(), text.front());
        constexpr std::ptrdiff_t kDelimiters = 4;
        if (delimiters < kDelimiters) {
            if (letter == '\n' || !has_room) leave(letter);
            return true;
        }
        const auto data = ftp::parse_extended(text, ends_.vip.family());
        const bool is_from_there =
            data && (!data->address || is_own(*data->address)) && is_free(data->port);
        if (!is_from_there || !ends_.is_established) {
            leave(letter);
            return true;
        }
        if (!expectations_.expect_passive(data->port)) return false;
        if (!data->address) {
            exchange(text, letter);
            return true;
        }
        std::array<char, 9> exchanged{'|', '|', '|'};  // and a port of five digits, and another
        char* const end =
            std::to_chars(
                exchanged.data() + 3, exchanged.data() + exchanged.size(), net::number(data->port))
                .ptr;
        *end = '|';
        exchange({exchanged.data(), static_cast<std::size_t>(end - exchanged.data()) + 1}, letter);
        return true;
    }

    // Many a real server is told to announce the VIP itself.
    [[nodiscard]] bool is_own(const net::IpAddress& address) const noexcept {
        return address == ends_.real || address == ends_.vip;
    }

    // What was withheld goes on as it is.
    void leave(char last) noexcept { end_edit(edits_.withheld(), last); }

    void exchange(std::string_view text, char last) noexcept {
        record_.armed = kArmedNot;
        end_edit(text, last);
    }

    void end_edit(std::string_view text, char last) noexcept {
        // Nothing of it has been withheld from anybody yet.
        if (is_opened_here_ && text == edits_.withheld()) {
            edits_.cancel();
        } else {
            edits_.close(text);
        }
        is_opened_here_ = false;
        record_.server.phase = kPhaseLost;
        if (last == '\n') begin_line();
    }

    xvs_assistance& record_;
    const ControlEnds& ends_;
    Expectations& expectations_;
    StreamEdits edits_;
    std::uint32_t at_ = 0;  // sequence number of the byte in hand
    bool is_opened_here_ = false;
};

// Of a whole line. Kernel: ip_vs_ftp_in().
bool obey(xvs_assistance& record,
          const ControlEnds& ends,
          std::string_view line,
          Expectations& expectations) noexcept {
    const ftp::Command command = ftp::parse_command(line, ends.vip.family());
    switch (command.kind) {
        case ftp::CommandKind::Passive:
            record.armed = kArmedPassive;
            return true;
        case ftp::CommandKind::ExtendedPassive:
            record.armed = kArmedExtended;
            return true;
        case ftp::CommandKind::Active:
            // DIFFERS FROM IPVS: ADR-0020. The kernel expects connections to any address and port.
            if (command.data.address != ends.client || !is_free(command.data.port)) return true;
            record.armed = kArmedNot;
            return expectations.expect_active(command.data.port);
        case ftp::CommandKind::Other:
            break;
    }
    return true;
}

}  // namespace

void FtpAssistant::set_ports(std::span<const net::Port> ports) noexcept {
    port_count_ = std::min(ports.size(), ports_.size());
    std::copy_n(ports.begin(), port_count_, ports_.begin());
}

bool FtpAssistant::is_for(model::Protocol protocol, net::Port virtual_port) const noexcept {
    return protocol == model::Protocol::Tcp &&
           std::any_of(ports_.begin(),
                       ports_.begin() + static_cast<std::ptrdiff_t>(port_count_),
                       [virtual_port](net::Port each) { return each == virtual_port; });
}

bool FtpAssistant::read_client(xvs_assistance& record,
                               const ControlEnds& ends,
                               std::span<const std::byte> bytes,
                               Expectations& expectations) noexcept {
    xvs_stream& stream = record.client;
    for (const std::byte byte : bytes) {
        const char letter = static_cast<char>(byte);
        if (letter == '\n') {
            std::string_view line(record.line, stream.filled);
            if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
            const bool is_whole = stream.phase == kPhaseBegin && ends.is_established;
            stream.phase = kPhaseBegin;
            stream.filled = 0;
            if (is_whole && !obey(record, ends, line, expectations)) return false;
        } else if (stream.phase != kPhaseBegin || stream.filled == sizeof(record.line)) {
            stream.phase = kPhaseLost;  // longer than any command of interest
        } else {
            record.line[stream.filled++] = letter;
        }
    }
    return true;
}

// DIFFERS FROM IPVS: ADR-0020. The kernel believes a 227 that names any address, and reads a reply
// only at the beginning of a segment that holds all of it.
bool FtpAssistant::read_server(xvs_assistance& record,
                               const ControlEnds& ends,
                               std::span<const std::byte> bytes,
                               Expectations& expectations) noexcept {
    return ReplyReader(record, ends, expectations).read(bytes);
}

}  // namespace xvs::engine
