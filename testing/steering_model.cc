#include "testing/steering_model.h"

#include <algorithm>
#include <cstring>

#include "flow/key.h"
#include "net/icmp.h"
#include "net/icmpv6.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/ports.h"

namespace xvs::test {
namespace {

using net::IpProtocol;

// What a packet is decided by.
struct Tuple {
    IpProtocol protocol = IpProtocol::NoNextHeader;
    net::Endpoint source;
    net::Endpoint destination;

    [[nodiscard]] Tuple reversed() const {
        return {.protocol = protocol, .source = destination, .destination = source};
    }
};

enum class Shape : std::uint8_t { Other, Whole, Fragment, Error, ErrorWithoutPorts };

struct Parsed {
    Shape shape = Shape::Other;
    Tuple tuple;
    Tuple quoted;
};

bool has_ports(IpProtocol protocol) {
    return protocol == IpProtocol::Tcp || protocol == IpProtocol::Udp ||
           protocol == IpProtocol::Sctp;
}

Parsed parse(std::span<const std::byte> packet, bool is_quoted);

// `payload` starts with the transport header.
void parse_transport(Parsed& parsed, std::span<const std::byte> payload, bool is_quoted) {
    const bool is_v6 = parsed.tuple.source.address.family() == net::Family::Ipv6;
    if (has_ports(parsed.tuple.protocol)) {
        const auto ports = net::PortsView::parse(payload);
        if (!ports) return;
        parsed.tuple.source.port = ports->source_port();
        parsed.tuple.destination.port = ports->destination_port();
        parsed.shape = Shape::Whole;
        return;
    }
    if (is_quoted || parsed.tuple.protocol != (is_v6 ? IpProtocol::Icmpv6 : IpProtocol::Icmp))
        return;
    const auto message = net::IcmpView::parse(payload);
    if (!message) return;
    const bool is_error = is_v6 ? net::icmpv6::is_related_error(message->type())
                                : net::icmp::is_related_error(message->type());
    if (!is_error) return;
    const Parsed inside = parse(message->payload(), true);
    if (inside.shape == Shape::Fragment) return;
    parsed.quoted = inside.tuple;
    parsed.shape = inside.shape == Shape::Whole ? Shape::Error : Shape::ErrorWithoutPorts;
}

Parsed parse(std::span<const std::byte> packet, bool is_quoted) {
    Parsed parsed;
    if (const auto v4 = net::Ipv4View::parse_quoted(packet)) {
        parsed.tuple.protocol = v4->protocol();
        parsed.tuple.source.address = v4->source();
        parsed.tuple.destination.address = v4->destination();
        if (v4->is_fragment()) {
            parsed.shape = Shape::Fragment;
        } else {
            parse_transport(parsed, v4->payload(), is_quoted);
        }
    } else if (const auto v6 = net::Ipv6View::parse_quoted(packet)) {
        const auto transport = net::find_ipv6_transport(*v6);
        if (!transport) return parsed;
        parsed.tuple.protocol = transport->protocol;
        parsed.tuple.source.address = v6->source();
        parsed.tuple.destination.address = v6->destination();
        const auto& fragment = transport->fragment;
        if (fragment && (fragment->more_fragments || !fragment->is_first())) {
            parsed.shape = Shape::Fragment;
        } else {
            parse_transport(parsed, v6->bytes().subspan(transport->transport_offset), is_quoted);
        }
    }
    return parsed;
}

class Judge {
public:
    explicit Judge(Director& director) : director_(director) {}

