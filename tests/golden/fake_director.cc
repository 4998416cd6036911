// fake_director: serves the IPVS netlink protocol over a director without a packet path, until it
// gets SIGTERM or its parent ends. Prints one line when it is ready. With --traffic it has
// services, connections and counts from the start.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string_view>

#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <poll.h>

#include "control/netlink/server.h"
#include "testing/fake_service_manager.h"

namespace {

int poll_timeout_ms(const xvs::control::netlink::Server& server, const xvs::Clock& clock) {
    const auto deadline = server.next_deadline();
    if (!deadline) return -1;
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(*deadline - clock.now());
    return static_cast<int>(std::max(milliseconds(0), left).count());
}

xvs::model::ServiceKey add_service(xvs::testing::FakeServiceManager& services,
                                   xvs::model::Protocol protocol,
                                   std::string_view endpoint) {
    const auto parsed = *xvs::net::Endpoint::parse(endpoint);
    xvs::model::VirtualService service;
    service.key = {.protocol = protocol, .address = parsed.address, .port = parsed.port};
    if (parsed.address.family() == xvs::net::Family::Ipv6) service.persistence_mask = 128;
    static_cast<void>(services.add_service(service));
    return service.key;
}

// Numbers of every length, so that each unit of the listings is met.
void add_server(xvs::testing::FakeServiceManager& services,
                const xvs::model::ServiceKey& key,
                std::string_view endpoint,
                std::uint64_t scale) {
    xvs::model::Destination destination;
    destination.real = *xvs::net::Endpoint::parse(endpoint);
    destination.method = xvs::model::ForwardingMethod::Masquerade;
    static_cast<void>(services.add_destination(key, destination));
    auto& status = services.status(key, destination.real);
    status.active_connections = static_cast<std::uint32_t>(scale % 1000003);
    status.inactive_connections = static_cast<std::uint32_t>(scale % 100003);
    status.persistent_connections = static_cast<std::uint32_t>(scale % 1003);
    status.statistics.counters = {.connections = scale % 4294967291U,
                                  .packets_in = scale % 999999937U,
                                  .packets_out = scale % 99999989U,
                                  .bytes_in = scale,
                                  .bytes_out = scale * 1000};
    status.statistics.rates = {.connections = scale % 101,
                               .packets_in = scale % 100000007U,
                               .packets_out = scale % 4294967291U,
                               .bytes_in = scale % 1000000007U,
                               .bytes_out = scale % 3000000019U};
    services.statistics(key) = status.statistics;
}

void add_connection(xvs::testing::FakeServiceManager& services,
                    xvs::model::Protocol protocol,
                    std::string_view client,
                    std::string_view virtual_endpoint,
                    std::string_view real,
                    std::uint8_t state,
                    std::uint32_t expires_in_s) {
    xvs::model::ConnectionInfo connection;
    connection.protocol = protocol;
    connection.client = *xvs::net::Endpoint::parse(client);
    connection.virtual_endpoint = *xvs::net::Endpoint::parse(virtual_endpoint);
    connection.real = *xvs::net::Endpoint::parse(real);
    connection.state = state;
    connection.expires_in_s = expires_in_s;
    if (expires_in_s > 3600) {
        connection.persistence_engine = "sip";
        connection.persistence_data = "a84b4c76e66710";
    }
    services.connections.push_back(connection);
}

void add_traffic(xvs::testing::FakeServiceManager& services) {
    using enum xvs::model::Protocol;
    const auto web = add_service(services, Tcp, "192.0.2.1:80");
    add_server(services, web, "10.0.0.11:8080", 99999999);
    add_server(services, web, "10.0.0.12:8080", 100000000);
    const auto names = add_service(services, Udp, "192.0.2.1:53");
    add_server(services, names, "10.0.0.21:53", 12345678901);
    const auto six = add_service(services, Tcp, "[2001:db8::1]:443");
    add_server(services, six, "[2001:db8:ffff:ffff:ffff:ffff:ffff:11]:443", 1234567890123456);
    add_connection(services, Tcp, "198.51.100.7:40001", "192.0.2.1:80", "10.0.0.11:8080", 1, 899);
    add_connection(services, Tcp, "198.51.100.8:40002", "192.0.2.1:80", "10.0.0.12:8080", 5, 59);
    add_connection(services, Tcp, "198.51.100.9:0", "192.0.2.1:80", "10.0.0.12:8080", 0, 360);
    add_connection(services, Udp, "198.51.100.7:53", "192.0.2.1:53", "10.0.0.21:53", 0, 7);
    add_connection(services, Udp, "198.51.100.7:5060", "192.0.2.1:53", "10.0.0.21:53", 0, 6000);
    add_connection(services,
                   Tcp,
                   "[2001:db8::7]:40001",
                   "[2001:db8::1]:443",
                   "[2001:db8:ffff:ffff:ffff:ffff:ffff:11]:443",
                   3,
                   60);
}

}  // namespace

int main(int argc, char** argv) {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    xvs::MonotonicClock clock;
    xvs::testing::FakeServiceManager services;
    if (argc > 1 && std::string_view(argv[1]) == "--traffic") add_traffic(services);
    xvs::control::SyncDaemons daemons;
    xvs::control::netlink::RequestHandler handler(services, daemons);
    auto server = xvs::control::netlink::Server::open(handler, clock);
    if (!server) {
        std::fprintf(stderr, "fake_director: %s\n", server.error().context.c_str());
        return 1;
    }
    std::puts("ready");
    std::fflush(stdout);
    while (true) {
        pollfd waiting[] = {{.fd = (*server)->fd(), .events = POLLIN, .revents = 0},
                            {.fd = signals, .events = POLLIN, .revents = 0}};
        ::poll(waiting, 2, poll_timeout_ms(**server, clock));
        if (waiting[1].revents != 0) return 0;
        (*server)->on_readable();
        (*server)->on_timer();
    }
}
