#include "control/proc_text.h"

#include <gtest/gtest.h>

namespace xvs::control {
namespace {

// All that is expected here was printed by Linux 6.1 for the same services and connections.

model::VirtualService service(std::string_view endpoint, std::string_view scheduler) {
    const auto parsed = *net::Endpoint::parse(endpoint);
    model::VirtualService result;
    result.key.address = parsed.address;
    result.key.port = parsed.port;
    result.scheduler = scheduler;
    if (parsed.address.family() == net::Family::Ipv6) result.persistence_mask = 128;
    return result;
}

void make_persistent(model::VirtualService& service, std::uint32_t seconds, std::uint32_t mask) {
    service.flags |= model::kServicePersistent;
    service.persistence_timeout_s = seconds;
    service.persistence_mask = mask;
}

DestinationStatus server(std::string_view endpoint,
                         model::ForwardingMethod method,
                         std::int32_t weight,
                         std::uint32_t active) {
    DestinationStatus status;
    status.destination.real = *net::Endpoint::parse(endpoint);
    status.destination.method = method;
    status.destination.weight = weight;
    status.active_connections = active;
    return status;
}

model::ConnectionInfo connection(std::string_view client,
                                 std::string_view virtual_endpoint,
                                 std::string_view real,
                                 std::uint8_t state,
                                 std::uint32_t expires_in_s) {
    model::ConnectionInfo result;
    result.client = *net::Endpoint::parse(client);
    result.virtual_endpoint = *net::Endpoint::parse(virtual_endpoint);
    result.real = *net::Endpoint::parse(real);
    result.state = state;
    result.expires_in_s = expires_in_s;
    return result;
}

TEST(ProcText, ListsServicesAsTheKernelDoes) {
    auto web = service("192.0.2.1:80", "wrr");
    make_persistent(web, 300, 0xffffff00);
    auto names = service("192.0.2.1:53", "rr");
    names.key.protocol = model::Protocol::Udp;
    names.flags = model::kServiceOnePacket;
    auto six = service("[2001:db8::1]:443", "lc");
    make_persistent(six, 60, 64);
    auto marked = service("0.0.0.0:0", "mh");
    marked.key.fwmark = 7;
    make_persistent(marked, 360, 0xffffffff);
    auto plain_mark = service("0.0.0.0:0", "sh");
    plain_mark.key.fwmark = 8;
    using enum model::ForwardingMethod;
    EXPECT_EQ(proc_heading(0x010201, 4096) + proc_service(names, {}) +
                  proc_service(six, {server("[2001:db8::11]:8443", Masquerade, 1, 1)}) +
                  proc_service(web,
                               {server("10.0.0.12:80", Tunnel, 1, 2),
                                server("10.0.0.11:8080", Masquerade, 2, 0)}) +
                  proc_service(marked, {server("10.0.0.13:0", DirectRoute, 0, 0)}) +
                  proc_service(plain_mark, {}),
              "IP Virtual Server version 1.2.1 (size=4096)\n"
              "Prot LocalAddress:Port Scheduler Flags\n"
              "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
              "UDP  C0000201:0035 rr ops  \n"
              "TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:01BB lc persistent 6000 40000000\n"
              "  -> [2001:0db8:0000:0000:0000:0000:0000:0011]:20FB      Masq    1      1          "
              "0         \n"
              "TCP  C0000201:0050 wrr  persistent 30000 FFFFFF00\n"
              "  -> 0A00000C:0050      Tunnel  1      2          0         \n"
              "  -> 0A00000B:1F90      Masq    2      0          0         \n"
              "FWM  00000007 mh persistent 36000 FFFFFFFF\n"
              "  -> 0A00000D:0000      Route   0      0          0         \n"
              "FWM  00000008 sh \n");
}

TEST(ProcText, CountsAsTheKernelDoes) {
    const model::Statistics total{.counters = {.connections = 3,
                                               .packets_in = 4,
                                               .packets_out = 2,
                                               .bytes_in = 0x118,
                                               .bytes_out = 0xb0},
                                  .rates = {.bytes_in = 0x23, .bytes_out = 0x16}};
    EXPECT_EQ(proc_statistics(total),
              "   Total Incoming Outgoing         Incoming         Outgoing\n"
              "   Conns  Packets  Packets            Bytes            Bytes\n"
              "       3        4        2              118               B0\n"
              "\n"
              " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
              "       0        0        0               23               16\n");
    EXPECT_EQ(proc_statistics_by_cpu(total),
              "       Total Incoming Outgoing         Incoming         Outgoing\n"
              "CPU    Conns  Packets  Packets            Bytes            Bytes\n"
              "  0        3        4        2              118               B0\n"
              "  ~        3        4        2              118               B0\n"
              "\n"
              "     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
              "           0        0        0               23               16\n");
}

TEST(ProcText, ListsConnectionsAsTheKernelDoes) {
    const auto syn = connection("192.0.2.1:38366", "192.0.2.1:80", "10.0.0.12:80", 3, 56);
    const auto six =
        connection("[2001:db8::1]:39352", "[2001:db8::1]:443", "[2001:db8::11]:8443", 3, 57);
    auto held = connection("192.0.2.0:0", "192.0.2.1:80", "10.0.0.12:80", 0, 296);
    held.flags = model::kConnectionTemplate;
    EXPECT_EQ(
        proc_connections_heading() + proc_connection(syn) + proc_connection(six) +
            proc_connection(held),
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
        "TCP C0000201 95DE C0000201 0050 0A00000C 0050 SYN_RECV         56\n"
        "TCP 2001:0db8:0000:0000:0000:0000:0000:0001 99B8 2001:0db8:0000:0000:0000:0000:0000:0001 "
        "01BB 2001:0db8:0000:0000:0000:0000:0000:0011 20FB SYN_RECV         57\n"
        "TCP C0000200 0000 C0000201 0050 0A00000C 0050 NONE            296\n");
    EXPECT_EQ(proc_synced_heading() + proc_synced(syn) + proc_synced(held),
              "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n"
              "TCP C0000201 95DE C0000201 0050 0A00000C 0050 SYN_RECV    LOCAL       56\n"
              "TCP C0000200 0000 C0000201 0050 0A00000C 0050 NONE        LOCAL      296\n");
}

}  // namespace
}  // namespace xvs::control
