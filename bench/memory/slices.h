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

    [[nodiscard]] double to_nanoseconds(std::uint64_t time) const noexcept {
        return static_cast<double>(time) * nanoseconds_each_;
    }

private:
    double nanoseconds_each_ = 1;
};

struct Comparison {
    Summary subject;   // ns an item
    Summary skeleton;  // ns an item
    double ratio = 0;  // the median of the rounds' own ratios
};

struct SliceOptions {
    std::size_t rounds = 200;
    std::size_t bursts = 16;  // of a slice
    std::size_t items_of_burst = 32;
    std::size_t warm_up_bursts = 256;  // of either
};

// Calls `prepare()` before each burst, untimed, then times `run()`.
template <class Prepare, class Run>
[[nodiscard]] std::uint64_t time_slice(std::size_t bursts, Prepare&& prepare, Run&& run) {
    std::uint64_t spent = 0;
    for (std::size_t i = 0; i < bursts; ++i) {
        prepare();
        const std::uint64_t begin = Stopwatch::now();
        run();
        spent += Stopwatch::now() - begin;
    }
    return spent;
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
    std::vector<double> subjects;
    std::vector<double> skeletons;
    std::vector<double> ratios;
    const auto items = static_cast<double>(options.bursts * options.items_of_burst);
    for (std::size_t round = 0; round < options.rounds; ++round) {
        const double one =
            watch.to_nanoseconds(time_slice(options.bursts, prepare, subject)) / items;
        const double other =
            watch.to_nanoseconds(time_slice(options.bursts, prepare_skeleton, skeleton)) / items;
        subjects.push_back(one);
        skeletons.push_back(other);
        ratios.push_back(one / other);
    }
    return {.subject = summarize(subjects),
            .skeleton = summarize(skeletons),
            .ratio = summarize(ratios).median};
}

}  // namespace xvs::bench
