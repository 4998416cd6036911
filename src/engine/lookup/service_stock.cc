#include "engine/lookup/service_stock.h"

#include <algorithm>

namespace xvs::engine {
namespace {

void release(const xvs_decision& decision, flow::TranslationTable& translations) noexcept {
    for (const std::uint32_t each : {decision.inbound, decision.outbound}) {
        if (each != XVS_NONE) translations.release(each);
    }
}

}  // namespace

void ServiceStock::attach(flow::StockTable& table,
                          std::uint32_t index,
                          std::uint32_t depth,
                          std::uint8_t family) {
    table_ = &table;
    index_ = index;
    depth_ = std::clamp(depth, 1U, XVS_STOCK_SIZE);
    family_ = family;
    destinations_ = std::make_unique<std::uint32_t[]>(XVS_STOCK_SIZE);
    table.set_low(index, depth_ / 2);
}

void ServiceStock::detach() {
    if (table_ == nullptr) return;
    table_->free(index_);
    table_ = nullptr;
}

bool ServiceStock::prepare(Scheduler& scheduler, const DestinationList& destinations) noexcept {
    if (is_open_) {
        const std::uint32_t drawn = table_->drawn(index_);
        if (drawn - decided_ > 2 * kMayBePutBack)
            decide_until(scheduler, destinations, drawn - kMayBePutBack);
        return stocked_ < kLongEpoch;
    }
    if (has_limits(destinations) || twin_ == nullptr || !twin_->take_turn_of(scheduler))
        return false;
    decided_ = 0;
    stocked_ = 0;
    is_open_ = true;
    return true;
}

DestinationState* ServiceStock::decide(const DestinationList& destinations) noexcept {
    return twin_->schedule(destinations, {});
}

std::uint32_t ServiceStock::room() const noexcept {
    const std::uint32_t left = table_->left(index_);
    return left < depth_ ? depth_ - left : 0;
}

void ServiceStock::put(const xvs_decision& decision, const DestinationState& destination) noexcept {
    destinations_[stocked_++ % XVS_STOCK_SIZE] = destination.index;
    table_->outstanding().add(family_, 1);
    table_->put(index_, decision);
}

std::uint32_t ServiceStock::draw(flow::TranslationTable& translations) noexcept {
    if (!is_open_) return XVS_NONE;
    const auto drawn = table_->draw(index_);
    if (!drawn) return XVS_NONE;
    table_->outstanding().take(family_, 1);
    release(drawn->decision, translations);
    return destinations_[drawn->number % XVS_STOCK_SIZE];
}

void ServiceStock::end(Scheduler* scheduler,
                       const DestinationList& destinations,
                       flow::TranslationTable& translations) noexcept {
    knows_limits_ = false;
    if (!is_open_) return;
    is_open_ = false;
    const flow::StockTable::Epoch ended = table_->begin_epoch(index_);
    decide_until(*scheduler, destinations, ended.drawn);
    for (std::uint32_t number = ended.drawn; number != ended.stocked; ++number)
        release(table_->at(index_, number), translations);
    table_->outstanding().take(family_, ended.stocked - ended.drawn);
}

bool ServiceStock::has_limits(const DestinationList& destinations) noexcept {
    if (knows_limits_) return has_limits_;
    knows_limits_ = true;
    has_limits_ = false;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next)
        has_limits_ |= each->config.upper_threshold != 0;
    return has_limits_;
}

void ServiceStock::decide_until(Scheduler& scheduler,
                                const DestinationList& destinations,
                                std::uint32_t number) noexcept {
    for (; decided_ != number; ++decided_)
        (void)scheduler.schedule(destinations, {});
}

}  // namespace xvs::engine
