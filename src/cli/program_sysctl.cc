// Settings: shown and set by --sysctl, and saved behind the services.
#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "cli/program.h"
#include "model/sysctls.h"

namespace xvs::cli {

Outcome<int> Program::sysctl(const std::vector<std::string>& words, bool restoring) {
    if (restoring) client_->finish_edits();
    if (words.size() > 2) {
        return usage_error(fmt::format("{}: one setting at a time, not \"{}\"", name_, words[2]));
    }
    const std::string wanted = words.size() == 2 ? words[1] : std::string();
    const std::size_t equals = wanted.find('=');
    // Here the sentence is known; the protocol carries codes alone.
    model::Sysctls scratch;
    const std::string name = wanted.substr(0, equals);
    if (equals == std::string::npos) {
        const auto known =
            wanted.empty() ? Result<model::SysctlValue>() : model::get_sysctl(scratch, name);
        if (!known) return usage_error(fmt::format("{}: {}", name_, known.error().context));
        return show_sysctls(known->name);
    }
    const model::SysctlValue value{name, wanted.substr(equals + 1)};
    if (const Status valid = model::set_sysctl(scratch, value.name, value.value); !valid) {
        return usage_error(fmt::format("{}: {}", name_, valid.error().context));
    }
    if (!restoring) return report(Operation::Other, client_->set_sysctl(value));
    sent_.push_back(Operation::Other);
    static_cast<void>(client_->set_sysctl(value));
    return restored_;
}

// As sysctl(8) shows them.
Outcome<int> Program::show_sysctls(std::string_view name) {
    const auto values = client_->sysctls();
    if (!values) return list_failed(Operation::Other, values.error());
    for (const model::SysctlValue& each : *values) {
        if (!name.empty() && each.name != name) continue;
        streams_.out << model::kSysctlPrefix << each.name << " = " << each.value << '\n';
    }
    return 0;
}

// As ipvsadm does; then the settings that are not the defaults, which ipvsadm -R stops at.
Outcome<int> Program::save(const Format& format) {
    const auto status = list_services(format, false);
    if (!status) return status;
    if (const auto listed = list_marks("--add-mark "); !listed) return listed;
    if (const auto listed = list_access(); !listed) return listed;
    const auto values = client_->sysctls();
    if (!values) return list_failed(Operation::Other, values.error());
    model::Sysctls sysctls;
    for (const model::SysctlValue& each : *values)
        static_cast<void>(model::set_sysctl(sysctls, each.name, each.value));
    for (model::SysctlValue& each : model::changed_sysctls(sysctls)) {
        std::replace(each.value.begin(), each.value.end(), ' ', ',');
        streams_.out << kSysctlOption << ' ' << each.name << '=' << each.value << '\n';
    }
    return status;
}

}  // namespace xvs::cli