    [[nodiscard]] std::optional<Judgement> ingress(const Parsed& parsed) const {
        const bool is_to_host = is_local(parsed.tuple.destination);
        switch (parsed.shape) {
            case Shape::Whole:
                if (const auto owner = owner_of_flow(parsed.tuple))
                    return Judgement{XVS_REASON_FLOW, *owner};
                if (const auto owner = owner_of_awaited(parsed.tuple); owner && is_to_host)
                    return Judgement{XVS_REASON_FLOW, *owner};
                if (is_to_host && is_service(parsed.tuple))
                    return Judgement{XVS_REASON_SERVICE, worker_of(parsed.tuple.source)};
                if (!is_to_host && is_nat_source(parsed.tuple))
                    return Judgement{XVS_REASON_REPLY, worker_of(parsed.tuple.destination)};
                if (is_marked(parsed.tuple))
                    return Judgement{XVS_REASON_SERVICE, worker_of(parsed.tuple.source)};
                return std::nullopt;
            case Shape::Fragment:
                if (is_known(is_to_host ? parsed.tuple.destination : parsed.tuple.source) ||
                    is_marked_fragment(parsed.tuple))
                    return Judgement{XVS_REASON_FRAGMENT,
                                     worker_of({parsed.tuple.source.address, net::Port{0}})};
                return std::nullopt;
            case Shape::Error:
                if (is_to_host && may_be_tunnelled(parsed.quoted)) return tunnelled(parsed.quoted);
                return ingress_error(parsed.quoted.reversed(), is_to_host);
            case Shape::ErrorWithoutPorts:
                if (is_to_host && may_be_tunnelled(parsed.quoted)) return tunnelled(parsed.quoted);
                break;
            case Shape::Other:
                break;
        }
        return std::nullopt;
    }

    [[nodiscard]] std::optional<Judgement> egress(const Parsed& parsed) const {
        if (!is_local(parsed.tuple.source)) return std::nullopt;
        const auto ours = [this](bool is_ours, const net::Endpoint& client) {
            return is_ours ? std::optional(Judgement{XVS_REASON_EGRESS, worker_of(client)})
                           : std::nullopt;
        };
        switch (parsed.shape) {
            case Shape::Whole:
                if (const auto owner = owner_of_flow(parsed.tuple))
                    return Judgement{XVS_REASON_EGRESS, *owner};
                return ours(is_nat_source(parsed.tuple), parsed.tuple.destination);
            case Shape::Fragment:
                return ours(is_known(parsed.tuple.source),
                            {parsed.tuple.source.address, net::Port{0}});
            case Shape::Error:
                return ours(is_nat_source(parsed.quoted.reversed()), parsed.quoted.source);
            case Shape::ErrorWithoutPorts:
            case Shape::Other:
                break;
        }
        return std::nullopt;
    }

private:
    // `original` is the packet that the error answers, turned round.
    [[nodiscard]] std::optional<Judgement> ingress_error(const Tuple& original,
                                                         bool is_to_host) const {
        if (const auto owner = owner_of_flow(original)) return Judgement{XVS_REASON_ICMP, *owner};
        if (is_local(original.destination) && is_service(original))
            return Judgement{XVS_REASON_ICMP, worker_of(original.source)};
        if (!is_to_host && is_nat_source(original))
            return Judgement{XVS_REASON_ICMP, worker_of(original.destination)};
        return std::nullopt;
    }

    [[nodiscard]] bool may_be_tunnelled(const Tuple& quoted) const {
        const IpProtocol protocol = quoted.protocol;
        return (protocol == IpProtocol::Ipv4 || protocol == IpProtocol::Ipv6 ||
                protocol == IpProtocol::Gre || protocol == IpProtocol::Udp) &&
               is_known(quoted.destination);
    }

    [[nodiscard]] Judgement tunnelled(const Tuple& quoted) const {
        return {XVS_REASON_ICMP, worker_of(quoted.destination)};
    }

    [[nodiscard]] std::uint8_t worker_of(const net::Endpoint& client) const {
        return director_.worker_of(client);
    }

    [[nodiscard]] bool is_local(const net::Endpoint& endpoint) const {
        return director_.router.is_local(endpoint.address);
    }

    [[nodiscard]] bool is_known(const net::Endpoint& endpoint) const {
        return director_.steering.addresses.contains(endpoint.address);
    }

