// fake_director: serves the IPVS netlink protocol over a director without a packet path, until it
// gets SIGTERM or its parent ends. Prints one line when it is ready.
#include <algorithm>
#include <csignal>
#include <cstdio>

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

}  // namespace

int main() {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    xvs::MonotonicClock clock;
    xvs::testing::FakeServiceManager services;
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
