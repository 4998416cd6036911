// random_differential FIRST-SEED COUNT SECONDS [FOLDER]: tells random stories to kernel IPVS and to
// the engine side by side, as root under a kernel with IPVS, none after so many seconds, and leaves
// those that differ in FOLDER as scenarios. FOLDER/progress says how far it is. tests/differential/
// run --random boots a kernel for it.
#include <algorithm>
#include <bitset>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/differential/duel.h"
#include "tests/differential/sockets.h"

namespace xvs::test {
namespace {

using Clock = Duel::Clock;

// Stories wait most of their time, so many are told at once. A user-mode kernel maps each page of
// a process by itself, of which the machine below it allows 65,530 (vm.max_map_count): a director
// of the engine takes some 500 pages.
constexpr std::size_t kDirectors = 40;
constexpr unsigned kMostTellings = 5;   // of a story that the machine was too slow for
constexpr unsigned kMostShrunk = 5;     // differences
constexpr unsigned kLeastCompared = 4;  // one story of so many
constexpr auto kTimeToShrink = std::chrono::seconds(30);
constexpr auto kTimeToDoubt = std::chrono::seconds(120);  // for all that differ at first
// What a story does between two waits takes less, unless it hangs; then SIGALRM ends all.
constexpr unsigned kMostSeconds = 60;

struct Seat {
    std::unique_ptr<Opponent> opponent;
    std::bitset<kStoriesApart> heard;  // places of stories that the opponent knows
    std::unique_ptr<Duel> duel;
    std::uint64_t seed = 0;
    Clock::time_point due{};
};

struct Verdict {
    Duel::State state = Duel::State::Over;
    bool was_slow = false;
    std::string difference;
    std::string scenario;
};

class Tournament {
public:
    Tournament(std::uint64_t first,
               std::uint64_t count,
               std::chrono::seconds within,
               std::string folder)
        : folder_(std::move(folder)), count_(count), last_begin_(Clock::now() + within) {
        for (std::uint64_t seed = first; seed != first + count; ++seed)
            untold_.push_back(seed);
    }

    // Succeeds when no story differs and enough of them could be compared to say so.
    int run() {
        const auto began = Clock::now();
        seats_.resize(std::min(kDirectors, untold_.size()));
        for (Seat& seat : seats_)
            begin_next(seat);
        while (Seat* seat = earliest()) {
            std::this_thread::sleep_until(seat->due);
            go_on(*seat);
        }
        seats_.clear();
        const auto last_doubt = Clock::now() + kTimeToDoubt;
        for (const std::uint64_t seed : doubted_)
            tell_again(seed, last_doubt);
        const std::chrono::duration<double> took = Clock::now() - began;
        const std::size_t agree = count_ - differing_ - slow_ - untold_.size();
        fmt::print(
            "{} random stories: {} agree with kernel IPVS, {} differ, {} were too slow to "
            "compare, {} were not told in time ({:.1f} s)\n",
            count_,
            agree,
            differing_,
            slow_,
            untold_.size(),
            took.count());
        return differing_ == 0 && agree >= count_ / kLeastCompared ? 0 : 1;
    }

private:
    Seat* earliest() {
        Seat* first = nullptr;
        for (Seat& seat : seats_) {
            if (seat.duel && (first == nullptr || seat.due < first->due)) first = &seat;
        }
        return first;
    }

    // A director's trash remembers the real servers of its stories.
    void seat_opponent(Seat& seat) {
        if (seat.opponent && seat.opponent->is_clean()) return;
        seat.opponent.reset();
        far_.enter();
        seat.opponent = std::make_unique<Opponent>(far_, ++number_);
        seat.heard.reset();
    }

    void begin(Seat& seat, std::uint64_t seed, Story story) {
        seat.seed = seed;
        seat.heard.set(seed % kStoriesApart);
        seat.duel = std::make_unique<Duel>(*seat.opponent, seed, std::move(story));
        seat.due = Clock::now();
    }

    void begin_next(Seat& seat) {
        seat.duel.reset();
        if (untold_.empty() || Clock::now() >= last_begin_) return seat.opponent.reset();
        seat_opponent(seat);
        auto next = std::find_if(untold_.begin(), untold_.end(), [&](std::uint64_t seed) {
            return !seat.heard.test(seed % kStoriesApart);
        });
        if (next == untold_.end()) {
            seat.opponent.reset();
            seat_opponent(seat);
            next = untold_.begin();
        }
        const std::uint64_t seed = *next;
        untold_.erase(next);
        begin(seat, seed, make_story(seed));
    }

    // Says first what comes, for whoever finds that nothing came after.
    void say_progress(std::uint64_t seed) {
        ::alarm(kMostSeconds);
        if (folder_.empty()) return;
        std::ofstream(folder_ + "/progress")
            << fmt::format("{} of {} stories told, {} to doubt; seed {} goes on\n",
                           told_,
                           count_,
                           doubted_.size(),
                           seed);
    }

