// What the engine as a whole does about stocks of decisions.
#include <vector>

#include "engine/engine.h"

namespace xvs::engine {

void Engine::set_stock_depths(const ServiceStock::Depths& depths) noexcept {
    if (tables_.header().stocks == 0) return;
    stock_depths_ = depths;
    services_.set_stock_depths(depths);
    if (depths.turns != 0 && !is_adopting_) open_stocks();
}

void Engine::open_stocks() noexcept {
    tables_.open_stocks();
    allow_reuse();
}

// Once entries say what conn_reuse_mode makes of their connections.
void Engine::allow_reuse() noexcept {
    const bool is_right = revisited4_ == XVS_NONE && revisited6_ == XVS_NONE;
    if (!is_right || !tables_.has_open_stocks()) return;
    flow::store_release(tables_.header().reuses_closed,
                        settings_.sysctls.conn_reuse_mode != 0 ? 1u : 0u);
}

std::uint64_t Engine::drawn_connections() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_)
        sum +=
            worker->connections<flow::Ipv4>().drawn() + worker->connections<flow::Ipv6>().drawn();
    return sum;
}

template <class Ip>
void Engine::complete_adopted() noexcept {
    std::vector<Connections<Ip>*> all;
    for (const auto& worker : workers_)
        all.push_back(&worker->connections<Ip>());
    workers_.front()->connections<Ip>().complete_adopted(all);
}

template void Engine::complete_adopted<flow::Ipv4>() noexcept;
template void Engine::complete_adopted<flow::Ipv6>() noexcept;

}  // namespace xvs::engine
