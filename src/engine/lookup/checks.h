// Checks: when each connection is to be looked at next, which a timer hands back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/page_allocator.h"
#include "base/timer_wheel.h"
#include "engine/ticks.h"

namespace xvs::engine {

// What is in the timer stays there, also when its connection ends before its time: the record's
// next connection needs no place of its own as long as that one comes no later. So a record has one
// place in the timer, and a second where a check was moved forward; when so many were that none is
// left for another second one, a check comes late. Thread: the worker. Nothing allocates after
// construction.
class Checks {
public:
    Checks(Tick now, std::uint32_t connections)
        : connections_(connections),
          wheel_(now, connections * kPlacesPerConnection),
          earliest_(PageAllocator<Tick>().allocate(connections), Pages{connections}) {}

    // Returns the tick at which a check that is wanted at `at` may be had: that, but nothing beyond
    // the timer's horizon.
    [[nodiscard]] Tick clamp(Tick at) const noexcept { return wheel_.clamp(at); }

    // Has advance() hand the connection back at tick `due` or before; later where there is no room.
    // REQUIRES: clamp(due) is `due`.
    void schedule(std::uint32_t connection, Tick due) noexcept {
        Tick& earliest = earliest_[connection];
        const bool is_waiting = earliest != kNone;
        if (is_waiting) {
            if (ticks_between(earliest, due) >= 0) return;
            if (wheel_.size() >= connections_ + waiting_) return;
        }
        if (!wheel_.schedule(connection, due)) return;
        if (!is_waiting) ++waiting_;
        earliest = due == kNone ? due + 1 : due;
    }

    // Hands back at most `limit` connections whose time has come, and returns how many. Each is to
    // be passed to take() then; one that is not due any more is to be scheduled again.
    template <class HandBack>
    std::size_t advance(Tick now, std::size_t limit, HandBack&& hand_back) noexcept {
        return wheel_.advance(now, limit, hand_back);
    }

    // Before take().
    [[gnu::always_inline]] void prefetch(std::uint32_t connection) const noexcept {
        __builtin_prefetch(&earliest_[connection], 1);
    }

    // Of a connection that was handed back by `now`.
    void take(std::uint32_t connection, Tick now) noexcept {
        Tick& earliest = earliest_[connection];
        // Else a check that another one was put before.
        if (earliest == kNone || ticks_between(earliest, now) < 0) return;
        earliest = kNone;
        --waiting_;
    }

private:
    static constexpr std::uint32_t kPlacesPerConnection = 2;
    static constexpr Tick kNone = 0;

    struct Pages {
        std::size_t count;

        void operator()(Tick* ticks) const noexcept {
            PageAllocator<Tick>().deallocate(ticks, count);
        }
    };

    std::uint32_t connections_;
    TimerWheel<> wheel_;
    // Of each connection that waits in the timer, when it is handed back first.
    std::unique_ptr<Tick[], Pages> earliest_;
    std::size_t waiting_ = 0;
};

}  // namespace xvs::engine