    void go_on(Seat& seat) {
        say_progress(seat.seed);
        const Duel::State state = seat.duel->go_on();
        if (state == Duel::State::Waiting) {
            seat.due = seat.duel->due();
            return;
        }
        ++told_;
        if (state == Duel::State::Differs) doubted_.push_back(seat.seed);
        begin_next(seat);
    }

    // To a director that has heard no other, with nobody else at the same time.
    Verdict tell(std::uint64_t seed, const Story& story) {
        Seat seat;
        seat_opponent(seat);
        begin(seat, seed, story);
        say_progress(seed);
        Duel::State state = Duel::State::Waiting;
        while ((state = seat.duel->go_on()) == Duel::State::Waiting) {
            say_progress(seed);
            std::this_thread::sleep_until(seat.duel->due());
        }
        return {.state = state,
                .was_slow = seat.duel->was_slow(),
                .difference = seat.duel->difference(),
                .scenario = seat.duel->scenario()};
    }

    // What took too long between two waits may have met a timeout on one side only: only what
    // differs in good time, and by itself, counts.
    void tell_again(std::uint64_t seed, Clock::time_point deadline) {
        const Story story = make_story(seed);
        for (unsigned telling = 0; telling < kMostTellings && Clock::now() < deadline; ++telling) {
            Verdict verdict = tell(seed, story);
            if (verdict.state != Duel::State::Differs) return;
            if (verdict.was_slow) continue;
            ++differing_;
            return report(seed, story, std::move(verdict));
        }
        ++slow_;
        fmt::print("seed {}: the machine was too slow for it again and again\n", seed);
    }

    // The kernel has the rules for marks from the start, so they stay.
    static Story without(const Story& story, std::size_t at, std::size_t count) {
        Story shorter;
        for (std::size_t i = 0; i < story.size(); ++i) {
            const bool is_wanted = i < at || i - at >= count;
            // Zeroing belongs to the wait before it.
            const bool is_zeroing =
                story[i].text.starts_with("service -Z") &&
                (shorter.empty() || shorter.back().kind != StoryStep::Kind::Wait);
            if ((is_wanted && !is_zeroing) || story[i].text.starts_with("mark "))
                shorter.push_back(story[i]);
        }
        return shorter;
    }

    // Drops steps, many at once and then fewer, while it still differs.
    Story shrunk(std::uint64_t seed, Story story, Verdict& worst) {
        const auto deadline = Clock::now() + kTimeToShrink;
        for (std::size_t chunk = story.size() / 2; chunk > 0; chunk /= 2) {
            for (std::size_t at = 0; at < story.size() && Clock::now() < deadline;) {
                Story shorter = without(story, at, chunk);
                Verdict verdict;
                if (shorter.size() != story.size()) verdict = tell(seed, shorter);
                if (verdict.state == Duel::State::Differs && !verdict.was_slow) {
                    story = std::move(shorter);
                    worst = std::move(verdict);
                } else {
                    at += chunk;
                }
            }
        }
        return story;
    }

    void report(std::uint64_t seed, const Story& story, Verdict verdict) {
        const std::size_t steps =
            differing_ <= kMostShrunk ? shrunk(seed, story, verdict).size() : story.size();
        fmt::print(
            "\nseed {} differs (steps: {}, shrunk to {}); alone: "
            "tests/differential/run --random {} 1\n{}{}\n",
            seed,
            story.size(),
            steps,
            seed,
            verdict.scenario,
            verdict.difference);
        std::fflush(stdout);
        if (folder_.empty()) return;
        std::string remarks = fmt::format("# Seed {}: what the kernel said.\n#", seed);
        for (const char each : verdict.difference)
            remarks += each == '\n' ? std::string("\n#") : std::string(1, each);
        std::ofstream file(fmt::format("{}/seed-{}.scenario", folder_, seed));
        file << remarks << "\n" << verdict.scenario << std::flush;
        if (!file) give_up("write a scenario into " + folder_, errno);
    }

    FarNamespace far_;
    std::string folder_;
    std::uint64_t count_;
    Clock::time_point last_begin_;
    std::uint64_t told_ = 0;
    std::vector<Seat> seats_;
    std::vector<std::uint64_t> untold_;
    std::vector<std::uint64_t> doubted_;
    unsigned number_ = 0;
    unsigned differing_ = 0;
    unsigned slow_ = 0;
};

}  // namespace
}  // namespace xvs::test

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::fputs("usage: random_differential FIRST-SEED COUNT SECONDS [FOLDER]\n", stderr);
        return 2;
    }
    xvs::test::give_way_to_the_kernel();
    return xvs::test::Tournament(std::strtoull(argv[1], nullptr, 10),
                                 std::strtoull(argv[2], nullptr, 10),
                                 std::chrono::seconds(std::strtoll(argv[3], nullptr, 10)),
                                 argc == 5 ? argv[4] : "")
        .run();
}
