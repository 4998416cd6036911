#include "cli/scheduler_flags.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/virtual_service.h"

namespace xvs::cli {

namespace {

struct Flag {
    std::string_view scheduler;  // empty: any
    std::string_view name;
    std::uint32_t bit;
};

// A scheduler's own names come first: they are what is printed.
constexpr Flag kFlags[] = {
    {"sh", "sh-fallback", model::kServiceScheduler1},
    {"sh", "sh-port", model::kServiceScheduler2},
    {"mh", "mh-fallback", model::kServiceScheduler1},
    {"mh", "mh-port", model::kServiceScheduler2},
    {"", "flag-1", model::kServiceScheduler1},
    {"", "flag-2", model::kServiceScheduler2},
    {"", "flag-3", model::kServiceScheduler3},
};

}  // namespace

Outcome<std::uint32_t> parse_scheduler_flags(std::string_view scheduler, const std::string& list) {
    std::uint32_t bits = 0;
    for (std::size_t start = 0; start <= list.size();) {
        const std::size_t end = std::min(list.find(',', start), list.size());
        const std::string name = list.substr(start, end - start);
        start = end + 1;
        if (name.empty()) continue;
        const auto* const flag =
            std::find_if(std::begin(kFlags), std::end(kFlags), [&name](const Flag& candidate) {
                return candidate.name == name;
            });
        if (flag == std::end(kFlags)) {
            return usage_error(fmt::format("invalid scheduler flag `{}'", name));
        }
        if (!flag->scheduler.empty() && flag->scheduler != scheduler) {
            return usage_error(fmt::format("incompatible scheduler flag `{}'", name));
        }
        bits |= flag->bit;
    }
    return bits;
}

std::string scheduler_flags_text(std::string_view scheduler, std::uint32_t flags) {
    std::string text;
    for (const auto bit :
         {model::kServiceScheduler1, model::kServiceScheduler2, model::kServiceScheduler3}) {
        if ((flags & bit) == 0) continue;
        const auto* const flag =
            std::find_if(std::begin(kFlags), std::end(kFlags), [&](const Flag& candidate) {
                return candidate.bit == bit &&
                       (candidate.scheduler.empty() || candidate.scheduler == scheduler);
            });
        if (!text.empty()) text += ',';
        text += flag->name;
    }
    return text;
}

std::string listed_scheduler_flags(std::string_view scheduler, std::uint32_t flags) {
    const std::uint32_t own = model::kServiceScheduler1 | model::kServiceScheduler2;
    const std::uint32_t all = own | model::kServiceScheduler3;
    if ((flags & all) == 0) return {};
    const bool has_names = scheduler == "sh" || scheduler == "mh";
    return fmt::format(" ({})", scheduler_flags_text(scheduler, has_names ? flags & own : flags));
}

}  // namespace xvs::cli
