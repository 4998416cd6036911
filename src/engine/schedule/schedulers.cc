#include <array>

#include "engine/schedule/least_connection.h"
#include "engine/schedule/round_robin.h"
#include "engine/schedule/scheduler.h"
#include "engine/schedule/weighted_least_connection.h"
#include "engine/schedule/weighted_round_robin.h"

namespace xvs::engine {
namespace {

template <class Kind>
std::unique_ptr<Scheduler> make() {
    return std::make_unique<Kind>();
}

struct Entry {
    std::string_view name;
    std::unique_ptr<Scheduler> (*make)();
};

constexpr std::array kSchedulers{
    Entry{"rr", make<RoundRobin>},
    Entry{"wrr", make<WeightedRoundRobin>},
    Entry{"lc", make<LeastConnection>},
    Entry{"wlc", make<WeightedLeastConnection>},
};

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(std::string_view name) {
    for (const Entry& entry : kSchedulers) {
        if (entry.name == name) return entry.make();
    }
    return nullptr;
}

std::vector<std::string_view> scheduler_names() {
    std::vector<std::string_view> names;
    names.reserve(kSchedulers.size());
    for (const Entry& entry : kSchedulers)
        names.push_back(entry.name);
    return names;
}

}  // namespace xvs::engine
