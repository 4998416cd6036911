// StockTable: the next decisions for new connections, which programs in the kernel draw.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "base/sharing_mutex.h"
#include "flow/grace_period.h"
#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// Stocks are given to services, which keep them until they are removed. Decisions of an epoch are
// numbered from 0. Thread: for one stock who holds its service's lock, but draws, which programs
// make at any time.
class StockTable {
public:
    // An epoch that was left behind: decisions up to `drawn` were drawn, those up to `stocked` are
    // void.
    struct Epoch {
        std::uint32_t drawn = 0;
        std::uint32_t stocked = 0;
    };

    struct Drawn {
        std::uint32_t number = 0;  // in its epoch
        xvs_decision decision{};
    };

    // There may be none; each comes with its shares.
    StockTable(std::span<xvs_stock> stocks,
               std::span<xvs_decision> decisions,
               std::span<xvs_places> places,
               GracePeriod& grace) noexcept;

    // Several workers are to use it. REQUIRES: none has begun.
    void share() noexcept { outstanding_.share(); }

    // Returns one that nobody has, empty, or XVS_NONE; one that was freed only when no program can
    // take it for the former service's any more. Thread: under the gates of all workers, as
    // for the next.
    [[nodiscard]] std::uint32_t allocate();
    // REQUIRES: its epoch was ended, and nothing was put in since.
    void free(std::uint32_t stock);

    // Has decisions be drawn in turn.
    void make_whole(std::uint32_t stock) noexcept;

    // Parts its ring into at least `count` shares, each a stock of its own in all that follows,
    // which hold nothing; programs find none of them until open_shares(). Returns how many
    // decisions a share has room for. REQUIRES: its epoch has ended, and those of its shares.
    // `count` is 1 to XVS_SHARES.
    std::uint32_t part(std::uint32_t stock, std::uint32_t count) noexcept;

    [[nodiscard]] std::uint32_t share(std::uint32_t stock, std::uint32_t number) const noexcept {
        return count_ + stock * XVS_SHARES + number;
    }

    // Which share is whose, of a stock that is not open.
    [[nodiscard]] xvs_places& places(std::uint32_t stock) noexcept { return places_[stock]; }

    // Clients have shares from here on, by places of `kind` (XVS_STOCK_*).
    void open_shares(std::uint32_t stock, std::uint32_t kind) noexcept;

    // How many decisions of the present epoch are there and not drawn.
    [[nodiscard]] std::uint32_t left(std::uint32_t stock) const noexcept;
    // How many were drawn in this epoch.
    [[nodiscard]] std::uint32_t drawn(std::uint32_t stock) const noexcept;

    // Puts a decision behind the others. REQUIRES: left() < XVS_STOCK_SIZE.
    void put(std::uint32_t stock, const xvs_decision& decision) noexcept;

    [[nodiscard]] std::optional<Drawn> draw(std::uint32_t stock) noexcept;

    // Voids what is left, and returns how far it had come. From here on a program that is about to
    // draw draws nothing.
    Epoch begin_epoch(std::uint32_t stock) noexcept;

    // The one with that number in the epoch that begin_epoch() has ended just now.
    [[nodiscard]] const xvs_decision& at(std::uint32_t stock, std::uint32_t number) const noexcept {
        const xvs_stock& record = stocks_[stock];
        return decisions_[record.first + number % record.size];
    }

    // Whoever finds so many left first, or fewer, is to go to the engine.
    void set_low(std::uint32_t stock, std::uint32_t low) noexcept {
        if (load_relaxed(stocks_[stock].low) != low) store_relaxed(stocks_[stock].low, low);
    }

    // Decisions of a family that were put in and of which nothing has become yet: neither void, nor
    // drawn by the engine, nor known to be drawn by a program.
    class Outstanding {
    public:
        void share() noexcept { is_shared_ = true; }

        void add(std::uint8_t family, std::uint32_t count) noexcept {
            std::uint32_t& sum = counts_[family == 4 ? 0 : 1];
            if (is_shared_) {
                add_relaxed(sum, count);
            } else {
                sum += count;
            }
        }

        // What an earlier daemon had put in was never counted.
        void take(std::uint8_t family, std::uint32_t count) noexcept {
            std::uint32_t& sum = counts_[family == 4 ? 0 : 1];
            std::uint32_t before = load_relaxed(sum);
            while (!swap_if(sum, before, before > count ? before - count : 0))
                before = load_relaxed(sum);
        }

        [[nodiscard]] std::uint32_t of(std::uint8_t family) const noexcept {
            return load_relaxed(counts_[family == 4 ? 0 : 1]);
        }

    private:
        std::uint32_t counts_[2]{};
        bool is_shared_ = false;
    };

    [[nodiscard]] Outstanding& outstanding() noexcept { return outstanding_; }

private:
    struct Freed {
        std::uint32_t stock = 0;
        GracePeriod::Number period = 0;
    };

    void set_ring(std::uint32_t stock, std::uint32_t first, std::uint32_t size) noexcept;

    std::span<xvs_stock> stocks_;  // then the shares of each
    std::span<xvs_decision> decisions_;
    std::span<xvs_places> places_;
    std::uint32_t count_;  // of stocks
    GracePeriod& grace_;
    std::uint32_t fresh_ = 0;  // those from here on were never given away
    std::deque<Freed> free_;   // the oldest first
    Outstanding outstanding_;
};

}  // namespace xvs::flow
