// ServiceStock: a service's next decisions in shared memory, and the twin of its scheduler that has
// made them.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/lookup/destination_state.h"
#include "engine/schedule/scheduler.h"
#include "engine/ticks.h"
#include "flow/stock_table.h"
#include "flow/translation_table.h"
#include "model/virtual_service.h"

namespace xvs::engine {

// Of a scheduler that goes in turns, a twin runs ahead: while the stock is open, the scheduler
// stands at or before what was drawn last, and its twin behind what was stocked last; once it has
// ended, the scheduler has decided all that was drawn. One that compares counts decides as if what
// is stocked were connections already.
// Thread: who holds the service's lock; the packet path allocates nothing.
class ServiceStock {
public:
    // How many decisions are made ahead of time, by what they depend on; 0: none.
    struct Depths {
        std::uint32_t turns = 0;
        std::uint32_t counts = 0;  // and 1
    };

    // Gives it a place in the tables. `depths` must outlive it.
    void attach(flow::StockTable& table,
                std::uint32_t index,
                const Depths& depths,
                const model::ServiceKey& key);

    // REQUIRES: it has ended.
    void detach();

    [[nodiscard]] bool is_attached() const noexcept { return table_ != nullptr; }

    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

    // Of the service's new scheduler; there may be none. REQUIRES: it has ended.
    void set_twin(std::unique_ptr<Scheduler> twin) noexcept;

    // Whether decisions may be put in and drawn.
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }

    // Opens it, or brings the scheduler near to what was drawn last. Returns false where the
    // scheduler cannot decide ahead of time. `service_flags`: the service's.
    bool prepare(Scheduler& scheduler,
                 const DestinationList& destinations,
                 std::uint32_t service_flags,
                 Tick now) noexcept;

    // Whether the client decides, so that it has no order, and the scheduler itself is to be asked
    // for whoever comes to the engine.
    [[nodiscard]] bool is_by_client() const noexcept { return foresight_ == Foresight::Clients; }

    // Whether counts of connections decide.
    [[nodiscard]] bool is_by_counts() const noexcept { return foresight_ == Foresight::Counts; }

    // Whether so much was stocked that its epoch has to end.
    [[nodiscard]] bool is_spent() const noexcept { return stocked_ >= kLongEpoch; }

    // How many decisions are to be put in now: none where a real server is near its threshold.
    // REQUIRES: it is open. Cost: a look at each real server.
    [[nodiscard]] std::uint32_t room(const DestinationList& destinations) const noexcept;

    // Decides while it lives. Thread: with the service's lock, as all of it.
    class Deciding {
    public:
        Deciding(ServiceStock& stock,
                 Scheduler& scheduler,
                 const DestinationList& destinations) noexcept;
        Deciding(const Deciding&) = delete;
        Deciding& operator=(const Deciding&) = delete;
        ~Deciding();

        // Returns the real server that the next decision to be put in is for, or nullptr.
        [[nodiscard]] DestinationState* decide() noexcept;

        void put(const xvs_decision& decision, DestinationState& destination) noexcept;

    private:
        ServiceStock& stock_;
        Scheduler& scheduler_;
        const DestinationList& destinations_;
    };

    // Takes the next decision; returns its real server, or nullptr where there is none. Its
    // translations are released.
    [[nodiscard]] DestinationState* draw(flow::TranslationTable& translations) noexcept;

    // Whether it is open and half empty.
    [[nodiscard]] bool is_low() const noexcept;

    // The same of what is there for that real server, where the client decides.
    [[nodiscard]] bool is_low(const DestinationState& destination) const noexcept {
        if (!is_by_client()) return is_low();
        return is_open_ && destination.stock_share != XVS_NO_SHARE &&
               is_low_share(destination.stock_share);
    }

    // Its places in the table, each a ring: one, or the shares that it is parted into.
    template <class Visit>
    void for_each_ring(Visit&& visit) const {
        if (!is_by_client()) return visit(index_);
        for (std::uint32_t number = 0; number < shares_; ++number)
            visit(table_->share(index_, number));
    }

    // Has programs wake the engine as soon as it is low, where it is not.
    void watch() noexcept;

    // Voids what is left, and has `scheduler` decide what was drawn. To be called before each
    // change of the list or of a real server in it, open or not.
    void end(Scheduler* scheduler,
             const DestinationList& destinations,
             flow::TranslationTable& translations) noexcept;

    // Whether it holds decisions by counts, which age.
    [[nodiscard]] bool ages() const noexcept { return is_open_ && is_by_counts(); }

    // Noted once for all that happens in a burst.
    bool is_waiting = false;

private:
    // An epoch's decisions are numbered by 32 bits.
    static constexpr std::uint32_t kLongEpoch = 1U << 30;
    // Each CPU may put back what it has just drawn: so much may be undrawn again.
    static constexpr std::uint32_t kMayBePutBack = 1024;

    [[nodiscard]] ScheduleRequest request() const noexcept {
        ScheduleRequest made;
        made.virtual_address = key_.address;
        made.now = now_;
        return made;
    }

    [[nodiscard]] std::uint8_t family() const noexcept {
        return static_cast<std::uint8_t>(key_.family());
    }

    void set_depth() noexcept;
    [[nodiscard]] bool share_out(Scheduler& scheduler,
                                 const DestinationList& destinations,
                                 std::uint32_t service_flags) noexcept;
    [[nodiscard]] std::uint32_t find_share_with_room() noexcept;
    void end_share(std::uint32_t number, flow::TranslationTable& translations) noexcept;
    // A decision that nobody has drawn.
    void give_up(const xvs_decision& decision,
                 DestinationState& destination,
                 flow::TranslationTable& translations) noexcept;

    [[nodiscard]] bool is_low_share(std::uint32_t number) const noexcept {
        return table_->left(table_->share(index_, number)) <= depth_of_share_ / 2;
    }

    void decide_until(Scheduler& scheduler,
                      const DestinationList& destinations,
                      std::uint32_t number) noexcept;

    flow::StockTable* table_ = nullptr;
    std::uint32_t index_ = XVS_NONE;
    const Depths* depths_ = nullptr;
    std::uint32_t depth_ = 0;  // 0: the scheduler cannot, or is not to
    model::ServiceKey key_;
    Foresight foresight_ = Foresight::None;
    bool is_open_ = false;
    Tick now_ = 0;               // of the last that was put in
    std::uint32_t decided_ = 0;  // by the scheduler itself, in this epoch
    std::uint32_t stocked_ = 0;  // by the twin
    std::uint32_t shares_ = 0;   // where the client decides, as what follows
    std::uint32_t depth_of_share_ = 0;
    std::uint32_t next_share_ = 0;  // the first to be asked whether it has room
    std::unique_ptr<Scheduler> twin_;
    std::unique_ptr<DestinationState*[]>
        destinations_;  // of each place in the ring, or of each share
};

}  // namespace xvs::engine
