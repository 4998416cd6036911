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
    depth_ = foresight_ == Foresight::None ? 0
             : is_by_counts()              ? std::min(counts, depths_->turns)
                                           : depths_->turns;
    // The last one drawn by counts is looked up still.
    depth_ = std::min(depth_, is_by_counts() ? XVS_STOCK_SIZE - 1 : XVS_STOCK_SIZE);
}

bool ServiceStock::prepare(Scheduler& scheduler,
                           const DestinationList& destinations,
                           std::uint32_t service_flags,
                           Tick now) noexcept {
    if (depth_ == 0) return false;
    now_ = now;
    if (is_open_) {
        const std::uint32_t drawn = table_->drawn(index_);
        const bool is_behind = drawn - decided_ > 2 * kMayBePutBack;
        if (is_behind && foresight_ == Foresight::Turns)
            decide_until(scheduler, destinations, drawn - kMayBePutBack);
        return !is_spent();
    }
    if (is_by_client()) {
        if (!share_out(scheduler, destinations, service_flags)) return false;
    } else {
        table_->make_whole(index_);
    }
    if (foresight_ == Foresight::Turns) twin_->take_turn_of(scheduler);
    if (is_by_counts()) scheduler.note(request());
    decided_ = 0;
    stocked_ = 0;
    is_open_ = true;
    return true;
}

// A share for each real server that may be chosen. Where one has a threshold, the engine decides,
// and where there are more of them than shares.
bool ServiceStock::share_out(Scheduler& scheduler,
                             const DestinationList& destinations,
                             std::uint32_t service_flags) noexcept {
    shares_ = 0;
    next_share_ = 0;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        each->stock_share = XVS_NO_SHARE;
        if (each->config.upper_threshold != 0) return false;
        if (!each->is_eligible()) continue;
        if (shares_ == XVS_SHARES) return false;
        destinations_[shares_] = each;
        each->stock_share = shares_++;
    }
    if (shares_ == 0) return false;
    const std::uint32_t size = table_->part(index_, shares_);
    const std::uint32_t wanted = depth_ / (XVS_STOCK_SIZE / size);
    depth_of_share_ = std::clamp(wanted, 1U, size);
    const ClientTable table = scheduler.client_table(service_flags);
    for (std::uint32_t place = 0; place < table.places; ++place) {
        const DestinationState* const server =
            scheduler.at_place(destinations, place, service_flags);
        flow::store_relaxed(
            table_->places(index_).share[place],
            static_cast<std::uint8_t>(server != nullptr ? server->stock_share : XVS_NO_SHARE));
    }
    table_->open_shares(index_, table.kind);
    return true;
}

std::uint32_t ServiceStock::find_share_with_room() noexcept {
    for (std::uint32_t tried = 0; tried < shares_; ++tried) {
        const std::uint32_t number = (next_share_ + tried) % shares_;
        if (table_->left(table_->share(index_, number)) >= depth_of_share_) continue;
        next_share_ = number;
        return number;
    }
    return XVS_NO_SHARE;
}

bool ServiceStock::is_low() const noexcept {
    if (!is_open_) return false;
    if (!is_by_client()) return table_->left(index_) <= depth_ / 2;
    for (std::uint32_t number = 0; number < shares_; ++number) {
        if (is_low_share(number)) return true;
    }
    return false;
}

std::uint32_t ServiceStock::room(const DestinationList& destinations) const noexcept {
    if (is_by_client()) {
        std::uint32_t left = 0;
        for_each_ring([&](std::uint32_t ring) { left += table_->left(ring); });
        const std::uint32_t wanted = shares_ * depth_of_share_;
        return left < wanted ? wanted - left : 0;
    }
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
    if (!stock_.is_by_counts()) return;
    for (DestinationState* each = destinations_.first(); each != nullptr; each = each->next)
        pretend(*each, stock_.key_, each->stocked_connections);
}

ServiceStock::Deciding::~Deciding() {
    stock_.watch();
    if (!stock_.is_by_counts()) return;
    for (DestinationState* each = destinations_.first(); each != nullptr; each = each->next)
        pretend(*each, stock_.key_, 0 - each->stocked_connections);
}

// Has programs wake the engine when it is low. One that was late, and has done so by what was left
// before, is forgotten.
void ServiceStock::watch() noexcept {
    const std::uint32_t low = (is_by_client() ? depth_of_share_ : depth_) / 2;
    for_each_ring([&](std::uint32_t ring) {
        if (table_->left(ring) > low) table_->set_low(ring, low);
    });
}

DestinationState* ServiceStock::Deciding::decide() noexcept {
    if (stock_.is_by_client()) {
        const std::uint32_t share = stock_.find_share_with_room();
        return share == XVS_NO_SHARE ? nullptr : stock_.destinations_[share];
    }
    Scheduler& decider = stock_.is_by_counts() ? scheduler_ : *stock_.twin_;
    return decider.schedule(destinations_, stock_.request());
}

void ServiceStock::Deciding::put(const xvs_decision& decision,
                                 DestinationState& destination) noexcept {
    const bool is_by_client = stock_.is_by_client();
    if (!is_by_client) stock_.destinations_[stock_.stocked_ % XVS_STOCK_SIZE] = &destination;
    ++stock_.stocked_;
    ++destination.stocked_connections;
    if (stock_.is_by_counts()) pretend(destination, stock_.key_, 1);
    stock_.table_->outstanding().add(stock_.family(), 1);
    const std::uint32_t ring =
        is_by_client ? stock_.table_->share(stock_.index_, destination.stock_share) : stock_.index_;
    stock_.table_->put(ring, decision);
}

DestinationState* ServiceStock::draw(flow::TranslationTable& translations) noexcept {
    if (!is_open_ || is_by_client()) return nullptr;
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
    if (is_by_client()) {
        // Who has found a share before that draws none that is put in from here on.
        for (std::uint32_t number = 0; number < shares_; ++number)
            end_share(number, translations);
        return;
    }
    if (foresight_ == Foresight::Turns) decide_until(*scheduler, destinations, ended.drawn);
    if (is_by_counts() && scheduler != nullptr) {
        DestinationState* const last =
            ended.drawn == 0 ? nullptr : destinations_[(ended.drawn - 1) % XVS_STOCK_SIZE];
        scheduler->recall(request(), last);
    }
    for (std::uint32_t number = ended.drawn; number != ended.stocked; ++number)
        give_up(table_->at(index_, number), *destinations_[number % XVS_STOCK_SIZE], translations);
}

void ServiceStock::end_share(std::uint32_t number, flow::TranslationTable& translations) noexcept {
    const std::uint32_t share = table_->share(index_, number);
    const flow::StockTable::Epoch ended = table_->begin_epoch(share);
    for (std::uint32_t each = ended.drawn; each != ended.stocked; ++each)
        give_up(table_->at(share, each), *destinations_[number], translations);
}

void ServiceStock::give_up(const xvs_decision& decision,
                           DestinationState& destination,
                           flow::TranslationTable& translations) noexcept {
    release(decision, translations);
    --destination.stocked_connections;
    table_->outstanding().take(family(), 1);
}

void ServiceStock::decide_until(Scheduler& scheduler,
                                const DestinationList& destinations,
                                std::uint32_t number) noexcept {
    for (; decided_ != number; ++decided_)
        (void)scheduler.schedule(destinations, request());
}

}  // namespace xvs::engine