    [[nodiscard]] bool is_service(const Tuple& tuple) const {
        constexpr net::Port kFtpPort{21};
        constexpr net::Port kFtpDataPort{20};
        constexpr std::uint16_t kFirstUnprivilegedPort = 1024;
        const net::Port port = tuple.destination.port;
        const bool may_be_ftp_data =
            tuple.protocol == IpProtocol::Tcp &&
            (port == kFtpDataPort || net::number(port) >= kFirstUnprivilegedPort);
        return is_service_at(tuple, port) || is_service_at(tuple, net::Port{0}) ||
               (may_be_ftp_data && is_service_at(tuple, kFtpPort));
    }

    // By its addresses alone, and by its protocol where that is known.
    [[nodiscard]] bool is_marked_fragment(const Tuple& tuple) const {
        if (tuple.protocol == IpProtocol::Icmp || tuple.protocol == IpProtocol::Icmpv6)
            return false;
        xvs_mark_subject subject{};
        subject.is_portless = 1;
        Tuple known = tuple;
        if (!has_ports(tuple.protocol)) known.protocol = IpProtocol{0};
        return is_marked(known, subject);
    }

    [[nodiscard]] bool is_marked(const Tuple& tuple) const { return is_marked(tuple, {}); }

    // Rules for an interface are not modelled: which one a packet came by is not known here.
    [[nodiscard]] bool is_marked(const Tuple& tuple, xvs_mark_subject subject) const {
        subject.family = static_cast<std::uint8_t>(tuple.source.address.family());
        subject.protocol = net::number(tuple.protocol);
        subject.source_port = net::number(tuple.source.port);
        subject.destination_port = net::number(tuple.destination.port);
        std::memcpy(subject.source, tuple.source.address.bytes().data(), sizeof(subject.source));
        std::memcpy(subject.destination,
                    tuple.destination.address.bytes().data(),
                    sizeof(subject.destination));
        const auto& rules = director_.steering.mark_rules;
        return std::any_of(rules.begin(), rules.end(), [&](const xvs_mark_rule& rule) {
            return xvs_mark_rule_fits(&rule, &subject) != 0;
        });
    }

    [[nodiscard]] bool is_service_at(const Tuple& tuple, net::Port port) const {
        return director_.steering.services.contains(
            {.protocol = model::Protocol{net::number(tuple.protocol)},
             .address = tuple.destination.address,
             .port = port});
    }

    [[nodiscard]] bool is_nat_source(const Tuple& tuple) const {
        return director_.steering.nat_sources.contains(
            {model::Protocol{net::number(tuple.protocol)}, tuple.source});
    }

    template <class Ip>
    [[nodiscard]] std::optional<std::uint8_t> find_owner(const Tuple& tuple) const {
        using Address = typename Ip::Address;
        const auto& flows = director_.tables->flows<Ip>();
        const auto key = flow::FlowKey<Ip>::make(tuple.source.address.as<Address>(),
                                                 tuple.source.port,
                                                 tuple.destination.address.as<Address>(),
                                                 tuple.destination.port,
                                                 net::number(tuple.protocol));
        const flow::SlotIndex slot = flows.find(key, flows.hash(key));
        return slot == XVS_NONE ? std::nullopt : std::optional(flows.owner(slot));
    }

    [[nodiscard]] std::optional<std::uint8_t> owner_of_flow(const Tuple& tuple) const {
        return tuple.source.address.family() == net::Family::Ipv4 ? find_owner<flow::Ipv4>(tuple)
                                                                  : find_owner<flow::Ipv6>(tuple);
    }

    // A client that is awaited from any port.
    [[nodiscard]] std::optional<std::uint8_t> owner_of_awaited(Tuple tuple) const {
        if (!director_.steering.awaits_clients || tuple.protocol != IpProtocol::Tcp)
            return std::nullopt;
        tuple.source.port = net::Port{0};
        return owner_of_flow(tuple);
    }

    Director& director_;
};

}  // namespace

std::optional<Judgement> judge_ingress(Director& director, std::span<const std::byte> packet) {
    return Judge(director).ingress(parse(packet, false));
}

std::optional<Judgement> judge_egress(Director& director, std::span<const std::byte> packet) {
    return Judge(director).egress(parse(packet, false));
}

}  // namespace xvs::test
