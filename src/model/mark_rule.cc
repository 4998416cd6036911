#include "model/mark_rule.h"

#include <charconv>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

namespace xvs::model {
namespace {

constexpr std::size_t kMaxInterfaceName = 15;

struct ProtocolName {
    Protocol protocol;
    std::string_view name;
};

constexpr ProtocolName kProtocols[] = {
    {Protocol::Tcp, "tcp"}, {Protocol::Udp, "udp"}, {Protocol::Sctp, "sctp"}};

tl::unexpected<Error> invalid(std::string what) {
    return fail(ErrorCode::InvalidArgument, std::move(what));
}

template <class Integer>
std::optional<Integer> parse_integer(std::string_view text) {
    Integer value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

Result<net::Prefix> parse_prefix(const std::string& text) {
    const auto prefix = net::Prefix::parse(text);
    if (prefix) return *prefix;
    return invalid(fmt::format("\"{}\" is no prefix: write 192.0.2.0/24 or 2001:db8::/32", text));
}

Result<PortRange> parse_ports(const std::string& text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_integer<std::uint16_t>(std::string_view(text).substr(0, dash));
    const auto last = dash == std::string::npos
                          ? first
                          : parse_integer<std::uint16_t>(std::string_view(text).substr(dash + 1));
    if (!first || !last || *first > *last) {
        return invalid(fmt::format("\"{}\" is no range of ports: write 80 or 8000-8099", text));
    }
    return PortRange{.first = net::Port{*first}, .last = net::Port{*last}};
}

template <class Value, class Parsed>
Status take(Value& into, Parsed&& parsed) {
    if (!parsed) return fail(parsed.error());
    into = *std::forward<Parsed>(parsed);
    return {};
}

// Kernel: dev_valid_name().
bool is_interface_name(const std::string& name) {
    const bool has_size = !name.empty() && name.size() <= kMaxInterfaceName;
    return has_size && name.find_first_of("/: \t\n\v\f\r") == std::string::npos;
}

Status read_option(MarkRule& rule, const std::string& option, const std::string& value) {
    if (option == "--src") return take(rule.source, parse_prefix(value));
    if (option == "--dst") return take(rule.destination, parse_prefix(value));
    if (option == "--sport") return take(rule.source_ports, parse_ports(value));
    if (option == "--dport") return take(rule.destination_ports, parse_ports(value));
    if (option == "--in") {
        if (!is_interface_name(value)) {
            return invalid(fmt::format("\"{}\" cannot be the name of an interface", value));
        }
        rule.interface = value;
        return {};
    }
    if (option != "--proto") {
        return invalid(fmt::format(
            "\"{}\" says nothing about packets: there are --proto, --src, --dst, --sport, --dport "
            "and --in",
            option));
    }
    for (const auto& [protocol, name] : kProtocols) {
        if (name == value) rule.protocol = protocol;
    }
    if (rule.protocol) return {};
    return invalid(fmt::format("\"{}\" is no protocol that is balanced: tcp, udp or sctp", value));
}

std::string ports_text(std::string_view option, const PortRange& ports) {
    if (ports == PortRange{}) return {};
    if (ports.first == ports.last) return fmt::format(" {} {}", option, net::number(ports.first));
    return fmt::format(" {} {}-{}", option, net::number(ports.first), net::number(ports.last));
}

}  // namespace

std::string MarkRule::to_string() const {
    std::string text = std::to_string(mark);
    for (const auto& [each, name] : kProtocols) {
        if (each == protocol) text.append(" --proto ").append(name);
    }
    if (source) text += " --src " + source->to_string();
    if (destination) text += " --dst " + destination->to_string();
    text += ports_text("--sport", source_ports);
    text += ports_text("--dport", destination_ports);
    if (!interface.empty()) text += " --in " + interface;
    return text;
}

Result<MarkRule> parse_mark_rule(const std::vector<std::string>& words) {
    MarkRule rule;
    const auto mark = words.empty() ? std::nullopt : parse_integer<std::uint32_t>(words.front());
    if (!mark || *mark == 0) {
        return invalid(fmt::format("\"{}\" is no mark: a number from 1 to 4294967295",
                                   words.empty() ? std::string() : words.front()));
    }
    rule.mark = *mark;
    for (std::size_t at = 1; at < words.size(); at += 2) {
        if (at + 1 == words.size()) return invalid(words[at] + " wants a value");
        for (std::size_t before = 1; before < at; before += 2) {
            if (words[before] == words[at]) return invalid(words[at] + " is said twice");
        }
        if (auto read = read_option(rule, words[at], words[at + 1]); !read) {
            return fail(read.error());
        }
    }
    if (words.size() == 1) {
        return invalid("a rule for all packets would take the host's own, too: say which");
    }
    const bool is_mixed = rule.source && rule.destination &&
                          rule.source->address.family() != rule.destination->address.family();
    if (is_mixed) return invalid("--src and --dst are of two address families");
    return rule;
}

Result<MarkRule> parse_mark_rule(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(std::move(word));
    return parse_mark_rule(words);
}

}  // namespace xvs::model
