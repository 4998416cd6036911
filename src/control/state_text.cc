#include "control/state_text.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace xvs::control {

namespace {

using model::ForwardingMethod;
using model::Protocol;
using model::TunnelType;

struct ProtocolOption {
    Protocol protocol;
    std::string_view option;
};

constexpr ProtocolOption kProtocols[] = {
    {Protocol::Tcp, "-t"}, {Protocol::Udp, "-u"}, {Protocol::Sctp, "--sctp-service"}};
// Protocols that ipvsadm has no option for follow as "--ip-service 47 192.0.2.1:0".
constexpr std::string_view kAnyProtocol = "--ip-service";

struct MethodOption {
    ForwardingMethod method;
    std::string_view option;
};

constexpr MethodOption kMethods[] = {{ForwardingMethod::Masquerade, "-m"},
                                     {ForwardingMethod::Tunnel, "-i"},
                                     {ForwardingMethod::DirectRoute, "-g"},
                                     {ForwardingMethod::LocalNode, "--localnode"},
                                     {ForwardingMethod::Bypass, "--bypass"},
                                     {ForwardingMethod::FullNat, "--fullnat"}};

constexpr std::string_view kTunnelTypes[] = {"ipip", "gue", "gre"};
constexpr std::string_view kTunnelChecksums[] = {"--tun-nocsum", "--tun-csum", "--tun-remcsum"};

constexpr std::pair<std::uint32_t, std::string_view> kFlags[] = {
    {model::kServiceScheduler1, "flag-1"},
    {model::kServiceScheduler2, "flag-2"},
    {model::kServiceScheduler3, "flag-3"}};

std::string key_text(const model::ServiceKey& key) {
    if (key.fwmark != 0) {
        return fmt::format("-f {}{}", key.fwmark, key.family() == net::Family::Ipv6 ? " -6" : "");
    }
    const std::string endpoint =
        net::Endpoint{.address = key.address, .port = key.port}.to_string();
    for (const auto& [protocol, option] : kProtocols) {
        if (protocol == key.protocol) return fmt::format("{} {}", option, endpoint);
    }
    return fmt::format("{} {} {}", kAnyProtocol, static_cast<unsigned>(key.protocol), endpoint);
}

std::string persistence_text(const model::VirtualService& service) {
    if ((service.flags & model::kServicePersistent) == 0) return {};
    const bool ipv4 = service.key.family() == net::Family::Ipv4;
    return fmt::format(" -p {} -M {}",
                       service.persistence_timeout_s,
                       ipv4 ? net::Ipv4Address(service.persistence_mask).to_string()
                            : std::to_string(service.persistence_mask));
}

std::string destination_text(const std::string& key, const model::Destination& destination) {
    std::string text = fmt::format("-a {} -r {}", key, destination.real.to_string());
    for (const auto& [method, option] : kMethods) {
        if (method == destination.method) text += fmt::format(" {}", option);
    }
    text += fmt::format(" -w {}", destination.weight);
    if (destination.upper_threshold != 0)
        text += fmt::format(" -x {}", destination.upper_threshold);
    if (destination.lower_threshold != 0)
        text += fmt::format(" -y {}", destination.lower_threshold);
    const auto& tunnel = destination.tunnel;
    if (tunnel != model::TunnelOptions{}) {
        text += fmt::format(" --tun-type {}", kTunnelTypes[static_cast<unsigned>(tunnel.type)]);
        if (net::number(tunnel.port) != 0) {
            text += fmt::format(" --tun-port {}", net::number(tunnel.port));
        }
        if (tunnel.flags < std::size(kTunnelChecksums)) {
            text += fmt::format(" {}", kTunnelChecksums[tunnel.flags]);
        }
    }
    return text + '\n';
}

// The words of one line, taken one after the other. Once something did not fit, problem() says
// what, and all further words are empty.
class Words {
public:
    explicit Words(std::string_view line) noexcept : rest_(line) {}

    [[nodiscard]] std::string_view next() {
        const std::size_t start = rest_.find_first_not_of(' ');
        if (start == std::string_view::npos || !problem_.empty()) {
            rest_ = {};
            return {};
        }
        const std::size_t end = std::min(rest_.find(' ', start), rest_.size());
        const std::string_view word = rest_.substr(start, end - start);
        rest_.remove_prefix(end);
        return word;
    }

