#include "testing/conversation.h"

#include <algorithm>
#include <array>
#include <map>
#include <ostream>
#include <regex>
#include <sstream>

#include <fmt/format.h>

#include "model/names.h"
#include "net/sctp.h"
#include "testing/packet_text.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

// NAT, with and without another port; direct routing and tunnels; IPv6; datagrams; persistence; a
// real server on the director itself; SCTP.
constexpr std::array kServices{
    "-A -t 192.0.2.1:80 -s rr",
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m",
    "-a -t 192.0.2.1:80 -r 10.0.0.12:80 -m",
    "-A -t 192.0.2.2:81 -s wlc",
    "-a -t 192.0.2.2:81 -r 10.0.0.11:81 -g",
    "-a -t 192.0.2.2:81 -r 10.0.0.12:81 -i",
    "-A -t [2001:db8::1]:80 -s lc",
    "-a -t [2001:db8::1]:80 -r [2001:db8:2::11]:8080 -m",
    "-a -t [2001:db8::1]:80 -r [2001:db8:2::12]:80 -m",
    "-A -u 192.0.2.1:53 -s rr",
    "-a -u 192.0.2.1:53 -r 10.0.0.11:53 -m",
    "-a -u 192.0.2.1:53 -r 10.0.0.12:5353 -m",
    "-A -t 192.0.2.1:443 -s wlc -p 50",
    "-a -t 192.0.2.1:443 -r 10.0.0.11:443 -m",
    "-a -t 192.0.2.1:443 -r 10.0.0.12:443 -m",
    "-A -t 192.0.2.2:8080 -s rr",
    "-a -t 192.0.2.2:8080 -r 192.0.2.2:9090 -m",
    "-A --sctp-service 192.0.2.1:80 -s rr",
    "-a --sctp-service 192.0.2.1:80 -r 10.0.0.11:80 -m",
    "-a --sctp-service 192.0.2.1:80 -r 10.0.0.12:8080 -m",
    "-A --sctp-service [2001:db8::1]:80 -s wlc",
    "-a --sctp-service [2001:db8::1]:80 -r [2001:db8:2::11]:80 -g",
    "-a --sctp-service [2001:db8::1]:80 -r [2001:db8:2::12]:80 -m",
};

struct FlowEnds {
    net::Endpoint client;
    net::Endpoint service;
    net::Endpoint server;
    model::Protocol protocol = model::Protocol::Tcp;
};

struct ServicePlace {
    net::Endpoint endpoint;
    net::Endpoint server;  // one of them
    model::Protocol protocol = model::Protocol::Tcp;
};

constexpr std::array kPlaces{
    ServicePlace{"192.0.2.1:80"_ep, "10.0.0.11:8080"_ep},
    ServicePlace{"192.0.2.2:81"_ep, "10.0.0.11:81"_ep},
    ServicePlace{"[2001:db8::1]:80"_ep, "[2001:db8:2::11]:8080"_ep},
    ServicePlace{"192.0.2.1:53"_ep, "10.0.0.11:53"_ep, model::Protocol::Udp},
    ServicePlace{"192.0.2.1:443"_ep, "10.0.0.11:443"_ep},
    ServicePlace{"192.0.2.2:8080"_ep, "192.0.2.2:9090"_ep},
    ServicePlace{"192.0.2.1:80"_ep, "10.0.0.11:80"_ep, model::Protocol::Sctp},
    ServicePlace{"[2001:db8::1]:80"_ep, "[2001:db8:2::11]:80"_ep, model::Protocol::Sctp}};

constexpr unsigned kPlaceCount = kPlaces.size();
constexpr unsigned kClients = kConversationFlows / kPlaceCount;
constexpr unsigned kClientHosts = 2;

const TestHost& client_host(unsigned client) {
    return topology::kHosts[client % kClientHosts];
}

FlowEnds ends_of(unsigned flow) {
    const ServicePlace& place = kPlaces[flow % kPlaceCount];
    const unsigned client = flow / kPlaceCount % kClients;
    const TestHost& host = client_host(client);
    const bool is_ipv6 = place.endpoint.address.family() == net::Family::Ipv6;
    return {.client = {.address = is_ipv6 ? host.v6 : host.v4,
                       .port = net::Port{static_cast<std::uint16_t>(40000 + client)}},
            .service = place.endpoint,
            .server = place.server,
            .protocol = place.protocol};
}

