#include "lab/network_namespace.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <linux/nsfs.h>
#include <sys/ioctl.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

namespace xvs::lab {

namespace {

Result<UniqueFd> open_namespace(const std::string& name) {
    const std::string path = "/run/netns/" + name;
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return fail(system_error("opening the network namespace " + name, errno));
    if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        return fail(ErrorCode::NotFound, path + " is a file, but no network namespace");
    return fd;
}

std::string sysctl_path(const std::string& key) {
    std::string path = "/proc/sys/";
    for (const char letter : key) {
        if (letter == '.') {
            path += '/';
        } else if (letter == '/') {
            path += '.';
        } else {
            path += letter;
        }
    }
    return path;
}

}  // namespace

NetworkNamespace::NetworkNamespace(std::string name, UniqueFd fd, bool owned)
    : name_(std::move(name)), fd_(std::move(fd)), owned_(owned) {}

NetworkNamespace::NetworkNamespace(NetworkNamespace&& other) noexcept
    : name_(std::move(other.name_)),
      fd_(std::move(other.fd_)),
      owned_(std::exchange(other.owned_, false)) {}

NetworkNamespace& NetworkNamespace::operator=(NetworkNamespace&& other) noexcept {
    if (this != &other) {
        remove();
        name_ = std::move(other.name_);
        fd_ = std::move(other.fd_);
        owned_ = std::exchange(other.owned_, false);
    }
    return *this;
}

NetworkNamespace::~NetworkNamespace() {
    remove();
}

void NetworkNamespace::remove() noexcept {
    if (!std::exchange(owned_, false)) return;
    fd_.reset();
    (void)lab::run({"ip", "netns", "delete", name_});  // gone already is as good
}

Result<NetworkNamespace> NetworkNamespace::create(const std::string& name) {
    if (auto made = lab::run_checked({"ip", "netns", "add", name}); !made)
        return fail(made.error());
    auto fd = open_namespace(name);
    if (!fd) return fail(fd.error());
    NetworkNamespace result(name, std::move(*fd), true);
    if (auto up = lab::run_checked({"ip", "-n", name, "link", "set", "lo", "up"}); !up)
        return fail(up.error());
    return result;
}

Result<NetworkNamespace> NetworkNamespace::open(const std::string& name) {
    auto fd = open_namespace(name);
    if (!fd) return fail(fd.error());
    return NetworkNamespace(name, std::move(*fd), false);
}

NetworkNamespace::Scope::Scope(const NetworkNamespace& where)
    : home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    // Going on in the wrong namespace would configure the machine's own network.
    if (!home_.is_open() || ::setns(where.fd_.get(), CLONE_NEWNET) != 0) {
        std::perror("entering a network namespace");
        std::abort();
    }
}

NetworkNamespace::Scope::~Scope() {
    if (::setns(home_.get(), CLONE_NEWNET) != 0) {
        std::perror("leaving a network namespace");
        std::abort();
    }
}

Result<Completed> NetworkNamespace::run(const Command& command, const RunOptions& options) const {
    const Scope inside(*this);
    return lab::run(command, options);
}

Result<std::string> NetworkNamespace::run_checked(const Command& command,
                                                  const RunOptions& options) const {
    const Scope inside(*this);
    return lab::run_checked(command, options);
}

Result<Process> NetworkNamespace::start(const Command& command,
                                        const std::filesystem::path& log) const {
    const Scope inside(*this);
    return Process::start(command, log);
}

Status NetworkNamespace::set_sysctl(const std::string& key, const std::string& value) const {
    const Scope inside(*this);
    return write_sysctl(key, value);
}

Result<std::string> NetworkNamespace::get_sysctl(const std::string& key) const {
    const Scope inside(*this);
    return read_sysctl(key);
}

Status write_sysctl(const std::string& key, const std::string& value) {
    const UniqueFd file(::open(sysctl_path(key).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.is_open() || ::write(file.get(), value.data(), value.size()) < 0)
        return fail(system_error(fmt::format("setting {} to {}", key, value), errno));
    return {};
}

Result<std::string> read_sysctl(const std::string& key) {
    std::ifstream file(sysctl_path(key));
    std::string value;
    if (!std::getline(file, value)) return fail(system_error("reading " + key, errno));
    return value;
}

}  // namespace xvs::lab