    [[nodiscard]] bool at_end() const noexcept {
        return rest_.find_first_not_of(' ') == std::string_view::npos;
    }

    template <class Integer>
    [[nodiscard]] Integer number(Integer maximum = std::numeric_limits<Integer>::max()) {
        const std::string_view word = next();
        Integer value{};
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (word.empty() || error != std::errc() || end != word.data() + word.size() ||
            value > maximum) {
            fail(fmt::format("\"{}\" is not a number that fits", word));
        }
        return value;
    }

    [[nodiscard]] net::Endpoint endpoint() {
        const std::string_view word = next();
        const auto parsed = net::Endpoint::parse(word);
        if (!parsed) fail(fmt::format("\"{}\" is not an address with a port", word));
        return parsed.value_or(net::Endpoint{});
    }

    [[nodiscard]] net::IpAddress address() {
        const std::string_view word = next();
        const auto parsed = net::IpAddress::parse(word);
        if (!parsed) fail(fmt::format("\"{}\" is not an address", word));
        return parsed.value_or(net::IpAddress{});
    }

    void fail(std::string problem) {
        if (problem_.empty()) problem_ = std::move(problem);
        rest_ = {};
    }

    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

private:
    std::string_view rest_;
    std::string problem_;
};

void unknown(Words& words, std::string_view word) {
    words.fail(fmt::format("\"{}\" means nothing here", word));
}

model::ServiceKey read_key(Words& words) {
    model::ServiceKey key;
    const std::string_view option = words.next();
    if (option == "-f") {
        key.fwmark = words.number<std::uint32_t>();
        return key;
    }
    const auto* const known =
        std::find_if(std::begin(kProtocols), std::end(kProtocols), [option](const auto& candidate) {
            return candidate.option == option;
        });
    if (known != std::end(kProtocols))
        key.protocol = known->protocol;
    else if (option == kAnyProtocol)
        key.protocol = Protocol{words.number<std::uint8_t>()};
    else
        unknown(words, option);
    const auto endpoint = words.endpoint();
    key.address = endpoint.address;
    key.port = endpoint.port;
    return key;
}

std::uint32_t read_mask(Words& words, net::Family family) {
    if (family == net::Family::Ipv6) return words.number<std::uint32_t>(128);
    const auto mask = words.address();
    if (mask.family() != net::Family::Ipv4) words.fail("an IPv4 service has an IPv4 netmask");
    return mask.family() == net::Family::Ipv4 ? mask.v4().value() : 0;
}

std::uint32_t read_flags(Words& words) {
    std::uint32_t flags = 0;
    std::string_view list = words.next();
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        const auto* const flag =
            std::find_if(std::begin(kFlags), std::end(kFlags), [&](const auto& candidate) {
                return candidate.second == list.substr(0, end);
            });
        if (flag == std::end(kFlags))
            unknown(words, list.substr(0, end));
        else
            flags |= flag->first;
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return flags;
}

model::VirtualService read_service(Words& words) {
    model::VirtualService service;
    service.key = read_key(words);
    if (service.key.family() == net::Family::Ipv6) service.persistence_mask = 128;
    for (auto word = words.next(); !word.empty(); word = words.next()) {
        if (word == "-6") {
            service.key.address = net::Ipv6Address();
            service.persistence_mask = 128;
        } else if (word == "-s") {
            service.scheduler = words.next();
        } else if (word == "-p") {
            service.flags |= model::kServicePersistent;
            service.persistence_timeout_s = words.number<std::uint32_t>();
        } else if (word == "-M") {
            service.persistence_mask = read_mask(words, service.key.family());
        } else if (word == "--pe") {
            service.persistence_engine = words.next();
        } else if (word == "-o") {
            service.flags |= model::kServiceOnePacket;
        } else if (word == "--mss-clamp") {
            service.clamps_mss = true;
        } else if (word == "-b") {
            service.flags |= read_flags(words);
        } else {
            unknown(words, word);
        }
    }
    return service;
}

// Returns whether `word` was about a tunnel.
bool read_tunnel(Words& words, std::string_view word, model::TunnelOptions& tunnel) {
    if (word == "--tun-type") {
        const std::string_view name = words.next();
        const auto* const type = std::find(std::begin(kTunnelTypes), std::end(kTunnelTypes), name);
        if (type == std::end(kTunnelTypes))
            unknown(words, name);
        else
            tunnel.type = static_cast<TunnelType>(type - std::begin(kTunnelTypes));
        return true;
    }
    if (word == "--tun-port") {
        tunnel.port = net::Port{words.number<std::uint16_t>()};
        return true;
    }
    const auto* const checksum =
        std::find(std::begin(kTunnelChecksums), std::end(kTunnelChecksums), word);
    if (checksum == std::end(kTunnelChecksums)) return false;
    tunnel.flags = static_cast<std::uint16_t>(checksum - std::begin(kTunnelChecksums));
    return true;
}

model::Destination read_destination(Words& words) {
    model::Destination destination;
    for (auto word = words.next(); !word.empty(); word = words.next()) {
        const auto* const method =
            std::find_if(std::begin(kMethods), std::end(kMethods), [word](const auto& candidate) {
                return candidate.option == word;
            });
        if (method != std::end(kMethods))
            destination.method = method->method;
        else if (word == "-r")
            destination.real = words.endpoint();
        else if (word == "-w")
            destination.weight = words.number<std::int32_t>();
        else if (word == "-x")
            destination.upper_threshold = words.number<std::uint32_t>();
        else if (word == "-y")
            destination.lower_threshold = words.number<std::uint32_t>();
        else if (word != "-6" && !read_tunnel(words, word, destination.tunnel)) {
            unknown(words, word);
        }
    }
    return destination;
}

model::SyncDaemon read_daemon(Words& words) {
    model::SyncDaemon daemon;
    const std::string_view role = words.next();
    if (role == "backup")
        daemon.role = model::SyncRole::Backup;
    else if (role != "master")
        unknown(words, role);
    for (auto word = words.next(); !word.empty(); word = words.next()) {
        if (word == "--mcast-interface")
            daemon.interface = words.next();
        else if (word == "--syncid")
            daemon.sync_id = words.number<std::uint32_t>();
        else if (word == "--sync-maxlen")
            daemon.max_length = words.number<std::uint16_t>();
        else if (word == "--mcast-group")
            daemon.group = words.address();
        else if (word == "--mcast-port")
            daemon.port = net::Port{words.number<std::uint16_t>()};
        else if (word == "--mcast-ttl")
            daemon.ttl = words.number<std::uint8_t>();
        else
            unknown(words, word);
    }
    return daemon;
}

model::SysctlValue read_sysctl(Words& words) {
    const std::string_view word = words.next();
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
        words.fail("a setting is NAME=VALUE");
        return {};
    }
    return {std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
}

model::AccessRule read_access_rule(Words& words, std::string_view verb) {
    model::AccessRule rule;
    if (verb == "--allow") rule.action = model::AccessAction::Allow;
    const auto prefix = model::parse_client_prefix(words.next());
    if (!prefix) {
        words.fail(prefix.error().context);
        return rule;
    }
    rule.prefix = *prefix;
    if (words.at_end()) return rule;
    rule.service = read_key(words);
    if (rule.service->fwmark == 0 || words.at_end()) return rule;
    const std::string_view family = words.next();
    if (family != "-6") unknown(words, family);
    rule.service->address = net::Ipv6Address();
    return rule;
}

// A destination belongs to the service above it, whose key it repeats.
void read_line(Words& words, SavedState& state) {
    const std::string_view verb = words.next();
    if (verb == "-A") {
        state.services.push_back({.service = read_service(words), .destinations = {}});
    } else if (verb == "-a") {
        const auto key = read_key(words);
        const bool belongs = !state.services.empty() &&
                             state.services.back().service.key.fwmark == key.fwmark &&
                             (key.fwmark != 0 || state.services.back().service.key == key);
        if (!belongs && words.problem().empty()) {
            words.fail("the service of this server is not the one above");
        } else if (words.problem().empty()) {
            state.services.back().destinations.push_back(read_destination(words));
        }
    } else if (verb == "--set") {
        state.timeouts.tcp_s = words.number<std::uint32_t>();
        state.timeouts.tcp_fin_s = words.number<std::uint32_t>();
        state.timeouts.udp_s = words.number<std::uint32_t>();
    } else if (verb == "--add-mark") {
        std::vector<std::string> rule;
        for (auto word = words.next(); !word.empty(); word = words.next())
            rule.emplace_back(word);
        const auto parsed = model::parse_mark_rule(rule);
        if (!parsed) return words.fail(parsed.error().context);
        state.mark_rules.push_back(*parsed);
    } else if (verb == "--allow" || verb == "--deny") {
        state.access_rules.push_back(read_access_rule(words, verb));
    } else if (verb == "--sysctl") {
        state.sysctls.push_back(read_sysctl(words));
    } else if (verb == "--start-daemon") {
        state.daemons.push_back(read_daemon(words));
    } else {
        unknown(words, verb);
    }
    if (!words.at_end()) unknown(words, words.next());
}

}  // namespace

