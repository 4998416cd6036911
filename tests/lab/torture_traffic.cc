#include "tests/lab/torture_traffic.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>

#include "base/byte_order.h"
#include "base/error.h"

namespace xvs::lab {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

// Flows by number. Long ones are sent by both CPUs all the time; renewed ones are reset and opened
// anew by the CPU that owns them; short ones are sent by both for a moment and never again.
constexpr std::uint32_t kLongTcp = 32;
constexpr std::uint32_t kLongUdp6 = 48;
constexpr std::uint32_t kRenewed = 64;
constexpr std::uint32_t kShort = 80;
constexpr std::uint32_t kFlows = 20000;
constexpr auto kShortFlowInterval = 2ms;
constexpr std::uint32_t kShortFlowsAtOnce = 8;
constexpr std::uint32_t kPacketsOfRenewed = 20;
constexpr std::uint16_t kFirstPort = 20000;
constexpr std::uint32_t kServerSender = 100;
// Per CPU: two of them and those who answer and listen leave room for xvsd.
constexpr std::size_t kBatch = 32;
constexpr auto kPause = 500us;

bool is_tcp(std::uint32_t flow) {
    return flow >= kLongTcp && flow < kShort && (flow < kLongUdp6 || flow >= kRenewed);
}

bool is_ipv6(std::uint32_t flow) {
    return flow >= kLongUdp6 && flow < kRenewed;
}

// To whom clients send, and real servers: the same router with DR and TUN, the director with NAT.
const Plug& gateway(const Plan& plan, const std::string& interface) {
    const std::string node =
        plan.method == model::ForwardingMethod::Masquerade ? "director" : "router";
    for (const Cable& cable : plan.cables) {
        for (const Plug* plug : {&cable.first, &cable.second}) {
            if (plug->node == node && plug->interface == interface) return *plug;
        }
    }
    throw std::runtime_error("the " + node + " has no " + interface);
}

const net::MacAddress& gateway_of_client(const Plan& plan) {
    return gateway(plan, "eth0").mac;
}

const net::MacAddress& gateway_of_servers(const Plan& plan) {
    return gateway(plan, plan.method == model::ForwardingMethod::Tunnel ? "eth2" : "eth1").mac;
}

// A packet in a tunnel without its outer header; any other as it is.
std::span<const std::byte> inside(std::span<const std::byte> packet) {
    constexpr std::size_t kIpv4Header = 20;
    constexpr std::size_t kIpv6Header = 40;
    constexpr std::byte kIpip{4};
    constexpr std::byte kIpv6{41};
    if (packet.size() < kIpv6Header) return packet;
    if ((packet[0] >> 4) == std::byte{4}) {
        return packet[9] == kIpip || packet[9] == kIpv6 ? packet.subspan(kIpv4Header) : packet;
    }
    return packet[6] == kIpip || packet[6] == kIpv6 ? packet.subspan(kIpv6Header) : packet;
}

// An interface's packets from their IP headers on, as they come and go.
class PacketSocket {
public:
    PacketSocket(const NetworkNamespace& where, const net::MacAddress& neighbour) {
        const NetworkNamespace::Scope scope(where);
        socket_ = UniqueFd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        address_.sll_family = AF_PACKET;
        address_.sll_protocol = to_wire16(ETH_P_ALL);
        address_.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
        const int room = 64 << 20;
        const int on = 1;
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
        ::setsockopt(socket_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
        if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) !=
            0)
            throw std::runtime_error(system_error("binding a packet socket", errno).context);
        address_.sll_halen = net::MacAddress::kSize;
        neighbour.store(reinterpret_cast<std::byte*>(address_.sll_addr));
    }

    [[nodiscard]] int fd() const { return socket_.get(); }

