// Registry: which laboratories stand on this machine, and taking them down, whoever made them.
//
// A laboratory NAME is a directory /run/xvs/lab/NAME (a record and logs) and network namespaces
// named xvs-NAME.NODE. Taking one down needs nothing else, so that a laboratory whose maker was
// killed goes as well as any other.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "model/destination.h"

namespace xvs::lab {

// A process, by its number and its start time (numbers are used again).
struct ProcessId {
    pid_t pid = 0;
    std::uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat

    [[nodiscard]] static ProcessId self();
    [[nodiscard]] bool is_alive() const;

    bool operator==(const ProcessId&) const = default;
};

struct Record {
    std::string name;
    model::ForwardingMethod method = model::ForwardingMethod::Masquerade;
    unsigned real_servers = 0;
    std::optional<ProcessId> owner;  // none: left standing until `xvs lab down`

    [[nodiscard]] bool is_stale() const { return owner && !owner->is_alive(); }
};

// Fails unless `name` is 1 to 32 of a-z, 0-9 and '-'.
[[nodiscard]] Status check_name(const std::string& name);

[[nodiscard]] std::string namespace_name(const std::string& lab, const std::string& node);
[[nodiscard]] std::filesystem::path directory_of(const std::string& lab);

// Fails with AlreadyExists when a laboratory of that name stands.
[[nodiscard]] Status add_record(const Record& record);
[[nodiscard]] Status update_record(const Record& record);
[[nodiscard]] Result<Record> find_record(const std::string& name);
[[nodiscard]] std::vector<Record> all_records();

// The namespaces of a laboratory, by name.
[[nodiscard]] std::vector<std::string> namespaces_of(const std::string& lab);

// Ends every process in the laboratory's namespaces (the caller excepted), removes the namespaces,
// what xvs real-server noted of them, and the record. A laboratory half made or half gone is as
// good as a whole one.
void take_down(const std::string& name);

// Takes down laboratories whose owner is gone; returns their names.
std::vector<std::string> take_down_stale();

}  // namespace xvs::lab
