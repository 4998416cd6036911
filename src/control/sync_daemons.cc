#include "control/sync_daemons.h"

#include <algorithm>
#include <cstring>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace xvs::control {

namespace {

constexpr net::Ipv4Address kDefaultGroup{0xe0000051};  // 224.0.0.81
constexpr net::Port kDefaultPort{8848};
constexpr unsigned kEthernetMtu = 1500;
constexpr unsigned kMaxDatagram = 65535;
constexpr unsigned kMinBackupLength = 1024;

// The kernel's master takes 1500 for the MTU whatever the interface's is; its backup goes up with
// the interface but not below 1500.
std::uint16_t message_length(const model::SyncDaemon& wanted, unsigned mtu) {
    const unsigned headers = wanted.group.family() == net::Family::Ipv4 ? 28 : 48;
    const bool master = wanted.role == model::SyncRole::Master;
    const unsigned longest = kMaxDatagram - headers;
    unsigned length = wanted.max_length;
    if (length == 0) {
        length = (master ? kEthernetMtu : std::clamp(mtu, kEthernetMtu, kMaxDatagram)) - headers;
    }
    return static_cast<std::uint16_t>(std::clamp(length, master ? 1 : kMinBackupLength, longest));
}

std::string_view role_name(model::SyncRole role) {
    return role == model::SyncRole::Master ? "master" : "backup";
}

}  // namespace

std::optional<unsigned> SyncDaemons::interface_mtu(const std::string& name) {
    ifreq request{};
    if (name.empty() || name.size() >= sizeof request.ifr_name) return std::nullopt;
    std::memcpy(request.ifr_name, name.data(), name.size());
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::ioctl(socket.get(), SIOCGIFMTU, &request) != 0) return std::nullopt;
    return static_cast<unsigned>(request.ifr_mtu);
}

Status SyncDaemons::start(model::SyncDaemon wanted) {
    const auto mtu = mtu_(wanted.interface);
    if (!mtu) {
        return fail(
            ErrorCode::NoSuchDevice,
            fmt::format(
                "sync {}: there is no interface \"{}\"", role_name(wanted.role), wanted.interface));
    }
    if (wanted.group.is_unspecified()) wanted.group = kDefaultGroup;
    if (!wanted.group.is_multicast()) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("sync {}: {} is not a multicast group",
                                role_name(wanted.role),
                                wanted.group.to_string()));
    }
    const auto same_role = [&wanted](const auto& daemon) {
        return daemon.role == wanted.role;
    };
    if (std::any_of(running_.begin(), running_.end(), same_role)) {
        return fail(ErrorCode::AlreadyExists,
                    fmt::format("the sync {} runs already", role_name(wanted.role)));
    }
    wanted.max_length = message_length(wanted, *mtu);
    if (net::number(wanted.port) == 0) wanted.port = kDefaultPort;
    if (wanted.ttl == 0) wanted.ttl = 1;
    const bool master = wanted.role == model::SyncRole::Master;
    running_.insert(master ? running_.begin() : running_.end(), std::move(wanted));
    return {};
}

Status SyncDaemons::stop(model::SyncRole role) {
    const auto erased =
        std::erase_if(running_, [role](const auto& daemon) { return daemon.role == role; });
    if (erased != 0) return {};
    return fail(ErrorCode::NoSuchService, fmt::format("no sync {} is running", role_name(role)));
}

}  // namespace xvs::control