    // Returns false where there is no room just now.
    bool send(const NumberedPacket& packet) const {
        std::array<std::byte, kMaxNumberedPacket> bytes;
        const std::size_t size = encode(packet, bytes);
        sockaddr_ll to = address_;
        to.sll_protocol =
            to_wire16(packet.source.address.family() == net::Family::Ipv4 ? ETH_P_IP : ETH_P_IPV6);
        return ::sendto(socket_.get(),
                        bytes.data(),
                        size,
                        MSG_DONTWAIT,
                        reinterpret_cast<const sockaddr*>(&to),
                        sizeof(to)) == static_cast<ssize_t>(size);
    }

    // Calls `take(packet, damage)` for those that are numbered and addressed to this host.
    template <class Take>
    void receive(Take&& take) const {
        std::array<std::byte, 2048> bytes;
        std::string damage;
        for (unsigned i = 0; i < 256; ++i) {
            sockaddr_ll from{};
            socklen_t size = sizeof(from);
            const ssize_t length = ::recvfrom(socket_.get(),
                                              bytes.data(),
                                              bytes.size(),
                                              MSG_DONTWAIT,
                                              reinterpret_cast<sockaddr*>(&from),
                                              &size);
            if (length <= 0) return;
            if (from.sll_pkttype != PACKET_HOST) continue;
            const auto packet =
                decode(inside(std::span(bytes).first(static_cast<std::size_t>(length))), damage);
            if (packet) take(*packet, damage);
        }
    }

private:
    UniqueFd socket_;
    sockaddr_ll address_{};
};

void pin(std::size_t cpu) {
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    CPU_SET(cpu, &wanted);
    (void)::pthread_setaffinity_np(::pthread_self(), sizeof(wanted), &wanted);
}

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15U + 1) {}

    std::uint32_t below(std::uint32_t limit) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return static_cast<std::uint32_t>(state_ >> 32) % limit;
    }

private:
    std::uint64_t state_;
};

// A flow that is opened, used and reset, over and over.
struct RenewedFlow {
    std::uint32_t epoch = 1;
    std::uint32_t sent = 0;
    SteadyClock::time_point asked;  // when the last SYN went out

    // Returns the flags of its next packet; nothing while it waits for an answer.
    std::optional<std::uint8_t> next(std::uint32_t answered) {
        if (answered != epoch) {
            const auto now = SteadyClock::now();
            if (now - asked < 100ms) return std::nullopt;
            asked = now;
            return kTcpSyn;
        }
        if (++sent <= kPacketsOfRenewed) return kTcpAck;
        return kTcpRst;
    }

    void end() {
        ++epoch;
        sent = 0;
        asked = {};
    }
};

// Never 0.
std::uint64_t which_of(std::size_t server, std::uint16_t port, net::Family family) {
    const std::uint64_t is_ipv6 = family == net::Family::Ipv6 ? 1 : 0;
    return (std::uint64_t{server} + 1) << 32 | is_ipv6 << 16 | port;
}

}  // namespace

// What one CPU sends.
class TortureTraffic::Sender {
public:
    Sender(TortureTraffic& traffic, std::size_t number)
        : traffic_(traffic),
          number_(number),
          socket_(traffic.lab_.node("client"), gateway_of_client(traffic.lab_.plan())),
          random_(number + 1) {}

    void run() {
        pin(number_);
        while (traffic_.is_sending_) {
            for (std::size_t i = 0; i < kBatch; ++i)
                send_one();
            std::this_thread::sleep_for(kPause);
        }
    }

private:
    void send_one() {
        const std::uint32_t what = random_.below(100);
        if (what < 10) return send_renewed();
        if (what < 40) return send_short();
        const std::uint32_t flow = random_.below(kRenewed);
        // A TCP connection has to be opened; one CPU does.
        const bool is_open = !is_tcp(flow) || traffic_.answered_[flow] == 1;
        if (!is_open && number_ != 0) return;
        send(flow, is_open ? 0 : 1, is_open ? kTcpAck : kTcpSyn);
    }

