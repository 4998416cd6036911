// ipvsadm's command lines, as far as tests of the engine need them:
//   -A|-E SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [-o] [-b FLAG,FLAG]
//   -D SERVICE, -C, -Z [SERVICE], --set TCP TCPFIN UDP
//   -a|-e SERVICE -r SERVER [-g|-i|-m] [-w WEIGHT] [-x UPPER] [-y LOWER], -d SERVICE -r SERVER
#include <charconv>
#include <optional>
#include <sstream>

#include "testing/director.h"

namespace xvs::test {
namespace {

using Words = std::vector<std::string>;

struct Line {
    std::string command;
    std::optional<model::ServiceKey> key;
    model::VirtualService service;
    model::Destination destination;
    std::optional<std::string> server;
    bool has_method = false;
    std::vector<std::uint32_t> numbers;
};

Words split(std::string_view text) {
    std::istringstream in{std::string(text)};
    Words words;
    for (std::string word; in >> word;)
        words.push_back(word);
    return words;
}

tl::unexpected<Error> malformed(const std::string& what) {
    return fail(ErrorCode::InvalidArgument, "test command: " + what);
}

template <class Number>
bool read_number(const std::string& word, Number& number) {
    const char* end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, number);
    return error == std::errc{} && stop == end;
}

std::optional<net::Endpoint> read_endpoint(const std::string& word) {
    if (const auto endpoint = net::Endpoint::parse(word)) return endpoint;
    const auto address = net::IpAddress::parse(word);
    if (!address) return std::nullopt;
    return net::Endpoint{.address = *address, .port = {}};
}

// Reads words one after the other.
class Reader {
public:
    explicit Reader(std::string_view text) : words_(split(text)) {
        if (!words_.empty() && words_[0].find("ipvsadm") != std::string::npos) ++at_;
    }

    [[nodiscard]] bool is_at_end() const { return at_ == words_.size(); }

    std::string next() { return is_at_end() ? std::string() : words_[at_++]; }

