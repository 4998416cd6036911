#include "testing/director_listing.h"

#include <fmt/format.h>

namespace xvs::test {
namespace {

std::string to_line(const model::Statistics& statistics) {
    const model::Counters& counters = statistics.counters;
    return fmt::format(" conns={} in={}/{} out={}/{}\n",
                       counters.connections,
                       counters.packets_in,
                       counters.bytes_in,
                       counters.packets_out,
                       counters.bytes_out);
}

}  // namespace

std::string listing(Director& director) {
    std::string text;
    for (const model::ConnectionInfo& each : director.connection_infos())
        text += fmt::format("{} {} {} {} state={} expires={} flags={:x}\n",
                            static_cast<unsigned>(each.protocol),
                            each.client.to_string(),
                            each.virtual_endpoint.to_string(),
                            each.real.to_string(),
                            each.state,
                            each.expires_in_s,
                            each.flags);
    const engine::Services& services = director.engine.services();
    text += to_line(director.total());
    for (const engine::ServiceState* service : services.in_order()) {
        text += service->config.key.to_string() + to_line(director.statistics(*service));
        for (const auto* each = service->destinations.first(); each; each = each->next)
            text += fmt::format("  {} {} {} {} {}{}",
                                each->config.real.to_string(),
                                each->active_connections,
                                each->inactive_connections(),
                                each->persistent_connections,
                                each->is_overloaded ? "overloaded" : "",
                                to_line(services.statistics(*each)));
    }
    return text;
}

}  // namespace xvs::test