    void send_renewed() {
        constexpr std::uint32_t kEach = (kShort - kRenewed) / kTortureSenders;
        const std::uint32_t which = random_.below(kEach);
        const std::uint32_t flow = kRenewed + static_cast<std::uint32_t>(number_) * kEach + which;
        RenewedFlow& renewed = renewed_[which];
        const auto flags = renewed.next(traffic_.answered_[flow]);
        if (!flags) return;
        if (*flags == kTcpRst) traffic_.reset_[flow] = renewed.epoch;
        send(flow, renewed.epoch, *flags);
        if (*flags == kTcpRst) renewed.end();
    }

    void send_short() {
        const auto passed = SteadyClock::now() - traffic_.started_;
        const auto newest = static_cast<std::uint32_t>(passed / kShortFlowInterval);
        const std::uint32_t flow = kShort + newest + random_.below(kShortFlowsAtOnce);
        if (flow < kFlows) send(flow, 0, 0);
    }

    void send(std::uint32_t flow, std::uint32_t epoch, std::uint8_t flags) {
        NumberedPacket packet = traffic_.request(flow);
        // All of a long flow is one epoch, its handshake as well.
        packet.number = {.flow = flow,
                         .epoch = flow < kRenewed ? 1 : epoch,
                         .sender = static_cast<std::uint32_t>(number_),
                         .sequence = ++traffic_.sequences_[number_ * kFlows + flow]};
        packet.tcp_flags = flags;
        if (socket_.send(packet)) ++traffic_.sent_;
    }

    TortureTraffic& traffic_;
    std::size_t number_;
    PacketSocket socket_;
    Random random_;
    std::array<RenewedFlow, (kShort - kRenewed) / kTortureSenders> renewed_;
};

// Who gets packets, in one thread on either side: what it keeps is its own.
class TortureTraffic::Receiver {
public:
    explicit Receiver(TortureTraffic& traffic) : traffic_(traffic), seen_(kFlows) {}

    // Returns whether the packet is whole, as it should be on this side, and here the first time.
    bool check(const NumberedPacket& packet,
               const NumberedPacket& expected,
               const std::string& damage,
               const std::string& where) {
        const auto complain = [&](const std::string& what) {
            traffic_.complain(what, packet, where);
            return false;
        };
        if (!damage.empty()) return complain(damage);
        if (packet.source != expected.source) return complain("a wrong source");
        if (packet.destination != expected.destination) return complain("a wrong destination");
        if (packet.protocol != expected.protocol) return complain("a wrong protocol");
        if (packet.ttl != expected.ttl) return complain("a wrong TTL");
        std::vector<bool>& seen = seen_[packet.number.flow][packet.number.sender];
        if (packet.number.sequence >= seen.size()) seen.resize(packet.number.sequence + 1024);
        if (seen[packet.number.sequence]) return complain("come twice");
        seen[packet.number.sequence] = true;
        return true;
    }

private:
    TortureTraffic& traffic_;
    std::vector<std::map<std::uint32_t, std::vector<bool>>> seen_;  // by flow and sender
};

class TortureTraffic::Servers {
public:
    explicit Servers(TortureTraffic& traffic)
        : traffic_(traffic), receiver_(traffic), places_(kFlows), replies_(kFlows) {
        const Plan& plan = traffic.lab_.plan();
        for (std::size_t i = 0; i < plan.real_servers.size(); ++i)
            sockets_.emplace_back(traffic.lab_.node(Plan::real_server_name(i)),
                                  gateway_of_servers(plan));
    }

    void run() {
        std::vector<pollfd> waiting;
        for (const PacketSocket& socket : sockets_)
            waiting.push_back({.fd = socket.fd(), .events = POLLIN, .revents = 0});
        while (traffic_.is_listening_) {
            ::poll(waiting.data(), waiting.size(), 20);
            for (std::size_t i = 0; i < sockets_.size(); ++i)
                sockets_[i].receive([&](const NumberedPacket& packet, const std::string& damage) {
                    take(packet, damage, i);
                });
        }
    }

private:
    void take(const NumberedPacket& packet, const std::string& damage, std::size_t server) {
        if (packet.number.flow >= kFlows) return;
        ++traffic_.at_servers_;
        NumberedPacket expected = traffic_.request(packet.number.flow);
        const Plan& plan = traffic_.lab_.plan();
        const bool is_nat = plan.method == model::ForwardingMethod::Masquerade;
        // Behind the director, and the router in front of it.
        expected.ttl = is_nat ? 63 : 62;
        if (is_nat) {
            expected.destination.address =
                plan.real_servers[server].of(expected.source.address.family());
        }
        if (!receiver_.check(packet, expected, damage, Plan::real_server_name(server))) return;
        if (traffic_.is_gone(server, packet))
            traffic_.complain(
                "sent to a removed real server", packet, Plan::real_server_name(server));
        check_place(packet, static_cast<std::uint32_t>(server));
        answer(packet, server);
    }

