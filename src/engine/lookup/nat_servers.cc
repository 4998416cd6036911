// Which addresses and ports NAT real servers send from.
#include "engine/lookup/services.h"

namespace xvs::engine {
namespace {

model::Protocol listed_protocol(const model::ServiceKey& service) noexcept {
    return service.fwmark != 0 ? model::Protocol::Ip : service.protocol;
}

}  // namespace

// Kernel: ip_vs_rs_hash().
void Services::list_nat_server(DestinationState& destination, bool is_wanted) {
    if (destination.is_nat_server == is_wanted) return;
    destination.is_nat_server = is_wanted;
    const std::pair key{listed_protocol(destination.service_key), destination.config.real};
    if (is_wanted) {
        ++nat_servers_[key];
    } else if (const auto found = nat_servers_.find(key);
               found != nat_servers_.end() && --found->second == 0) {
        nat_servers_.erase(found);
    }
}

bool Services::is_nat_server(model::Protocol protocol, const net::Endpoint& source) const noexcept {
    return nat_servers_.find({protocol, source}) != nat_servers_.end() ||
           nat_servers_.find({model::Protocol::Ip, source}) != nat_servers_.end();
}

}  // namespace xvs::engine
