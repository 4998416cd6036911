// Which scheduler a service has.
#include <fmt/format.h>

#include "engine/lookup/services.h"

namespace xvs::engine {

// Kernel: ip_vs_bind_scheduler().
Status Services::change_scheduler(ServiceState& service, const std::string& name) {
    std::unique_ptr<Scheduler> scheduler = make_scheduler(name, scheduler_parts());
    if (scheduler) {
        const std::size_t limit = scheduler->max_destinations();
        if (service.destinations.size() > limit) {
            return fail(
                ErrorCode::InvalidArgument,
                fmt::format("{} has {} real servers, and {} serves at most {}: remove some, "
                            "or choose another scheduler",
                            service.config.key.to_string(),
                            service.destinations.size(),
                            name,
                            limit));
        }
        scheduler->take_charge(service.destinations);
    }
    service.scheduler = std::move(scheduler);
    service.stock.set_twin(make_scheduler(name, scheduler_parts()));
    return {};
}

// Two schedulers of one instant differ too.
SchedulerParts Services::scheduler_parts() noexcept {
    const xvs_table_header& header = tables_.header();
    const std::uint64_t random = (std::uint64_t{header.seed[1]} << 32) | header.seed[0];
    return {.sysctls = sysctls_, .seed = random ^ (++last_number_ * 0x9e3779b97f4a7c15U)};
}

}  // namespace xvs::engine
