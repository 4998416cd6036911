// The numbers of the IPVS generic-netlink family (include/uapi/linux/ip_vs.h, genetlink.h) and of
// the few things XVS adds. docs/netlink.md describes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xvs::control::netlink {

// The port xvsd listens on, in the network namespace it serves. The kernel's automatic binding
// never picks a number in -4095..-1.
inline constexpr std::uint32_t kPortId = 0xfffff956;

// Constant, because keepalived asks for it once in its life. The kernel allocates from 16 upwards.
inline constexpr std::uint16_t kFamilyId = 0x3fe;
inline constexpr std::uint16_t kControllerFamilyId = 0x10;  // GENL_ID_CTRL
inline constexpr const char* kFamilyName = "IPVS";
inline constexpr std::uint32_t kFamilyVersion = 1;
inline constexpr std::uint32_t kIpvsVersion = 0x010201;  // 1.2.1

// Replies are cut at what the oldest clients read: one page, less some overhead.
inline constexpr std::size_t kMaxDatagramSize = 3700;

namespace message {
inline constexpr std::uint16_t kNoop = 1;
inline constexpr std::uint16_t kError = 2;
inline constexpr std::uint16_t kDone = 3;
inline constexpr std::uint16_t kFirstFamily = 0x10;  // below are netlink's own

inline constexpr std::uint16_t kFlagRequest = 0x1;
inline constexpr std::uint16_t kFlagMulti = 0x2;
inline constexpr std::uint16_t kFlagAck = 0x4;
inline constexpr std::uint16_t kFlagDump = 0x300;
inline constexpr std::uint16_t kFlagCapped = 0x100;  // of an error: the request is not quoted whole
}  // namespace message

enum class Command : std::uint8_t {
    NewService = 1,
    SetService = 2,
    DeleteService = 3,
    GetService = 4,
    NewDestination = 5,
    SetDestination = 6,
    DeleteDestination = 7,
    GetDestination = 8,
    NewDaemon = 9,
    DeleteDaemon = 10,
    GetDaemon = 11,
    SetConfig = 12,
    GetConfig = 13,
    SetInfo = 14,
    GetInfo = 15,
    Zero = 16,
    Flush = 17,
    // Of XVS alone, far from where the kernel's may grow to.
    NewConnection = 64,  // a reply only
    GetConnection = 65,  // a dump only
    NewSysctl = 80,      // a reply only
    GetSysctl = 81,      // a dump only
    SetSysctl = 82,
    NewMarkRule = 96,  // and a listing's reply
    DeleteMarkRule = 97,
    GetMarkRule = 98,     // a dump only
    NewAccessRule = 112,  // and a listing's reply
    DeleteAccessRule = 113,
    GetAccessRule = 114,  // a dump only
};

namespace controller {
inline constexpr std::uint8_t kNewFamily = 1;
inline constexpr std::uint8_t kGetFamily = 3;
inline constexpr std::uint8_t kVersion = 2;

enum Attribute : std::uint16_t {
    kFamilyIdAttribute = 1,
    kFamilyNameAttribute = 2,
    kVersionAttribute = 3,
    kHeaderSizeAttribute = 4,
    kMaxAttributeAttribute = 5,
    kOperationsAttribute = 6,
};
}  // namespace controller

namespace attribute {

enum Top : std::uint16_t {
    kService = 1,
    kDestination = 2,
    kDaemon = 3,
    kTimeoutTcp = 4,
    kTimeoutTcpFin = 5,
    kTimeoutUdp = 6,
    kConnection = 16,  // of XVS alone
    kSysctl = 20,      // of XVS alone
    kMarkRule = 21,    // its words
    kAccessRule = 22,  // "allow" or "deny" and a prefix; the service stands beside it
};

// The director's own counts are XVS's addition.
enum Info : std::uint16_t {
    kInfoVersion = 1,
    kInfoTableSize = 2,
    kInfoStatistics = 24,
    kInfoStatistics64 = 25,
};

enum Service : std::uint16_t {
    kServiceFamily = 1,
    kServiceProtocol = 2,
    kServiceAddress = 3,
    kServicePort = 4,
    kServiceFwmark = 5,
    kServiceScheduler = 6,
    kServiceFlags = 7,
    kServiceTimeout = 8,
    kServiceNetmask = 9,
    kServiceStatistics = 10,
    kServicePersistenceEngine = 11,
    kServiceStatistics64 = 12,
    kServiceMssClamp = 24,  // of XVS alone
};

enum Destination : std::uint16_t {
    kDestinationAddress = 1,
    kDestinationPort = 2,
    kDestinationMethod = 3,
    kDestinationWeight = 4,
    kDestinationUpperThreshold = 5,
    kDestinationLowerThreshold = 6,
    kDestinationActive = 7,
    kDestinationInactive = 8,
    kDestinationPersistent = 9,
    kDestinationStatistics = 10,
    kDestinationFamily = 11,
    kDestinationStatistics64 = 12,
    kDestinationTunnelType = 13,
    kDestinationTunnelPort = 14,
    kDestinationTunnelFlags = 15,
};

enum Daemon : std::uint16_t {
    kDaemonState = 1,
    kDaemonInterface = 2,
    kDaemonSyncId = 3,
    kDaemonMaxLength = 4,
    kDaemonGroup = 5,
    kDaemonGroup6 = 6,
    kDaemonPort = 7,
    kDaemonTtl = 8,
};

enum Statistics : std::uint16_t {
    kConnections = 1,
    kPacketsIn = 2,
    kPacketsOut = 3,
    kBytesIn = 4,
    kBytesOut = 5,
    kConnectionRate = 6,
    kPacketsInRate = 7,
    kPacketsOutRate = 8,
    kBytesInRate = 9,
    kBytesOutRate = 10,
};

enum Connection : std::uint16_t {
    kConnectionFamily = 1,
    kConnectionProtocol = 2,
    kConnectionClientAddress = 3,
    kConnectionClientPort = 4,
    kConnectionVirtualAddress = 5,
    kConnectionVirtualPort = 6,
    kConnectionRealFamily = 7,
    kConnectionRealAddress = 8,
    kConnectionRealPort = 9,
    kConnectionState = 10,
    kConnectionExpires = 11,
    kConnectionFlags = 12,
    kConnectionPersistenceEngine = 13,
    kConnectionPersistenceData = 14,
};

enum Sysctl : std::uint16_t { kSysctlName = 1, kSysctlText = 2 };

}  // namespace attribute

}  // namespace xvs::control::netlink