    // Every packet of an epoch goes where its first one went, while that real server is there.
    void check_place(const NumberedPacket& packet, std::uint32_t server) {
        Place& place = places_[packet.number.flow];
        const std::uint32_t epoch = packet.number.epoch;
        if (place.is_known && epoch < place.epoch) return;  // late
        const bool is_new = !place.is_known || epoch > place.epoch;
        if (!is_new && server == place.server) return;
        // A SYN that was asked again may wait for the engine while what followed the first one, the
        // reset at last, overtakes it in the kernel: then it begins a connection anew.
        const bool is_syn = (packet.tcp_flags & kTcpSyn) != 0;
        if (!is_new && is_syn && epoch <= traffic_.reset_[packet.number.flow]) return;
        if (!place.is_known) ++traffic_.flows_;
        if (place.is_known && is_new && server != place.server) ++traffic_.rescheduled_;
        if (!is_new && traffic_.removals_[place.server] == place.removals) {
            traffic_.complain(fmt::format("another real server than rs{}", place.server + 1),
                              packet,
                              Plan::real_server_name(server));
        }
        place = {.epoch = epoch,
                 .server = server,
                 .removals = traffic_.removals_[server],
                 .is_known = true};
    }

    void answer(const NumberedPacket& packet, std::size_t server) {
        const bool is_syn = (packet.tcp_flags & kTcpSyn) != 0;
        const bool is_reset = (packet.tcp_flags & kTcpRst) != 0;
        if (is_reset || (!is_syn && packet.number.sequence % 2 == 0)) return;
        NumberedPacket reply = packet;
        std::swap(reply.source, reply.destination);
        reply.ttl = 64;
        reply.tcp_flags = is_syn ? kTcpSyn | kTcpAck : kTcpAck;
        reply.number.sender = kServerSender;
        reply.number.sequence = ++replies_[packet.number.flow];
        (void)sockets_[server].send(reply);
    }

    // Where an epoch of a flow is served.
    struct Place {
        std::uint32_t epoch = 0;
        std::uint32_t server = 0;
        std::uint32_t removals = 0;  // of that real server, by then
        bool is_known = false;
    };

    TortureTraffic& traffic_;
    Receiver receiver_;
    std::vector<PacketSocket> sockets_;
    std::vector<Place> places_;
    std::vector<std::uint32_t> replies_;
};

TortureTraffic::TortureTraffic(Laboratory& lab)
    : lab_(lab),
      sequences_(kTortureSenders * kFlows),
      sequences_before_(kTortureSenders * kFlows),
      answered_(kFlows),
      reset_(kFlows) {}

TortureTraffic::~TortureTraffic() {
    stop();
}

void TortureTraffic::start() {
    is_listening_ = true;
    is_sending_ = true;
    started_ = SteadyClock::now();
    // Sockets are opened here, where whatever is wrong is told.
    threads_.emplace_back([servers = std::make_shared<Servers>(*this)] { servers->run(); });
    threads_.emplace_back([this,
                           socket = std::make_shared<PacketSocket>(
                               lab_.node("client"), gateway_of_client(lab_.plan()))] {
        Receiver receiver(*this);
        pollfd waiting{.fd = socket->fd(), .events = POLLIN, .revents = 0};
        while (is_listening_) {
            ::poll(&waiting, 1, 20);
            socket->receive([&](const NumberedPacket& packet, const std::string& damage) {
                take_reply(receiver, packet, damage);
            });
        }
    });
    for (std::size_t i = 0; i < kTortureSenders; ++i)
        senders_.emplace_back([sender = std::make_shared<Sender>(*this, i)] { sender->run(); });
}

