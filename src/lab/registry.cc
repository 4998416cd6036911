#include "lab/registry.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include <sys/mount.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "lab/network_namespace.h"
#include "lab/plan.h"
#include "lab/real_server.h"

namespace xvs::lab {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDirectory = "/run/xvs/lab";
constexpr const char* kNamespaceDirectory = "/run/netns";
constexpr std::chrono::milliseconds kPatience{1500};

std::uint64_t start_time_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    if (!std::getline(file, text)) return 0;
    // Field 2 is the program's name in parentheses, which may hold blanks.
    std::istringstream rest(text.substr(text.rfind(')') + 1));
    std::string field;
    for (int number = 3; number <= 22; ++number)
        rest >> field;
    std::uint64_t value = 0;
    std::from_chars(field.data(), field.data() + field.size(), value);
    return value;
}

std::string text_of(const Record& record) {
    return fmt::format("method {}\nreal-servers {}\nowner {} {}\n",
                       method_word(record.method),
                       record.real_servers,
                       record.owner ? record.owner->pid : 0,
                       record.owner ? record.owner->start_time : 0);
}

// Processes of the namespaces with these inode numbers, the caller excepted.
std::vector<pid_t> processes_in(const std::set<ino_t>& inodes) {
    std::vector<pid_t> result;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error != std::errc{} || end != name.data() + name.size()) continue;

        struct stat status {};

        if (::stat((entry.path() / "ns/net").c_str(), &status) != 0) continue;
        if (inodes.contains(status.st_ino) && pid != ::getpid()) result.push_back(pid);
    }
    return result;
}

// SIGTERM, and SIGKILL for those that stay.
void end_processes(const std::set<ino_t>& inodes) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    int signal = SIGTERM;
    for (;;) {
        const auto pids = processes_in(inodes);
        if (pids.empty()) return;
        const bool late = std::chrono::steady_clock::now() > deadline;
        if (late && signal == 0) signal = SIGKILL;
        for (const pid_t pid : pids) {
            if (signal != 0) ::kill(pid, signal);
        }
        if (late && std::chrono::steady_clock::now() > deadline + kPatience) return;
        signal = 0;
        ::poll(nullptr, 0, 10);
    }
}

}  // namespace

ProcessId ProcessId::self() {
    return {::getpid(), start_time_of(::getpid())};
}

bool ProcessId::is_alive() const {
    return start_time != 0 && start_time_of(pid) == start_time;
}

Status check_name(const std::string& name) {
    const auto allowed = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
               letter == '-';
    };
    if (!name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), allowed))
        return {};
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("'{}' cannot name a laboratory: take 1 to 32 of a-z, 0-9 and '-'", name));
}

std::string namespace_name(const std::string& lab, const std::string& node) {
    return "xvs-" + lab + "." + node;
}

fs::path directory_of(const std::string& lab) {
    return fs::path(kDirectory) / lab;
}

Status add_record(const Record& record) {
    std::error_code error;
    fs::create_directories(kDirectory, error);
    if (error) return fail(system_error(fmt::format("making {}", kDirectory), error.value()));
    if (::mkdir(directory_of(record.name).c_str(), 0755) != 0) {
        if (errno != EEXIST)
            return fail(system_error("making " + directory_of(record.name).string(), errno));
        return fail(ErrorCode::AlreadyExists,
                    fmt::format("a laboratory named {0} is standing already; take it down with "
                                "'xvs lab down {0}', or choose another --name",
                                record.name));
    }
    return update_record(record);
}

Status update_record(const Record& record) {
    const fs::path path = directory_of(record.name) / "record";
    const fs::path fresh = directory_of(record.name) / "record.new";
    std::ofstream(fresh) << text_of(record);
    std::error_code error;
    fs::rename(fresh, path, error);
    if (error) return fail(system_error("writing " + path.string(), error.value()));
    return {};
}

Result<Record> find_record(const std::string& name) {
    std::ifstream file(directory_of(name) / "record");
    if (!file) {
        return fail(
            ErrorCode::NotFound,
            fmt::format("no laboratory is named {}; 'xvs lab list' shows those that stand", name));
    }
    Record record;
    record.name = name;
    std::string key;
    while (file >> key) {
        if (key == "method") {
            std::string word;
            file >> word;
            if (const auto method = parse_method(word)) record.method = *method;
        } else if (key == "real-servers") {
            file >> record.real_servers;
        } else if (key == "owner") {
            ProcessId owner;
            file >> owner.pid >> owner.start_time;
            if (owner.pid != 0) record.owner = owner;
        }
    }
    return record;
}

std::vector<Record> all_records() {
    std::vector<Record> records;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(kDirectory, none)) {
        if (const auto record = find_record(entry.path().filename())) records.push_back(*record);
    }
    std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
        return a.name < b.name;
    });
    return records;
}

std::vector<std::string> namespaces_of(const std::string& lab) {
    const std::string prefix = namespace_name(lab, "");
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(kNamespaceDirectory, none)) {
        const std::string name = entry.path().filename();
        if (name.starts_with(prefix)) names.push_back(name);
    }
    return names;
}

void take_down(const std::string& name) {
    const auto names = namespaces_of(name);
    std::set<ino_t> inodes;
    for (const std::string& space : names) {
        struct stat status {};

        const fs::path path = fs::path(kNamespaceDirectory) / space;
        if (::stat(path.c_str(), &status) == 0) inodes.insert(status.st_ino);
        if (const auto opened = NetworkNamespace::open(space)) {
            const NetworkNamespace::Scope inside(*opened);
            forget_real_server();
        }
    }
    if (!inodes.empty()) end_processes(inodes);
    for (const std::string& space : names) {
        // As `ip netns delete` does, without a process for each.
        const fs::path path = fs::path(kNamespaceDirectory) / space;
        ::umount2(path.c_str(), MNT_DETACH);
        ::unlink(path.c_str());
    }
    std::error_code ignored;
    fs::remove_all(directory_of(name), ignored);
}

std::vector<std::string> take_down_stale() {
    std::vector<std::string> names;
    for (const Record& record : all_records()) {
        if (!record.is_stale()) continue;
        take_down(record.name);
        names.push_back(record.name);
    }
    return names;
}

}  // namespace xvs::lab
