#include "control/state_file.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "control/state_text.h"
#include "model/validate.h"

namespace xvs::control {

namespace {

constexpr std::size_t kReadSize = 1 << 20;

Status write_all(int fd, std::string_view text, const std::filesystem::path& path, bool is_synced) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail(system_error("write " + path.string(), errno));
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (is_synced && ::fsync(fd) != 0)
        return fail(system_error("write " + path.string() + " to disk", errno));
    return {};
}

// A service's list is there before its first real server.
std::multimap<std::optional<model::ServiceKey>, const model::AccessRule*> by_service(
    const std::vector<model::AccessRule>& rules) {
    std::multimap<std::optional<model::ServiceKey>, const model::AccessRule*> result;
    for (const model::AccessRule& rule : rules) {
        result.emplace(rule.service ? std::optional(model::canonical(*rule.service)) : std::nullopt,
                       &rule);
    }
    return result;
}

}  // namespace

Status StateFile::write(const std::string& text) const {
    return replace(text, true);
}

Status StateFile::write_soon(const std::string& text) const {
    return replace(text, false);
}

std::size_t StateFile::size() const {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path(), error);
    return error ? 0 : static_cast<std::size_t>(size);
}

Status StateFile::replace(const std::string& text, bool is_synced) const {
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    if (error) return fail(system_error("make " + directory_.string(), error.value()));
    const std::filesystem::path beside = directory_ / "services.new";
    {
        const UniqueFd file(
            ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file.is_open()) return fail(system_error("open " + beside.string(), errno));
        if (auto written = write_all(file.get(), text, beside, is_synced); !written) return written;
    }
    if (::rename(beside.c_str(), path().c_str()) != 0) {
        return fail(system_error("rename " + beside.string(), errno));
    }
    if (!is_synced) return {};
    const UniqueFd folder(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open() || ::fsync(folder.get()) != 0) {
        return fail(system_error("write " + directory_.string() + " to disk", errno));
    }
    return {};
}

Result<std::optional<std::string>> StateFile::read() const {
    const UniqueFd file(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open() && errno == ENOENT) return std::nullopt;
    if (!file.is_open()) return fail(system_error("open " + path().string(), errno));
    std::string text;
    while (true) {
        const std::size_t before = text.size();
        text.resize(before + kReadSize);
        const ssize_t size = ::read(file.get(), text.data() + before, kReadSize);
        if (size < 0 && errno != EINTR) {
            return fail(system_error("read " + path().string(), errno));
        }
        text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        if (size == 0) return text;
    }
}

Result<std::filesystem::path> StateFile::keep_aside(bool move) const {
    std::error_code error;
    for (unsigned number = 1;; ++number) {
        auto aside = directory_ / fmt::format("services.broken-{}", number);
        if (std::filesystem::exists(aside, error)) continue;
        if (move)
            std::filesystem::rename(path(), aside, error);
        else
            std::filesystem::copy_file(path(), aside, error);
        if (error) return fail(system_error("keep " + aside.string(), error.value()));
        return aside;
    }
}

Result<StateFile::Restored> StateFile::restore(ServiceManager& services,
                                               SyncDaemons& daemons) const {
    const auto text = read();
    if (!text) return fail(text.error());
    Restored restored;
    if (!*text) return restored;
    const auto state = parse_state(**text);
    if (!state) {
        const auto aside = keep_aside(true);
        if (!aside) return fail(aside.error());
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("the saved services of {} cannot be read: {}; the file is kept as "
                                "{}, mend it and move it back, or set the services up again",
                                path().string(),
                                state.error().context,
                                aside->string()));
    }
    const auto note = [&restored](const Status& status) {
        if (!status) restored.problems.push_back(status.error().context);
        return status.has_value();
    };
    services.set_timeouts(state->timeouts);
    for (const auto& rule : state->mark_rules)
        static_cast<void>(note(services.add_mark_rule(rule)));
    const auto lists = by_service(state->access_rules);
    const auto restrict = [&](const std::optional<model::ServiceKey>& service) {
        const auto [first, last] = lists.equal_range(service);
        for (auto each = first; each != last; ++each)
            static_cast<void>(note(services.add_access_rule(*each->second)));
    };
    restrict(std::nullopt);
    for (const auto& value : state->sysctls)
        static_cast<void>(note(services.set_sysctl(value)));
    for (const auto& saved : state->services) {
        if (!note(services.add_service(saved.service))) continue;
        ++restored.services;
        restrict(model::canonical(saved.service.key));
        for (const auto& destination : saved.destinations) {
            if (note(services.add_destination(saved.service.key, destination))) {
                ++restored.destinations;
            }
        }
    }
    for (const auto& daemon : state->daemons)
        static_cast<void>(note(daemons.start(daemon)));
    if (restored.problems.empty()) return restored;
    const auto aside = keep_aside(false);
    if (!aside) return fail(aside.error());
    restored.problems.push_back(fmt::format("the saved services are kept as {}", aside->string()));
    return restored;
}

}  // namespace xvs::control
