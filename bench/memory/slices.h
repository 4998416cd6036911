// Slices: times two things by turns in short slices, so that what disturbs one disturbs the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace xvs::bench {

// Nanoseconds an item.
struct Summary {
    double median = 0;
    double minimum = 0;
    double maximum = 0;
    std::size_t samples = 0;
};

// Sorts `samples`. REQUIRES: there is one.
[[nodiscard]] Summary summarize(std::vector<double>& samples);

// Counts time in a unit of its own, whatever the machine: 10 ns a look.
class Stopwatch {
public:
    Stopwatch();

    [[nodiscard]] static std::uint64_t now() noexcept;

    // Returns how often somebody else was given this core meanwhile: what was timed across such a
    // moment is of no use.
    [[nodiscard]] static long interruptions() noexcept;

    [[nodiscard]] double to_nanoseconds(double time) const noexcept {
        return time * nanoseconds_each_;
    }

    [[nodiscard]] double to_nanoseconds(std::uint64_t time) const noexcept {
        return to_nanoseconds(static_cast<double>(time));
    }

private:
    double nanoseconds_each_ = 1;
};

struct Comparison {
    Summary subject;   // ns an item
    Summary skeleton;  // ns an item
    double ratio = 0;  // the median of the rounds' own ratios
};

// Gathers rounds: a slice of either.
class Rounds {
public:
    void add(double subject, double skeleton) {
        subjects_.push_back(subject);
        skeletons_.push_back(skeleton);
        ratios_.push_back(subject / skeleton);
    }

    [[nodiscard]] Comparison comparison() {
        return {.subject = summarize(subjects_),
                .skeleton = summarize(skeletons_),
                .ratio = summarize(ratios_).median};
    }

private:
    std::vector<double> subjects_;
    std::vector<double> skeletons_;
    std::vector<double> ratios_;
};

struct SliceOptions {
    std::size_t rounds = 200;
    std::size_t bursts = 16;  // of a slice
    std::size_t items_of_burst = 32;
    std::size_t warm_up_bursts = 256;  // of either
};

// Calls `prepare()` before each burst, untimed, then times `run()`. Returns the time of a slice
// that was not interrupted, the shortest of some that were if there is none.
template <class Prepare, class Run>
[[nodiscard]] std::uint64_t time_slice(std::size_t bursts, Prepare&& prepare, Run&& run) {
    constexpr int kTries = 20;
    std::uint64_t least = ~std::uint64_t{0};
    for (int i = 0; i < kTries; ++i) {
        const long before = Stopwatch::interruptions();
        std::uint64_t spent = 0;
        for (std::size_t burst = 0; burst < bursts; ++burst) {
            prepare();
            const std::uint64_t begin = Stopwatch::now();
            run();
            spent += Stopwatch::now() - begin;
        }
        least = std::min(least, spent);
        if (Stopwatch::interruptions() == before) return spent;
    }
    return least;
}

// Both are prepared by `prepare()`: `skeleton()` and `subject()` get the same kind of burst.
template <class Prepare, class PrepareSkeleton, class Subject, class Skeleton>
[[nodiscard]] Comparison compare(const Stopwatch& watch,
                                 const SliceOptions& options,
                                 Prepare&& prepare,
                                 PrepareSkeleton&& prepare_skeleton,
                                 Subject&& subject,
                                 Skeleton&& skeleton) {
    (void)time_slice(options.warm_up_bursts, prepare, subject);
    (void)time_slice(options.warm_up_bursts, prepare_skeleton, skeleton);
    Rounds rounds;
    const auto items = static_cast<double>(options.bursts * options.items_of_burst);
    for (std::size_t round = 0; round < options.rounds; ++round) {
        rounds.add(
            watch.to_nanoseconds(time_slice(options.bursts, prepare, subject)) / items,
            watch.to_nanoseconds(time_slice(options.bursts, prepare_skeleton, skeleton)) / items);
    }
    return rounds.comparison();
}

// Adds up what bursts and the timers between them take, which come in lumps.
class LumpTimer {
public:
    template <class Run>
    void time_burst(Run&& run) {
        ++bursts_;
        const long before = Stopwatch::interruptions();
        const std::uint64_t begin = Stopwatch::now();
        run();
        const std::uint64_t spent = Stopwatch::now() - begin;
        if (Stopwatch::interruptions() != before) return;
        burst_time_ += spent;
        ++timed_bursts_;
    }

    // `run()` returns how many connections it has ended.
    template <class Run>
    void time_expiry(Run&& run) {
        const long before = Stopwatch::interruptions();
        const std::uint64_t begin = Stopwatch::now();
        const std::size_t ended = run();
        const std::uint64_t spent = Stopwatch::now() - begin;
        ended_ += ended;
        if (Stopwatch::interruptions() != before) return;
        expiry_time_ += spent;
        timed_ended_ += ended;
    }

    // Returns the time of all bursts and expiries, the interrupted ones taken as the others.
    [[nodiscard]] double total() const noexcept {
        const auto each = [](std::uint64_t time, std::size_t count) {
            return count == 0 ? 0 : static_cast<double>(time) / static_cast<double>(count);
        };
        return each(burst_time_, timed_bursts_) * static_cast<double>(bursts_) +
               each(expiry_time_, timed_ended_) * static_cast<double>(ended_);
    }

private:
    std::uint64_t burst_time_ = 0;
    std::uint64_t expiry_time_ = 0;
    std::size_t bursts_ = 0;
    std::size_t timed_bursts_ = 0;
    std::size_t ended_ = 0;
    std::size_t timed_ended_ = 0;
};

}  // namespace xvs::bench