std::string to_text(const model::Timeouts& timeouts) {
    return fmt::format("--set {} {} {}\n", timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s);
}

std::string to_text(const model::MarkRule& rule) {
    return fmt::format("--add-mark {}\n", rule.to_string());
}

std::string to_text(const model::AccessRule& rule) {
    return fmt::format("--{} {}{}{}\n",
                       model::access_action_name(rule.action),
                       rule.prefix.to_string(),
                       rule.service ? " " : "",
                       rule.service ? key_text(*rule.service) : "");
}

std::string to_text(const model::SysctlValue& value) {
    // One word, where there are two numbers.
    std::string text = fmt::format("--sysctl {}={}\n", value.name, value.value);
    std::replace(text.begin() + static_cast<std::ptrdiff_t>(text.find('=')), text.end(), ' ', ',');
    return text;
}

std::string to_text(const model::SyncDaemon& daemon) {
    return fmt::format(
        "--start-daemon {} --mcast-interface {} --syncid {} --sync-maxlen {} "
        "--mcast-group {} --mcast-port {} --mcast-ttl {}\n",
        daemon.role == model::SyncRole::Master ? "master" : "backup",
        daemon.interface,
        daemon.sync_id,
        daemon.max_length,
        daemon.group.to_string(),
        net::number(daemon.port),
        daemon.ttl);
}