// What SCTP says where TCP would say `flags`.
std::vector<std::uint8_t> chunks_of(const std::string& flags) {
    using namespace net::sctp_chunk;  // NOLINT(google-build-using-namespace): names alone
    static const std::map<std::string, std::vector<std::uint8_t>> kChunks{
        {"S", {kInit}},
        {"S.", {kInitAck}},
        {".", {kCookieEcho, kData}},
        {"P.", {kData}},
        {"F.", {kShutdown}},
        {"R", {kAbort}},
        {"R.", {kShutdownComplete}},
        {"", {kError}},
        {"SF", {kCookieEcho, kAbort}},
        {"FP.", {kShutdownAck}},
        {"P", {kCookieAck}},
    };
    const auto found = kChunks.find(flags);
    return found == kChunks.end() ? std::vector{kData} : found->second;
}

// Don't-fragment, since otherwise an outer header has an identification of its sender's choosing.
Packet packet_of(const net::Endpoint& from,
                 const net::Endpoint& to,
                 model::Protocol protocol,
                 const std::string& flags) {
    const Packet kind = protocol == model::Protocol::Udp ? Packet::udp(from, to)
                        : protocol == model::Protocol::Sctp
                            ? Packet::sctp(from, to, chunks_of(flags))
                            : Packet::tcp(from, to).flags(flags);
    const Packet packet = kind.length(12);
    return packet.family() == net::Family::Ipv4 ? packet.df() : packet;
}

std::string to_text(const std::vector<Sighting>& sightings) {
    std::string text;
    for (const Sighting& sighting : sightings)
        text += fmt::format("{} < {}\n", sighting.host, test::to_text(sighting.packet));
    // Packets of the director's own are numbered as they come.
    static const std::regex kNumber(", ipid \\d+");
    return std::regex_replace(text, kNumber, "");
}

const TestHost* host_at(const net::IpAddress& address) {
    const auto found =
        std::find_if(topology::kHosts.begin(), topology::kHosts.end(), [&](const TestHost& host) {
            return host.v4 == address || host.v6 == address;
        });
    return found == topology::kHosts.end() ? nullptr : &*found;
}

// The real server of a flow's connection, or where it has none one of its service's.
net::Endpoint server_of(const FlowEnds& ends, Director& director) {
    // One that began in the kernel is known once it was reported.
    if (director.engine.stock_depths().turns != 0) director.engine.catch_up();
    for (const model::ConnectionInfo& info : director.connection_infos()) {
        const bool is_its = info.protocol == ends.protocol && info.client == ends.client &&
                            info.virtual_endpoint == ends.service;
        if (is_its) return info.real;
    }
    return ends.server;
}

}  // namespace

const std::vector<std::string>& conversation_flags() {
    static const std::vector<std::string> kFlags{
        "S", "S", "S.", "S.", ".", ".", ".", "P.", "F.", "F.", "R", "R.", "", "SF", "FP.", "P"};
    return kFlags;
}

const std::vector<std::string>& conversation_edits() {
    static const std::vector<std::string> kEdits{
        "-e -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -w 0",
        "-e -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -w 2",
        "-d -t 192.0.2.1:80 -r 10.0.0.11:8080",
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m",
        "-d -t 192.0.2.2:81 -r 10.0.0.12:81",
        "-a -t 192.0.2.2:81 -r 10.0.0.12:81 -i",
        "-d -u 192.0.2.1:53 -r 10.0.0.11:53",
        "-a -u 192.0.2.1:53 -r 10.0.0.11:53 -m",
        "-D -t 192.0.2.1:443",
        "-A -t 192.0.2.1:443 -s wlc -p 50",
        "-a -t 192.0.2.1:443 -r 10.0.0.12:443 -m",
        "-e -t [2001:db8::1]:80 -r [2001:db8:2::11]:8080 -m -x 2",
        "-Z",
        "--deny 198.51.100.8",
        "--delete-deny 198.51.100.8",
        "--deny 198.51.100.0/28 -t 192.0.2.1:80",
        "--allow 198.51.100.7 -t 192.0.2.1:80",
        "--delete-allow 198.51.100.7 -t 192.0.2.1:80",
        "--delete-deny 198.51.100.0/28 -t 192.0.2.1:80",
        "--allow 2001:db8:1::/64 -t [2001:db8::1]:80",
        "--deny 2001:db8:1::7 -t [2001:db8::1]:80",
        "--delete-deny 2001:db8:1::7 -t [2001:db8::1]:80",
        "--set 30 5 7",
        "--set 900 120 300",
    };
    return kEdits;
}

