#include "xvsd/kept_state.h"

#include <fstream>

#include <net/if.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "host/private_link.h"
#include "offload/tc_hook.h"

namespace xvs::xvsd {
namespace {

constexpr const char* kStateDirectory = "/var/lib/xvs";

// Where process 1's cannot be looked at, this one is taken for the machine's own.
bool is_own_network_of_the_machine() {
    struct stat here {};

    struct stat there {};

    if (::stat("/proc/self/ns/net", &here) != 0 || ::stat("/proc/1/ns/net", &there) != 0)
        return true;
    return here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

// A cookie is used again after the machine has started anew, so its start is in the name as well.
std::string state_directory_of(std::uint64_t cookie) {
    constexpr std::size_t kEnough = 8;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string boot;
    std::getline(file, boot);
    return fmt::format("{}/netns-{}-{}", kStateDirectory, boot.substr(0, kEnough), cookie);
}

}  // namespace

Result<KeptState> KeptState::find(const Options& options) {
    KeptState state;
    state.is_ephemeral_ = options.is_ephemeral;
    state.state_directory_ = options.state_directory;
    if (state.state_directory_.empty()) {
        const auto cookie = offload::namespace_cookie();
        state.state_directory_ = cookie && !is_own_network_of_the_machine()
                                     ? state_directory_of(*cookie)
                                     : kStateDirectory;
    }
    auto bpffs = offload::open_bpffs(options.bpffs);
    if (bpffs) {
        state.bpffs_ = std::move(*bpffs);
    } else if (!options.bpffs.empty()) {
        return fail(bpffs.error());
    } else {
        state.why_not_ = bpffs.error().context;
    }
    return state;
}

void KeptState::open() {
    if (bpffs_.is_open()) {
        const auto cookie = offload::namespace_cookie();
        auto pins = cookie ? offload::PinDirectory::open(bpffs_, *cookie)
                           : Result<offload::PinDirectory>(fail(cookie.error()));
        if (pins) {
            pins_.emplace(std::move(*pins));
            const std::size_t removed = pins_->remove_gone();
            if (removed != 0)
                spdlog::info("removed what daemons of {} network namespaces that are gone had left",
                             removed);
        } else {
            why_not_ = pins.error().context;
        }
    }
    if (is_ephemeral_) {
        if (const auto removed = remove_leftover(); !removed)
            spdlog::warn("{}", removed.error().context);
        pins_.reset();
        why_not_ = "--ephemeral";
    } else if (!pins_) {
        spdlog::warn("established connections end with this daemon: {}", why_not_);
    }
}

Result<bool> KeptState::remove_leftover() {
    if (!pins_) return false;
    const bool was_there = !pins_->names().empty();
    const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> interfaces(
        ::if_nameindex(), &::if_freenameindex);
    for (const auto* each = interfaces.get(); each != nullptr && each->if_index != 0; ++each) {
        for (const auto direction : {offload::TcDirection::Ingress, offload::TcDirection::Egress})
            offload::TcHook::detach_leftover(each->if_index, direction, *pins_);
    }
    pins_->remove();
    pins_.reset();
    if (auto status = host::PrivateLink::remove_leftover(); !status) return fail(status.error());
    return was_there;
}

}  // namespace xvs::xvsd