void TortureTraffic::take_reply(Receiver& receiver,
                                const NumberedPacket& packet,
                                const std::string& damage) {
    if (packet.number.flow >= kFlows) return;
    ++at_client_;
    NumberedPacket expected = request(packet.number.flow);
    std::swap(expected.source, expected.destination);
    expected.ttl = 63;
    // Once the client has opened its next connection, what comes of the last one is nobody's: the
    // director's host forwards it as it is.
    const bool is_late = packet.number.epoch <= reset_[packet.number.flow];
    if (is_late && packet.source.address != expected.source.address) return;
    if (!receiver.check(packet, expected, damage, "client")) return;
    if ((packet.tcp_flags & kTcpSyn) != 0) answered_[packet.number.flow] = packet.number.epoch;
}

void TortureTraffic::note_gone(std::size_t server, std::uint16_t port, net::Family family) {
    for (std::size_t i = 0; i < sequences_.size(); ++i)
        sequences_before_[i] = sequences_[i].load();
    gone_ = which_of(server, port, family);
}

bool TortureTraffic::is_gone(std::size_t server, const NumberedPacket& packet) const {
    const net::Endpoint& service = packet.destination;
    const std::uint64_t which =
        which_of(server, net::number(service.port), service.address.family());
    if (gone_ != which || packet.number.sender >= kTortureSenders) return false;
    const bool is_later = packet.number.sequence >
                          sequences_before_[packet.number.sender * kFlows + packet.number.flow];
    // It may be back, and another one gone, since.
    return is_later && gone_ == which;
}

void TortureTraffic::stop() {
    is_sending_ = false;
    for (std::thread& sender : senders_)
        sender.join();
    senders_.clear();
    if (!threads_.empty()) std::this_thread::sleep_for(300ms);
    is_listening_ = false;
    for (std::thread& thread : threads_)
        thread.join();
    threads_.clear();
}

NumberedPacket TortureTraffic::request(std::uint32_t flow) const {
    const net::Family family = is_ipv6(flow) ? net::Family::Ipv6 : net::Family::Ipv4;
    const Plan& plan = lab_.plan();
    NumberedPacket packet;
    packet.source = {.address = plan.client.of(family),
                     .port = net::Port{static_cast<std::uint16_t>(kFirstPort + flow)}};
    packet.destination = {.address = plan.vip.of(family),
                          .port = net::Port{is_tcp(flow) ? kTortureTcpPort : kTortureUdpPort}};
    packet.protocol = is_tcp(flow) ? net::IpProtocol::Tcp : net::IpProtocol::Udp;
    return packet;
}

void TortureTraffic::complain(const std::string& kind,
                              const NumberedPacket& packet,
                              const std::string& where) {
    const std::scoped_lock lock(problems_gate_);
    auto& [count, example] = problems_[kind];
    if (count++ > 0) return;
    example =
        fmt::format("{}: {} > {}, flags {:#x}, TTL {}, flow {}, epoch {}, sender {}, number {}",
                    where,
                    packet.source.to_string(),
                    packet.destination.to_string(),
                    packet.tcp_flags,
                    packet.ttl,
                    packet.number.flow,
                    packet.number.epoch,
                    packet.number.sender,
                    packet.number.sequence);
}

TortureCounts TortureTraffic::counts() const {
    return {.sent = sent_,
            .at_servers = at_servers_,
            .at_client = at_client_,
            .flows = flows_,
            .rescheduled = rescheduled_};
}

std::string TortureTraffic::problems() const {
    const std::scoped_lock lock(problems_gate_);
    std::string text;
    for (const auto& [kind, seen] : problems_)
        text += fmt::format("{} x {}: {}\n", seen.first, kind, seen.second);
    return text;
}

}  // namespace xvs::lab
