#include "model/names.h"

#include <array>

#include <fmt/format.h>

namespace xvs::model {

std::string ServiceKey::to_string() const {
    if (fwmark != 0) return fmt::format("FWM {}", fwmark);
    return fmt::format("{} {}",
                       protocol_name(protocol),
                       net::Endpoint{.address = address, .port = port}.to_string());
}

std::string_view protocol_name(Protocol protocol) noexcept {
    switch (protocol) {
        case Protocol::Ip:
            return "IP";
        case Protocol::Tcp:
            return "TCP";
        case Protocol::Udp:
            return "UDP";
        case Protocol::Sctp:
            return "SCTP";
    }
    return "IP";
}

std::string_view state_name(Protocol protocol, std::uint8_t state) noexcept {
    static constexpr std::array<std::string_view, 12> kTcp{"NONE",
                                                           "ESTABLISHED",
                                                           "SYN_SENT",
                                                           "SYN_RECV",
                                                           "FIN_WAIT",
                                                           "TIME_WAIT",
                                                           "CLOSE",
                                                           "CLOSE_WAIT",
                                                           "LAST_ACK",
                                                           "LISTEN",
                                                           "SYNACK",
                                                           "BUG!"};
    static constexpr std::array<std::string_view, 15> kSctp{"NONE",
                                                            "INIT1",
                                                            "INIT",
                                                            "C-SENT",
                                                            "C-REPLIED",
                                                            "C-WAIT",
                                                            "COOKIE",
                                                            "C-ECHOED",
                                                            "ESTABLISHED",
                                                            "S-SENT",
                                                            "S-RECEIVED",
                                                            "S-ACK-SENT",
                                                            "REJECTED",
                                                            "CLOSED",
                                                            "BUG!"};
    if (protocol == Protocol::Udp) return "UDP";
    if (protocol == Protocol::Tcp) return state < kTcp.size() ? kTcp[state] : "ERR!";
    if (protocol == Protocol::Sctp) return state < kSctp.size() ? kSctp[state] : "ERR!";
    return "NONE";
}

std::string_view state_name(const ConnectionInfo& connection) noexcept {
    if ((connection.flags & kConnectionTemplate) == 0)
        return state_name(connection.protocol, connection.state);
    return connection.state == kTemplateAssured ? "ASSURED" : "NONE";
}

std::string_view method_name(ForwardingMethod method) noexcept {
    switch (method) {
        case ForwardingMethod::Masquerade:
            return "Masq";
        case ForwardingMethod::LocalNode:
            return "Local";
        case ForwardingMethod::Tunnel:
            return "Tunnel";
        case ForwardingMethod::DirectRoute:
            return "Route";
        case ForwardingMethod::Bypass:
            return "Bypass";
        case ForwardingMethod::FullNat:
            return "FullNat";
    }
    return "Masq";
}

}  // namespace xvs::model
