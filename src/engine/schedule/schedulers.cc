#include <algorithm>
#include <array>

#include "engine/schedule/destination_hashing.h"
#include "engine/schedule/least_connection.h"
#include "engine/schedule/locality_least_connection.h"
#include "engine/schedule/locality_least_connection_replicated.h"
#include "engine/schedule/maglev_hashing.h"
#include "engine/schedule/never_queue.h"
#include "engine/schedule/power_of_twos.h"
#include "engine/schedule/round_robin.h"
#include "engine/schedule/scheduler.h"
#include "engine/schedule/shortest_expected_delay.h"
#include "engine/schedule/source_hashing.h"
#include "engine/schedule/weighted_failover.h"
#include "engine/schedule/weighted_least_connection.h"
#include "engine/schedule/weighted_overflow.h"
#include "engine/schedule/weighted_round_robin.h"

namespace xvs::engine {
namespace {

using Maker = std::unique_ptr<Scheduler> (*)(const SchedulerParts&);

template <class Kind>
std::unique_ptr<Scheduler> make(const SchedulerParts& /*parts*/) {
    return std::make_unique<Kind>();
}

template <class Kind>
std::unique_ptr<Scheduler> make_random(const SchedulerParts& parts) {
    return std::make_unique<Kind>(parts.seed);
}

template <class Kind>
std::unique_ptr<Scheduler> make_caching(const SchedulerParts& parts) {
    return std::make_unique<Kind>(parts.sysctls, parts.seed);
}

struct Entry {
    std::string_view name;
    Maker make;
};

constexpr std::array kSchedulers{
    Entry{"rr", make<RoundRobin>},
    Entry{"wrr", make<WeightedRoundRobin>},
    Entry{"lc", make<LeastConnection>},
    Entry{"wlc", make<WeightedLeastConnection>},
    Entry{"lblc", make_caching<LocalityLeastConnection>},
    Entry{"lblcr", make_caching<LocalityLeastConnectionReplicated>},
    Entry{"dh", make<DestinationHashing>},
    Entry{"sh", make<SourceHashing>},
    Entry{"sed", make<ShortestExpectedDelay>},
    Entry{"nq", make<NeverQueue>},
    Entry{"fo", make<WeightedFailover>},
    Entry{"ovf", make<WeightedOverflow>},
    Entry{"mh", make<MaglevHashing>},
    Entry{"twos", make_random<PowerOfTwos>},
};

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(std::string_view name, const SchedulerParts& parts) {
    for (const Entry& entry : kSchedulers) {
        if (entry.name == name) return entry.make(parts);
    }
    return nullptr;
}

bool has_scheduler(std::string_view name) noexcept {
    return std::any_of(kSchedulers.begin(), kSchedulers.end(), [name](const Entry& entry) {
        return entry.name == name;
    });
}

}  // namespace xvs::engine
