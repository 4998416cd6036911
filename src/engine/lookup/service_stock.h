// ServiceStock: a service's next decisions in shared memory, and the twin of its scheduler that has
// made them.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/lookup/destination_state.h"
#include "engine/schedule/scheduler.h"
#include "flow/stock_table.h"
#include "flow/translation_table.h"

namespace xvs::engine {

// While it is open, the service's scheduler stands at or before what was drawn last, and its twin
// behind what was stocked last; once it has ended, the scheduler has decided all that was drawn.
// Thread: who holds the service's lock; the packet path allocates nothing.
class ServiceStock {
public:
    // Gives it a place in the tables. `family` is the service's, 4 or 6.
    void attach(flow::StockTable& table,
                std::uint32_t index,
                std::uint32_t depth,
                std::uint8_t family);

    // REQUIRES: it has ended.
    void detach();

    [[nodiscard]] bool is_attached() const noexcept { return table_ != nullptr; }

    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

    // Of the service's new scheduler. REQUIRES: it has ended.
    void set_twin(std::unique_ptr<Scheduler> twin) noexcept { twin_ = std::move(twin); }

    // Whether decisions may be put in and drawn.
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }

    // Opens it, or brings the scheduler near to what was drawn last. Returns false where the
    // scheduler cannot decide ahead of time, or a real server has a threshold.
    bool prepare(Scheduler& scheduler, const DestinationList& destinations) noexcept;

    // Returns the real server that the next decision to be put in is for, or nullptr.
    [[nodiscard]] DestinationState* decide(const DestinationList& destinations) noexcept;

    // How many decisions are to be put in now. REQUIRES: it is open.
    [[nodiscard]] std::uint32_t room() const noexcept;

    void put(const xvs_decision& decision, const DestinationState& destination) noexcept;

    // Takes the next decision; returns the index of its real server, or XVS_NONE where there is
    // none. Its translations are released.
    [[nodiscard]] std::uint32_t draw(flow::TranslationTable& translations) noexcept;

    // Whether it is open and half empty.
    [[nodiscard]] bool is_low() const noexcept {
        return is_open_ && table_->left(index_) <= depth_ / 2;
    }

    // Voids what is left, and has `scheduler` decide what was drawn. To be called before each
    // change of the list or of a real server in it, open or not.
    void end(Scheduler* scheduler,
             const DestinationList& destinations,
             flow::TranslationTable& translations) noexcept;

    // Noted once for all that happens in a burst.
    bool is_waiting = false;

private:
    // An epoch's decisions are numbered by 32 bits.
    static constexpr std::uint32_t kLongEpoch = 1U << 30;
    // Each CPU may put back what it has just drawn: so much may be undrawn again.
    static constexpr std::uint32_t kMayBePutBack = 1024;

    // Cost: by the list's length after a change, else none.
    [[nodiscard]] bool has_limits(const DestinationList& destinations) noexcept;

    void decide_until(Scheduler& scheduler,
                      const DestinationList& destinations,
                      std::uint32_t number) noexcept;

    flow::StockTable* table_ = nullptr;
    std::uint32_t index_ = XVS_NONE;
    std::uint32_t depth_ = 0;
    std::uint8_t family_ = 4;
    bool is_open_ = false;
    bool knows_limits_ = false;
    bool has_limits_ = false;
    std::uint32_t decided_ = 0;  // by the scheduler itself, in this epoch
    std::uint32_t stocked_ = 0;  // by the twin
    std::unique_ptr<Scheduler> twin_;
    std::unique_ptr<std::uint32_t[]> destinations_;  // of each place in the ring
};

}  // namespace xvs::engine
