#include "tests/lab/bare_cable.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace xvs::lab {
namespace {

Result<UniqueFd> make_end(const NetworkNamespace& where, const std::string& name) {
    const NetworkNamespace::Scope inside(where);
    UniqueFd end(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!end.is_open()) return fail(system_error("opening /dev/net/tun", errno));
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
    if (::ioctl(end.get(), TUNSETIFF, &request) != 0)
        return fail(system_error("making interface " + name, errno));
    return end;
}

}  // namespace

BareCable::~BareCable() {
    is_cut_ = true;
    if (carrier_.joinable()) carrier_.join();
}

Status BareCable::plug(const NetworkNamespace& one,
                       const NetworkNamespace& other,
                       const std::string& name) {
    const std::array<const NetworkNamespace*, 2> places = {&one, &other};
    for (std::size_t i = 0; i < places.size(); ++i) {
        auto end = make_end(*places[i], name);
        if (!end) return fail(end.error());
        ends_[i] = std::move(*end);
    }
    carrier_ = std::thread([this] { carry(); });
    return {};
}

void BareCable::carry() {
    std::array<std::byte, 65536> packet;
    while (!is_cut_) {
        std::array<pollfd, 2> waiting = {{{.fd = ends_[0].get(), .events = POLLIN, .revents = 0},
                                          {.fd = ends_[1].get(), .events = POLLIN, .revents = 0}}};
        if (::poll(waiting.data(), waiting.size(), 50) <= 0) continue;
        for (std::size_t i = 0; i < ends_.size(); ++i) {
            const ssize_t size = ::read(ends_[i].get(), packet.data(), packet.size());
            if (size <= 0) continue;
            // What finds no room is lost, as on any cable.
            if (::write(ends_[1 - i].get(), packet.data(), static_cast<std::size_t>(size)) < 0)
                continue;
        }
    }
}

}  // namespace xvs::lab
