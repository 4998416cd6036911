#include "offload/pin_directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "offload/link_info.h"

namespace xvs::offload {
namespace {

constexpr int kSoNetnsCookie = 71;  // SO_NETNS_COOKIE, which Debian 12's libc headers lack
constexpr const char* kBpffs = "/sys/fs/bpf";
constexpr const char* kBpffsOfInit = "/proc/1/root/sys/fs/bpf";
constexpr mode_t kMode = 0700;
constexpr std::string_view kLinkPrefix = "link-";

// Not open where that is no BPF file system.
UniqueFd open_if_bpffs(const std::string& path) {
    UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open()) return directory;

    struct statfs info {};

    const bool is_bpffs =
        ::fstatfs(directory.get(), &info) == 0 && info.f_type == static_cast<long>(BPF_FS_MAGIC);
    if (!is_bpffs) directory.reset();
    return directory;
}

Result<UniqueFd> make_directory(int parent, const char* name) {
    if (::mkdirat(parent, name, kMode) != 0 && errno != EEXIST)
        return fail(system_error(
            fmt::format("making the directory {} on the BPF file system", name), errno));
    UniqueFd directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.is_open())
        return fail(system_error(
            fmt::format("opening the directory {} on the BPF file system", name), errno));
    return directory;
}

std::vector<std::string> list(int directory) {
    std::vector<std::string> names;
    const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0) return names;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own), &::closedir);
    if (!stream) {
        ::close(own);
        return names;
    }
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    return names;
}

// Reached by the descriptor, whatever is mounted where by now.
std::string path_in(int directory, std::string_view name) {
    return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

void remove_directory(int parent, int directory, const std::string& name) noexcept {
    for (const std::string& each : list(directory))
        ::unlinkat(directory, each.c_str(), 0);
    ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
}

// Whether there are links, and none leads to an interface any more.
bool is_gone(int directory) {
    bool has_links = false;
    for (const std::string& name : list(directory)) {
        if (name.compare(0, kLinkPrefix.size(), kLinkPrefix) != 0) continue;
        const UniqueFd link(::bpf_obj_get(path_in(directory, name).c_str()));
        if (!link.is_open() || linked_interface(link.get()) != 0) return false;
        has_links = true;
    }
    return has_links;
}

}  // namespace

Result<UniqueFd> open_bpffs(const std::string& wanted) {
    if (!wanted.empty()) {
        UniqueFd given = open_if_bpffs(wanted);
        if (given.is_open()) return given;
        return fail(ErrorCode::NotFound,
                    fmt::format("{} is not a BPF file system; mount one there: mount -t bpf bpf {}",
                                wanted,
                                wanted));
    }
    for (const char* path : {kBpffs, kBpffsOfInit}) {
        UniqueFd found = open_if_bpffs(path);
        if (found.is_open()) return found;
    }
    return fail(
        ErrorCode::NotFound,
        fmt::format("there is no BPF file system at {}; mount one (mount -t bpf bpf {}), or "
                    "name another with --bpffs",
                    kBpffs,
                    kBpffs));
}

Result<std::uint64_t> namespace_cookie() {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (::getsockopt(socket.get(), SOL_SOCKET, kSoNetnsCookie, &cookie, &size) != 0)
        return fail(system_error("the network namespace's cookie (Linux 5.14)", errno));
    return cookie;
}

Result<PinDirectory> PinDirectory::open(const UniqueFd& bpffs, std::uint64_t cookie) {
    auto parent = make_directory(bpffs.get(), "xvs");
    if (!parent) return fail(parent.error());
    std::string name = fmt::format("{}", cookie);
    auto directory = make_directory(parent->get(), name.c_str());
    if (!directory) return fail(directory.error());
    return PinDirectory(std::move(*parent), std::move(*directory), std::move(name));
}

std::string PinDirectory::path(std::string_view name) const {
    return path_in(directory_.get(), name);
}

UniqueFd PinDirectory::get(std::string_view name) const {
    return UniqueFd(::bpf_obj_get(path(name).c_str()));
}

Status PinDirectory::pin(int object, std::string_view name) const {
    unpin(name);
    if (::bpf_obj_pin(object, path(name).c_str()) == 0) return {};
    return fail(system_error(fmt::format("pinning {} in {}", name, this->name()), errno));
}

void PinDirectory::unpin(std::string_view name) const noexcept {
    ::unlinkat(directory_.get(), std::string(name).c_str(), 0);
}

std::vector<std::string> PinDirectory::names() const {
    return list(directory_.get());
}

void PinDirectory::remove() const noexcept {
    remove_directory(parent_.get(), directory_.get(), name_);
}

std::size_t PinDirectory::remove_gone() const {
    std::size_t removed = 0;
    for (const std::string& name : list(parent_.get())) {
        if (name == name_) continue;
        const UniqueFd directory(
            ::openat(parent_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory.is_open() || !is_gone(directory.get())) continue;
        remove_directory(parent_.get(), directory.get(), name);
        ++removed;
    }
    return removed;
}

}  // namespace xvs::offload
