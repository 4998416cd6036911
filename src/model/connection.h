// Connection states by their IPVS numbers, and a connection as a listing shows it.
#pragma once

#include <cstdint>
#include <string>

#include "model/virtual_service.h"
#include "net/address.h"

namespace xvs::model {

// Kernel: IP_VS_TCP_S_*; the numbers go over the wire in sync messages.
enum class TcpState : std::uint8_t {
    None = 0,
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait = 4,
    TimeWait = 5,
    Close = 6,
    CloseWait = 7,
    LastAck = 8,
    Listen = 9,
    SynAck = 10,
    Last = 11,
};

// Kernel: IP_VS_SCTP_S_*.
enum class SctpState : std::uint8_t {
    None = 0,
    Init1 = 1,
    Init = 2,
    CookieSent = 3,
    CookieReplied = 4,
    CookieWait = 5,
    Cookie = 6,
    CookieEchoed = 7,
    Established = 8,
    ShutdownSent = 9,
    ShutdownReceived = 10,
    ShutdownAckSent = 11,
    Rejected = 12,
    Closed = 13,
    Last = 14,
};

// The state of a persistence template once one of its connections was established. Kernel:
// IP_VS_CTPL_S_ASSURED.
inline constexpr std::uint8_t kTemplateAssured = 1;

// Without Last, which no connection is in.
inline constexpr unsigned kTcpStateCount = 11;
inline constexpr unsigned kSctpStateCount = 14;

// Bit of ConnectionInfo::flags: a persistence template. Kernel: IP_VS_CONN_F_TEMPLATE.
inline constexpr std::uint32_t kConnectionTemplate = 0x1000;

struct ConnectionInfo {
    Protocol protocol = Protocol::Tcp;
    net::Endpoint client;
    net::Endpoint virtual_endpoint;
    net::Endpoint real;
    std::uint8_t state = 0;          // of the protocol's own table
    std::uint32_t expires_in_s = 0;  // whole seconds left
    std::uint32_t flags = 0;         // IP_VS_CONN_F_*
    std::string persistence_engine;  // of a template, with what the engine knows it by
    std::string persistence_data;
};

}  // namespace xvs::model