std::string to_text(const model::VirtualService& service) {
    const std::string key = key_text(service.key);
    std::string text =
        fmt::format("-A {} -s {}{}", key, service.scheduler, persistence_text(service));
    if (!service.persistence_engine.empty()) {
        text += fmt::format(" --pe {}", service.persistence_engine);
    }
    if ((service.flags & model::kServiceOnePacket) != 0) text += " -o";
    if (service.clamps_mss) text += " --mss-clamp";
    std::string_view separator = " -b ";
    for (const auto& [bit, name] : kFlags) {
        if ((service.flags & bit) == 0) continue;
        text.append(separator).append(name);
        separator = ",";
    }
    return text + '\n';
}

std::string to_text(const model::ServiceKey& service, const model::Destination& destination) {
    return destination_text(key_text(service), destination);
}

Result<SavedState> parse_state(std::string_view text) {
    const auto broken = [](std::string what) {
        return fail(ErrorCode::InvalidArgument, std::move(what));
    };
    if (text.substr(0, kStateFirstLine.size()) != kStateFirstLine) {
        return broken("it does not begin with \"# xvs services 1\"");
    }
    if (text.size() < kStateFirstLine.size() + kStateLastLine.size() ||
        text.substr(text.size() - kStateLastLine.size()) != kStateLastLine) {
        return broken("its end is missing");
    }
    text.remove_prefix(kStateFirstLine.size());
    text.remove_suffix(kStateLastLine.size());
    SavedState state;
    for (std::size_t number = 2; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') continue;
        Words words(line);
        read_line(words, state);
        if (!words.problem().empty()) {
            return broken(fmt::format("line {}: {}", number, words.problem()));
        }
    }
    return state;
}

}  // namespace xvs::control