    [[nodiscard]] bool has_value() const { return !is_at_end() && words_[at_][0] != '-'; }

private:
    Words words_;
    std::size_t at_ = 0;
};

bool read_key(const std::string& option, Reader& words, std::optional<model::ServiceKey>& key) {
    key.emplace();
    if (option == "-f") {
        key->address = net::Ipv4Address(0);
        return read_number(words.next(), key->fwmark);
    }
    key->protocol = option == "-u" ? model::Protocol::Udp : model::Protocol::Tcp;
    const auto endpoint = read_endpoint(words.next());
    if (!endpoint) return false;
    key->address = endpoint->address;
    key->port = endpoint->port;
    return true;
}

bool read_mask(const std::string& word, std::uint32_t& mask) {
    if (const auto address = net::Ipv4Address::parse(word)) {
        mask = address->value();
        return true;
    }
    return read_number(word, mask);
}

bool read_persistence(Reader& words, model::VirtualService& service) {
    service.flags |= model::kServicePersistent;
    service.persistence_timeout_s = 360;
    return !words.has_value() || read_number(words.next(), service.persistence_timeout_s);
}

bool read_scheduler_flags(const std::string& word, std::uint32_t& flags) {
    std::istringstream in(word);
    for (std::string flag; std::getline(in, flag, ',');) {
        if (flag == "flag-1" || flag == "sh-fallback" || flag == "mh-fallback") {
            flags |= model::kServiceScheduler1;
        } else if (flag == "flag-2" || flag == "sh-port" || flag == "mh-port") {
            flags |= model::kServiceScheduler2;
        } else if (flag == "flag-3") {
            flags |= model::kServiceScheduler3;
        } else {
            return false;
        }
    }
    return true;
}

bool read_option(const std::string& option, Reader& words, Line& line) {
    if (option == "-t" || option == "-u" || option == "-f")
        return read_key(option, words, line.key);
    if (option == "-6" && line.key) {
        line.key->address = net::Ipv6Address();
        return true;
    }
    if (option == "-s") {
        line.service.scheduler = words.next();
        return !line.service.scheduler.empty();
    }
    if (option == "-p") return read_persistence(words, line.service);
    if (option == "-M") return read_mask(words.next(), line.service.persistence_mask);
    if (option == "-b") return read_scheduler_flags(words.next(), line.service.flags);
    if (option == "-o") {
        line.service.flags |= model::kServiceOnePacket;
        return true;
    }
    if (option == "-r") {
        line.server = words.next();
        return true;
    }
    if (option == "-m" || option == "-g" || option == "-i") {
        line.destination.method = option == "-m"   ? model::ForwardingMethod::Masquerade
                                  : option == "-i" ? model::ForwardingMethod::Tunnel
                                                   : model::ForwardingMethod::DirectRoute;
        return true;
    }
    if (option == "-w") return read_number(words.next(), line.destination.weight);
    if (option == "-x") return read_number(words.next(), line.destination.upper_threshold);
    if (option == "-y") return read_number(words.next(), line.destination.lower_threshold);
    return false;
}

Result<Line> read_line(std::string_view text) {
    Reader words(text);
    Line line;
    line.command = words.next();
    if (line.command == "--set") {
        while (!words.is_at_end()) {
            if (!read_number(words.next(), line.numbers.emplace_back()))
                return malformed(std::string(text));
        }
        return line;
    }
    while (!words.is_at_end()) {
        const std::string option = words.next();
        if (!read_option(option, words, line))
            return malformed(option + " in " + std::string(text));
    }
    if (!line.key) return line;
    line.service.key = *line.key;
    const bool has_default_mask = line.service.persistence_mask == 0xffffffff;
    if (line.key->family() == net::Family::Ipv6 && has_default_mask)
        line.service.persistence_mask = 128;
    return line;
}

// Without a port it is the service's, and so it is whatever was said with DR and TUN.
Status read_server(Line& line) {
    const auto real = line.server ? read_endpoint(*line.server) : std::nullopt;
    if (!real || !line.key) return malformed("a service and -r SERVER are wanted");
    line.destination.real = *real;
    const bool is_nat = line.destination.method == model::ForwardingMethod::Masquerade;
    const bool keeps_port = real->port != net::Port{0} && (is_nat || line.command == "-d");
    if (!keeps_port) line.destination.real.port = line.key->port;
    return {};
}

}  // namespace

Status run_ipvsadm_line(engine::Engine& engine, std::string_view text) {
    Result<Line> line = read_line(text);
    if (!line) return fail(line.error());
    engine::Services& services = engine.services();
    const std::string& command = line->command;
    if (command == "-C") {
        services.flush();
        return {};
    }
    if (command == "--set" && line->numbers.size() == 3) {
        engine.set_timeouts(
            {.tcp_s = line->numbers[0], .tcp_fin_s = line->numbers[1], .udp_s = line->numbers[2]});
        return {};
    }
    if (command == "-Z" && !line->key) {
        services.zero_all();
        return {};
    }
    if (!line->key) return malformed("no service in " + std::string(text));
    if (command == "-A") return services.add_service(line->service);
    if (command == "-E") return services.edit_service(line->service);
    if (command == "-D") return services.remove_service(*line->key);
    if (command == "-Z") {
        engine::ServiceState* service = services.find(*line->key);
        if (service == nullptr) return fail(ErrorCode::NoSuchService, line->key->to_string());
        services.zero(*service);
        return {};
    }
    if (const Status server = read_server(*line); !server) return server;
    if (command == "-a") return services.add_destination(*line->key, line->destination);
    if (command == "-e") return services.edit_destination(*line->key, line->destination);
    if (command == "-d") return services.remove_destination(*line->key, line->destination.real);
    return malformed(command);
}

Result<model::ServiceKey> parse_service_key(std::string_view text) {
    const Result<Line> line = read_line("-D " + std::string(text));
    if (!line) return fail(line.error());
    if (!line->key) return malformed(std::string(text));
    return *line->key;
}

}  // namespace xvs::test
