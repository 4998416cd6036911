// Duel: one story, told to kernel IPVS and to the engine side by side, and compared after each
// step.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/netlink/client.h"
#include "testing/engine_target.h"
#include "tests/differential/kernel_tables.h"
#include "tests/differential/kernel_target.h"
#include "tests/differential/random_story.h"

namespace xvs::test {

// A kernel director that stories are told to one after the other.
struct Opponent {
    Opponent(const FarNamespace& far, unsigned number);

    // Whether nothing is left of the story before; waits for it for a moment.
    [[nodiscard]] bool is_clean();

    KernelTarget kernel;
    control::netlink::Client client;
};

class Duel {
public:
    enum class State : std::uint8_t { Waiting, Over, Differs };

    using Clock = std::chrono::steady_clock;

    // How long a Wait takes: longer than any timeout of a story that ends within it, by so much
    // that clocks do not matter.
    static constexpr std::chrono::milliseconds kWait{3200};

    Duel(Opponent& opponent, std::uint64_t seed, Story story);
    // Leaves the opponent without services.
    ~Duel();
    Duel(const Duel&) = delete;
    Duel& operator=(const Duel&) = delete;

    // Goes on until the next wait, which is over at due(), or the end.
    State go_on();

    [[nodiscard]] Clock::time_point due() const noexcept { return due_; }

    // Whether it took so long between two waits that timeouts of a second may have ended within:
    // then a difference means nothing.
    [[nodiscard]] bool was_slow() const noexcept { return was_slow_; }

    // What differs, in sentences.
    [[nodiscard]] const std::string& difference() const noexcept { return difference_; }

    // What has happened so far, as a scenario: expectations are the kernel's.
    [[nodiscard]] const std::string& scenario() const noexcept { return scenario_; }

private:
    // A packet that a real server got, and who that is.
    struct Delivery {
        const TestHost* to = nullptr;
        Packet packet;
    };

    void take(const StoryStep& step);
    void take_line(const std::string& line, unsigned flow);
    void edit(const std::string& line, const ServiceStep& step);
    void set_sysctl(const SysctlStep& step);
    void answer(const StoryStep& step);
    void report_error(const StoryStep& step);
    void send(const std::string& line, const SendStep& step, unsigned flow);
    void allow_for_limit(std::vector<Sighting>& sightings);
    void compare_packets(std::vector<Sighting> kernel, std::vector<Sighting> engine, unsigned flow);
    void compare_tables(bool with_statistics);
    [[nodiscard]] std::string difference_of_tables(bool with_statistics);
    [[nodiscard]] static std::string difference_of_connections(const Tables& kernel,
                                                               const Tables& engine);
    void differ(std::string what);
    void catch_up();

    Opponent& opponent_;
    Story story_;
    std::size_t next_ = 0;
    EngineTarget engine_;
    Clock::time_point began_ = Clock::now();
    Clock::time_point engine_now_ = began_;
    Clock::time_point due_{};
    std::map<unsigned, Delivery> delivered_;
    std::map<net::Family, unsigned> errors_to_;  // the director's own, to all
    bool expires_at_once_ = false;  // expire_nodest_conn, which the kernel does a tick later
    bool was_slow_ = false;
    bool has_sent_ = false;     // since the last wait
    bool counts_agree_ = true;  // with the kernel's of two seconds ago
    std::string difference_;
    std::string scenario_;
};

}  // namespace xvs::test