std::ostream& operator<<(std::ostream& out, const ConversationStep& step) {
    using Kind = ConversationStep::Kind;
    switch (step.kind) {
        case Kind::Request:
        case Kind::Reply: {
            const FlowEnds ends = ends_of(step.flow);
            return out << fmt::format("{} {} {} {} [{}] on CPU {}",
                                      step.kind == Kind::Request ? "request" : "reply",
                                      model::protocol_name(ends.protocol),
                                      ends.client.to_string(),
                                      ends.service.to_string(),
                                      step.flags,
                                      step.cpu);
        }
        case Kind::Wait:
            return out << fmt::format("wait {} ms", step.wait.count());
        case Kind::Edit:
            return out << "ipvsadm " << step.line;
        case Kind::Look:
            break;
    }
    return out << "look";
}

void PrintTo(const ConversationStep& step, std::ostream* out) {
    *out << step;
}

std::string difference(const std::string& one, const std::string& other) {
    std::istringstream first(one);
    std::istringstream second(other);
    std::string line;
    std::string line_of_other;
    while (true) {
        const bool has_line = static_cast<bool>(std::getline(first, line));
        const bool has_other = static_cast<bool>(std::getline(second, line_of_other));
        if (!has_line && !has_other) return {};
        if (has_line != has_other || line != line_of_other) {
            return fmt::format(
                "{}\n{}\n", has_line ? line : "(nothing)", has_other ? line_of_other : "(nothing)");
        }
    }
}

Participant::Participant(Schedulers schedulers, const DirectorParts& parts)
    : target_(parts), schedulers_(schedulers) {
    for (const char* line : kServices)
        order(line);
}

// Whether it is refused is the unit tests' matter.
void Participant::order(std::string line) {
    if (schedulers_ == Schedulers::InTurn) {
        for (const std::string counting : {"-s wlc", "-s lc"}) {
            const std::size_t at = line.find(counting);
            if (at != std::string::npos) line.replace(at, counting.size(), "-s rr");
        }
        line.resize(std::min(line.size(), line.find(" -x ")));
    }
    (void)target_.director().ipvsadm(line);
}

std::string Participant::take(const ConversationStep& step) {
    using Kind = ConversationStep::Kind;
    if (entrance_ != nullptr) entrance_->set_cpu(step.cpu);
    const FlowEnds ends = ends_of(step.flow);
    switch (step.kind) {
        case Kind::Request:
            target_.send(client_host(step.flow / kPlaceCount % kClients),
                         packet_of(ends.client, ends.service, ends.protocol, step.flags));
            break;
        case Kind::Reply: {
            const net::Endpoint server = server_of(ends, target_.director());
            const Packet reply = packet_of(server, ends.client, ends.protocol, step.flags);
            const TestHost* host = host_at(server.address);
            if (host == nullptr) {
                target_.send_from_host(reply);
            } else {
                target_.send(*host, reply);
            }
            break;
        }
        case Kind::Wait:
            target_.advance(step.wait);
            break;
        case Kind::Edit:
            order(step.line);
            break;
        case Kind::Look:
            return look();
    }
    return to_text(target_.collect());
}

namespace {

// Connections are listed as their records come, and whose record was free first is nobody's matter.
std::string sorted_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream rest(text);
    for (std::string line; std::getline(rest, line);)
        lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    std::string sorted;
    for (const std::string& line : lines)
        sorted += line + '\n';
    return sorted;
}

}  // namespace

std::string Participant::look() {
    Director& director = target_.director();
    director.engine.catch_up();
    std::string text = director.inconsistencies();
    const std::vector<std::vector<std::string>> listings{
        {"-L", "-n"}, {"-L", "-n", "--stats", "--exact"}, {"-L", "-n", "-c"}};
    for (const auto& listing : listings) {
        const CommandOutput output = target_.ipvsadm(listing);
        text += (listing.back() == "-c" ? sorted_lines(output.out) : output.out) + output.error;
    }
    return text;
}

std::string Participant::end() {
    using namespace std::chrono_literals;
    Director& director = target_.director();
    (void)director.ipvsadm("-C");
    director.advance(1h);
    return director.inconsistencies() + director.leftovers();
}

}  // namespace xvs::test
