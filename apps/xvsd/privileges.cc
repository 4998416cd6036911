#include "xvsd/privileges.h"

#include <array>
#include <cerrno>
#include <string>

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cap-ng.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xvs::xvsd {
namespace {

struct Needed {
    unsigned capability;
    const char* name;
};

constexpr std::array<Needed, 4> kNeeded = {{{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                            {CAP_NET_RAW, "CAP_NET_RAW"},
                                            {CAP_BPF, "CAP_BPF"},
                                            {CAP_PERFMON, "CAP_PERFMON"}}};

}  // namespace

Status check_privileges() {
    if (::capng_get_caps_process() != 0)
        return fail(ErrorCode::System, "this process's capabilities cannot be read from /proc");
    std::vector<std::string> missing;
    for (const Needed& needed : kNeeded) {
        if (::capng_have_capability(CAPNG_EFFECTIVE, needed.capability) == 0)
            missing.emplace_back(needed.name);
    }
    if (missing.empty()) return {};
    if (missing.size() == kNeeded.size()) {
        return fail(ErrorCode::NotPermitted,
                    "xvsd must run as root, or with the capabilities CAP_NET_ADMIN, CAP_NET_RAW, "
                    "CAP_BPF and CAP_PERFMON; type: sudo xvsd");
    }
    return fail(ErrorCode::NotPermitted,
                fmt::format("xvsd lacks {}: it must run as root, or with the capabilities "
                            "CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_PERFMON",
                            fmt::join(missing, " and ")));
}

namespace {

// AF_XDP sockets lock their memory.
bool may_lock_memory() {
    constexpr rlimit kNone{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    return ::setrlimit(RLIMIT_MEMLOCK, &kNone) == 0;
}

bool keep(unsigned capability) {
    constexpr auto kWhere =
        static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
    return ::capng_update(CAPNG_ADD, kWhere, capability) == 0;
}

}  // namespace

Status drop_privileges() {
    const bool can_lock =
        !may_lock_memory() && ::capng_have_capability(CAPNG_EFFECTIVE, CAP_IPC_LOCK) != 0;
    const bool can_bound = ::capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
    ::capng_clear(CAPNG_SELECT_BOTH);
    for (const Needed& needed : kNeeded) {
        if (!keep(needed.capability))
            return fail(ErrorCode::System, "choosing the capabilities to keep");
    }
    if (can_lock) (void)keep(CAP_IPC_LOCK);
    if (::capng_apply(can_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0)
        return fail(system_error("giving up capabilities", errno));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(system_error("giving up privileges", errno));
    return {};
}

}  // namespace xvs::xvsd
