#include "testing/netlink_requests.h"

#include <array>
#include <cstring>
#include <string>

#include "control/netlink/codec.h"
#include "model/sysctls.h"

namespace xvs::test {

using control::netlink::Attributes;
using control::netlink::Buffer;
using control::netlink::Bytes;
using control::netlink::Command;
using control::netlink::GenericView;
using control::netlink::MessageView;
using control::netlink::MessageWriter;
namespace attribute = control::netlink::attribute;
namespace message = control::netlink::message;

namespace {

// Edits more often than questions; what is not in the list is drawn by its number now and then.
constexpr std::array kCommands{Command::NewService,
                               Command::NewService,
                               Command::NewService,
                               Command::SetService,
                               Command::DeleteService,
                               Command::NewDestination,
                               Command::NewDestination,
                               Command::NewDestination,
                               Command::NewDestination,
                               Command::SetDestination,
                               Command::DeleteDestination,
                               Command::GetService,
                               Command::GetDestination,
                               Command::Zero};
// Without lblc, lblcr and mh, whose large tables would hide what else grows.
constexpr std::array kSchedulers{
    "rr", "wrr", "lc", "wlc", "dh", "sh", "sed", "nq", "fo", "ovf", "twos"};

// Of a datagram's length field: past its end, before its own header, or as it was.
constexpr std::array<std::uint32_t, 4> kLengths{0, 15, 17, 0xffffffff};

constexpr std::uint32_t kMarksEach = 8;

bool is_about_a_service(Command command) {
    switch (command) {
        case Command::NewService:
        case Command::SetService:
        case Command::DeleteService:
        case Command::NewDestination:
        case Command::SetDestination:
        case Command::DeleteDestination:
            return true;
        default:
            return false;
    }
}

bool is_question(Command command) {
    switch (command) {
        case Command::GetService:
        case Command::GetDestination:
        case Command::GetDaemon:
        case Command::GetConfig:
        case Command::GetInfo:
        case Command::GetConnection:
        case Command::GetSysctl:
        case Command::GetMarkRule:
            return true;
        default:
            return false;
    }
}

}  // namespace

Buffer NetlinkRequests::next(std::uint32_t sequence) {
    Buffer request = well_formed(sequence);
    if (below(4) == 0) damage(request);
    return request;
}

model::ServiceKey NetlinkRequests::service_key() {
    model::ServiceKey key;
    const unsigned number = below(4);
    if (below(3) == 0) {
        std::array<std::byte, 16> bytes{
            std::byte{0x20}, std::byte{1}, std::byte{0x0d}, std::byte{0xb8}};
        bytes[14] = static_cast<std::byte>(owner_);
        bytes[15] = static_cast<std::byte>(number);
        key.address = net::Ipv6Address(bytes);
    } else {
        key.address = net::Ipv4Address(0xc0000000U + 256U * owner_ + number);
    }
    if (below(8) == 0) {
        key.fwmark = owner_ * kMarksEach + number;
        return key;
    }
    constexpr std::array kProtocols{
        model::Protocol::Tcp, model::Protocol::Udp, model::Protocol::Sctp};
    key.protocol = kProtocols[below(kProtocols.size())];
    key.port = net::Port{static_cast<std::uint16_t>(below(8) == 0 ? 0 : 80)};
    return key;
}

// As ServiceKey, but of what any client may have made of a request.
bool NetlinkRequests::owns(const model::ServiceKey& key) const {
    if (key.fwmark != 0) return key.fwmark / kMarksEach == owner_;
    const std::string owner4 = "192.0." + std::to_string(owner_) + ".";
    if (key.family() == net::Family::Ipv4) return key.address.to_string().rfind(owner4, 0) == 0;
    const auto bytes = key.address.bytes();
    return bytes[0] == std::byte{0x20} && bytes[14] == static_cast<std::byte>(owner_);
}

bool NetlinkRequests::concerns_owner_alone(Bytes bytes) const {
    const auto view = MessageView::take(bytes);
    if (!view || !view->header.has(message::kFlagRequest)) return true;
    if (view->header.type != control::netlink::kFamilyId) return true;
    const auto generic = GenericView::parse(view->body);
    if (!generic) return true;
    const auto command = static_cast<Command>(generic->command);
    if (is_question(command)) return true;
    const Attributes top(generic->attributes);
    if (command == Command::Zero && !top.has(attribute::kService)) return true;
    if (!is_about_a_service(command) && command != Command::Zero) return false;
    const auto key = control::netlink::read_service_key(top.bytes(attribute::kService));
    return !key || owns(*key);
}

model::VirtualService NetlinkRequests::service() {
    model::VirtualService service;
    service.key = service_key();
    service.scheduler = kSchedulers[below(kSchedulers.size())];
    service.persistence_mask = service.key.family() == net::Family::Ipv4 ? 0xffffff00U : 64U;
    if (below(3) == 0) {
        service.flags |= model::kServicePersistent;
        service.persistence_timeout_s = 1 + below(200);
    }
    if (below(5) == 0) service.flags |= model::kServiceOnePacket;
    if (below(5) == 0) service.flags |= model::kServiceScheduler1;
    return service;
}

void NetlinkRequests::put_service(MessageWriter& writer) {
    control::netlink::write_service(writer, service());
}

void NetlinkRequests::put_destination(MessageWriter& writer, net::Family family) {
    model::Destination destination;
    if (below(16) == 0)
        family = family == net::Family::Ipv4 ? net::Family::Ipv6 : net::Family::Ipv4;
    const unsigned number = 1 + below(6);
    destination.real.port = net::Port{static_cast<std::uint16_t>(below(8) == 0 ? 0 : 8080)};
    destination.real.address = net::Ipv4Address(0x0a000000U + 256U * owner_ + number);
    if (family == net::Family::Ipv6) {
        const std::string text =
            "2001:db8:2::" + std::to_string(owner_) + ":" + std::to_string(number);
        destination.real.address = *net::IpAddress::parse(text);
    }
    constexpr std::array kMethods{model::ForwardingMethod::Masquerade,
                                  model::ForwardingMethod::DirectRoute,
                                  model::ForwardingMethod::Tunnel};
    destination.method = kMethods[below(kMethods.size())];
    destination.weight = static_cast<std::int32_t>(below(100)) - (below(16) == 0 ? 200 : 0);
    destination.upper_threshold = below(4) == 0 ? below(50) : 0;
    destination.lower_threshold = below(8) == 0 ? below(50) : 0;
    if (destination.method == model::ForwardingMethod::Tunnel) {
        destination.tunnel.type = static_cast<model::TunnelType>(below(3));
        if (below(4) != 0) destination.tunnel.port = net::Port{6080};
        destination.tunnel.flags = static_cast<std::uint16_t>(below(2));
    }
    control::netlink::write_destination(writer, destination);
}

void NetlinkRequests::put_arguments(MessageWriter& writer, unsigned command) {
    switch (static_cast<Command>(command)) {
        case Command::NewService:
        case Command::SetService:
            return put_service(writer);
        case Command::NewDestination:
        case Command::SetDestination:
        case Command::DeleteDestination: {
            const model::ServiceKey key = service_key();
            control::netlink::write_service_key(writer, key);
            return put_destination(writer, key.family());
        }
        case Command::DeleteService:
        case Command::GetService:
        case Command::GetDestination:
        case Command::Zero: {
            control::netlink::write_service_key(writer, service_key());
            return;
        }
        case Command::SetConfig:
            for (const std::uint16_t number :
                 {attribute::kTimeoutTcp, attribute::kTimeoutTcpFin, attribute::kTimeoutUdp})
                writer.put_u32(number, below(100));
            return;
        case Command::SetSysctl: {
            const auto all = model::list_sysctls({});
            const auto nest = writer.begin_nest(attribute::kSysctl);
            writer.put_string(attribute::kSysctlName,
                              all[below(static_cast<unsigned>(all.size()))].name);
            writer.put_string(attribute::kSysctlText, std::to_string(below(5)));
            writer.end_nest(nest);
            return;
        }
        case Command::NewMarkRule:
        case Command::DeleteMarkRule:
            return writer.put_string(attribute::kMarkRule,
                                     std::to_string(owner_ * kMarksEach + below(4)) +
                                         " --proto tcp --dport 80-" +
                                         std::to_string(80 + below(4)));
        default:
            return;
    }
}

Buffer NetlinkRequests::well_formed(std::uint32_t sequence) {
    const unsigned command =
        below(8) != 0
            ? static_cast<unsigned>(kCommands[below(static_cast<unsigned>(kCommands.size()))])
            : below(100);
    std::uint16_t flags = message::kFlagRequest | message::kFlagAck;
    const bool lists = is_question(static_cast<Command>(command)) &&
                       static_cast<Command>(command) != Command::GetInfo && below(2) == 0;
    if (lists) flags |= message::kFlagDump;
    Buffer bytes;
    MessageWriter writer(bytes);
    writer.begin({.length = 0,
                  .type = control::netlink::kFamilyId,
                  .flags = flags,
                  .sequence = sequence,
                  .port = 0});
    writer.put_generic_header(static_cast<std::uint8_t>(command), control::netlink::kFamilyVersion);
    put_arguments(writer, command);
    writer.end();
    return bytes;
}

// Bytes changed, the end cut off, a length that lies, an attribute's length that does, or more
// behind the end.
void NetlinkRequests::damage(Buffer& bytes) {
    const auto place = [&](std::size_t from) {
        return from + (draw_() * 256U + draw_()) % (bytes.size() - from);
    };
    switch (below(6)) {
        case 0:
            bytes.resize(below(static_cast<unsigned>(bytes.size()) + 1));
            return;
        case 1: {
            const std::uint32_t length = kLengths[below(kLengths.size())];
            std::memcpy(bytes.data(), &length, sizeof(length));
            return;
        }
        case 2: {
            // The flags, the type or the sequence number too.
            bytes[place(4)] = static_cast<std::byte>(draw_());
            return;
        }
        case 3: {
            const unsigned more = draw_();
            for (unsigned i = 0; i < more; ++i)
                bytes.push_back(static_cast<std::byte>(draw_()));
            const auto length = static_cast<std::uint32_t>(bytes.size());
            std::memcpy(bytes.data(), &length, sizeof(length));
            return;
        }
        default:
            for (unsigned i = 1 + below(4); i > 0; --i)
                if (bytes.size() > 20) bytes[place(20)] = static_cast<std::byte>(draw_());
            return;
    }
}

}  // namespace xvs::test
