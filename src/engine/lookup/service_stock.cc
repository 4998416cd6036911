#include "engine/lookup/service_stock.h"

#include <algorithm>
#include <utility>

#include "engine/lookup/tcp_states.h"

namespace xvs::engine {
namespace {

void release(const xvs_decision& decision, flow::TranslationTable& translations) noexcept {
    for (const std::uint32_t each : {decision.inbound, decision.outbound}) {
        if (each != XVS_NONE) translations.release(each);
    }
}

// As if `count` further connections had begun, or had not. Kernel: a SYN makes an active one.
void pretend(DestinationState& destination,
             const model::ServiceKey& key,
             std::uint32_t count) noexcept {
    destination.total_connections += count;
    if (key.protocol == model::Protocol::Tcp && is_active(TcpState::SynReceived))
        destination.active_connections += count;
}

}  // namespace

void ServiceStock::attach(flow::StockTable& table,
                          std::uint32_t index,
                          const Depths& depths,
                          const model::ServiceKey& key) {
    table_ = &table;
    index_ = index;
    depths_ = &depths;
    key_ = key;
    destinations_ = std::make_unique<DestinationState*[]>(XVS_STOCK_SIZE);
    set_depth();
}

void ServiceStock::detach() {
    if (table_ == nullptr) return;
    table_->free(index_);
    table_ = nullptr;
}

void ServiceStock::set_twin(std::unique_ptr<Scheduler> twin) noexcept {
    twin_ = std::move(twin);
    foresight_ = twin_ != nullptr ? twin_->foresight() : Foresight::None;
    if (table_ != nullptr) set_depth();
}

void ServiceStock::set_depth() noexcept {
    const std::uint32_t counts = depths_->counts > 1 ? depths_->counts : 0;
    depth_ = foresight_ == Foresight::Turns    ? depths_->turns
             : foresight_ == Foresight::Counts ? std::min(counts, depths_->turns)
                                               : 0;
    depth_ = std::min(depth_, XVS_STOCK_SIZE);
    table_->set_low(index_, depth_ / 2);
}

bool ServiceStock::prepare(Scheduler& scheduler, const DestinationList& destinations) noexcept {
    if (depth_ == 0) return false;
    if (is_open_) {
        const std::uint32_t drawn = table_->drawn(index_);
        const bool is_behind = drawn - decided_ > 2 * kMayBePutBack;
        if (is_behind && foresight_ == Foresight::Turns)
            decide_until(scheduler, destinations, drawn - kMayBePutBack);
        return stocked_ < kLongEpoch;
    }
    if (foresight_ == Foresight::Turns) twin_->take_turn_of(scheduler);
    decided_ = 0;
    stocked_ = 0;
    is_open_ = true;
    return true;
}

std::uint32_t ServiceStock::room(const DestinationList& destinations) const noexcept {
    const std::uint32_t left = table_->left(index_);
    std::uint32_t most = left < depth_ ? depth_ - left : 0;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        const std::uint32_t upper = each->config.upper_threshold;
        if (upper == 0 || each->is_overloaded) continue;
        // The one that reaches the threshold is the engine's.
        const std::uint32_t taken = each->total_connections + each->stocked_connections + 1;
        most = std::min(most, upper > taken ? upper - taken : 0);
    }
    return most;
}

ServiceStock::Deciding::Deciding(ServiceStock& stock,
                                 Scheduler& scheduler,
                                 const DestinationList& destinations) noexcept
    : stock_(stock), scheduler_(scheduler), destinations_(destinations) {
    if (stock_.foresight_ != Foresight::Counts) return;
    for (DestinationState* each = destinations_.first(); each != nullptr; each = each->next)
        pretend(*each, stock_.key_, each->stocked_connections);
}

ServiceStock::Deciding::~Deciding() {
    if (stock_.foresight_ != Foresight::Counts) return;
    for (DestinationState* each = destinations_.first(); each != nullptr; each = each->next)
        pretend(*each, stock_.key_, 0 - each->stocked_connections);
}

DestinationState* ServiceStock::Deciding::decide() noexcept {
    Scheduler& decider = stock_.foresight_ == Foresight::Counts ? scheduler_ : *stock_.twin_;
    return decider.schedule(destinations_, stock_.request());
}

void ServiceStock::Deciding::put(const xvs_decision& decision,
                                 DestinationState& destination) noexcept {
    stock_.destinations_[stock_.stocked_++ % XVS_STOCK_SIZE] = &destination;
    ++destination.stocked_connections;
    if (stock_.foresight_ == Foresight::Counts) pretend(destination, stock_.key_, 1);
    stock_.table_->outstanding().add(stock_.family(), 1);
    stock_.table_->put(stock_.index_, decision);
}

DestinationState* ServiceStock::draw(flow::TranslationTable& translations) noexcept {
    if (!is_open_) return nullptr;
    const auto drawn = table_->draw(index_);
    if (!drawn) return nullptr;
    table_->outstanding().take(family(), 1);
    release(drawn->decision, translations);
    DestinationState* const destination = destinations_[drawn->number % XVS_STOCK_SIZE];
    --destination->stocked_connections;
    return destination;
}

void ServiceStock::end(Scheduler* scheduler,
                       const DestinationList& destinations,
                       flow::TranslationTable& translations) noexcept {
    if (!is_open_) return;
    is_open_ = false;
    const flow::StockTable::Epoch ended = table_->begin_epoch(index_);
    if (foresight_ == Foresight::Turns) decide_until(*scheduler, destinations, ended.drawn);
    for (std::uint32_t number = ended.drawn; number != ended.stocked; ++number) {
        release(table_->at(index_, number), translations);
        --destinations_[number % XVS_STOCK_SIZE]->stocked_connections;
    }
    table_->outstanding().take(family(), ended.stocked - ended.drawn);
}

void ServiceStock::decide_until(Scheduler& scheduler,
                                const DestinationList& destinations,
                                std::uint32_t number) noexcept {
    for (; decided_ != number; ++decided_)
        (void)scheduler.schedule(destinations, request());
}

}  // namespace xvs::engine
