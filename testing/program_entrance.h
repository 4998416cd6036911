// ProgramEntrance: the steering program itself, run in the kernel on one packet at a time
// (BPF_PROG_TEST_RUN), over the tables that the engine uses.
//
//     TestedProgram program({.replays = true});
//     EngineTarget target({.storage = &program.storage(), .cpus = program.cpus()});
//     const auto entrance = program.stand_before(target.director());
//     target.enter_by(**entrance);
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <sched.h>

#include "base/result.h"
#include "io/xdp_socket.h"
#include "net/prefix.h"
#include "offload/bpf_storage.h"
#include "offload/steering_maps.h"
#include "offload/steering_program.h"
#include "testing/entrance.h"

namespace xvs::test {

// Tables in BPF arrays that are emptied and used again by the next director: to make them, and to
// load a program, takes longer than a test.
class ReusedStorage final : public flow::Storage {
public:
    [[nodiscard]] Result<std::span<std::byte>> allocate(std::string_view name,
                                                        std::size_t element_size,
                                                        std::size_t count) override;

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return true; }

    [[nodiscard]] const offload::BpfStorage& arrays() const noexcept { return arrays_; }

private:
    offload::BpfStorage arrays_;
    std::map<std::string, std::span<std::byte>, std::less<>> known_;
};

// Packets are met by the CPU that they are to be met by, where this machine has it. The program's
// clock is the director's.
class ProgramEntrance final : public Entrance {
public:
    // Both must outlive it, and the program have been loaded for the director's tables.
    // `at_xdp`: each frame meets the program at XDP first, those of the client's side with a VLAN
    // tag, as on a trunk. `has_socket`: there is an AF_XDP socket, of number 0, that takes up what
    // the engine must see.
    ProgramEntrance(Director& director,
                    offload::SteeringProgram& program,
                    bool at_xdp,
                    bool has_socket);
    ~ProgramEntrance() override;

    Passage admit(const Bytes& frame, Side side) override;
    Passage release(const Bytes& frame, Side side) override;

    // Of a frame that is met by that CPU; by several threads at the same time, while nobody calls
    // anything else here, and ways out stay those that there were when this was made.
    // `at_last` is called when a program is about to run.
    Passage admit_by(
        unsigned cpu, const Bytes& frame, Side side, const std::function<void()>& at_last = [] {});

    // How many packets left without the engine.
    [[nodiscard]] std::uint64_t replays() const noexcept { return replays_; }

    // How many went up by AF_XDP.
    [[nodiscard]] std::uint64_t raised() const noexcept { return raised_; }

    // How many that arrived left at tc after XDP had passed them on.
    [[nodiscard]] std::uint64_t missed_at_xdp() const noexcept { return missed_at_xdp_; }

private:
    // What the program left of a frame.
    struct Outcome {
        int action = 0;
        Bytes frame;
        std::uint32_t mark = 0;
    };

    void serve(Side side);
    void serve_at_xdp();
    // Returns what left at XDP, or goes up from there; nothing if the frame goes on to tc.
    [[nodiscard]] std::optional<Passage> admit_at_xdp(unsigned cpu,
                                                      const Bytes& frame,
                                                      Side side,
                                                      const std::function<void()>& at_last);
    [[nodiscard]] Passage admit_at_tc(unsigned cpu,
                                      const Bytes& frame,
                                      Side side,
                                      const std::function<void()>& at_last);
    void set_clock() const;
    static void pin(unsigned cpu);

    [[nodiscard]] Outcome run(offload::SteeringPart part, const Bytes& frame) const {
        return run(part, frame, cpu(), [] {});
    }

    [[nodiscard]] Outcome run(offload::SteeringPart part,
                              const Bytes& frame,
                              unsigned cpu,
                              const std::function<void()>& at_last) const;
    // Of a frame that goes nowhere.
    [[nodiscard]] Passage dropped(const Bytes& frame);
    [[nodiscard]] Passage raise(const Outcome& outcome, const Bytes& frame, Side side);
    [[nodiscard]] Passage judge(Outcome outcome, const Bytes& frame, Side side);

    Director& director_;
    offload::SteeringProgram& program_;
    offload::SteeringMaps maps_;
    bool at_xdp_;
    bool has_socket_;
    std::array<std::uint64_t, XVS_ACCESS_REFUSALS> refused_;  // until now
    cpu_set_t allowed_{};                                     // CPUs of this thread before
    std::atomic<std::uint64_t> replays_ = 0;
    std::atomic<std::uint64_t> missed_at_xdp_ = 0;
    std::atomic<std::uint64_t> raised_ = 0;
};

// The steering program, loaded once, before one director after the other.
class TestedProgram {
public:
    struct Options {
        bool replays = true;     // established packets, or only bring them to the engine
        bool at_xdp = false;     // and meet them there first
        bool draws = false;      // begin connections with decisions from stocks
        bool by_af_xdp = false;  // and have what the engine must see go up from there
    };

    explicit TestedProgram(const Options& options) : options_(options) {}

    // For the tables of the next director: none may be left of the last one.
    [[nodiscard]] flow::Storage& storage() noexcept { return storage_; }

    [[nodiscard]] static std::uint32_t cpus() noexcept { return offload::possible_cpus(); }

    // REQUIRES: it was made with this storage and these CPUs, and outlives the entrance.
    [[nodiscard]] Result<std::unique_ptr<ProgramEntrance>> stand_before(Director& director);

private:
    Options options_;
    ReusedStorage storage_;
    std::unique_ptr<io::XdpSocket> socket_;
    std::unique_ptr<offload::SteeringProgram> program_;
};

// Returns why programs cannot be run here; nothing if they can.
[[nodiscard]] std::string why_no_programs();

}  // namespace xvs::test
