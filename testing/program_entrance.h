// ProgramEntrance: the steering program itself, run in the kernel on one packet at a time
// (BPF_PROG_TEST_RUN), over the tables that the engine uses.
//
//     offload::BpfStorage storage;
//     EngineTarget target({.storage = &storage, .cpus = 2});
//     const auto entrance = ProgramEntrance::load(target.director(), storage);
//     target.enter_by(**entrance);
#pragma once

#include <memory>

#include "base/result.h"
#include "offload/bpf_storage.h"
#include "offload/steering_maps.h"
#include "offload/steering_program.h"
#include "testing/entrance.h"

namespace xvs::test {

class ProgramEntrance final : public Entrance {
public:
    // Both must outlive it, and the director have been made with that storage.
    [[nodiscard]] static Result<std::unique_ptr<ProgramEntrance>> load(
        Director& director, const offload::BpfStorage& storage);

    Passage admit(const Bytes& frame, Side side) override;
    Passage release(const Bytes& frame, Side side) override;

private:
    // What the program left of a frame.
    struct Outcome {
        int action = 0;
        Bytes frame;
    };

    ProgramEntrance(Director& director, std::unique_ptr<offload::SteeringProgram> program);

    void serve(Side side);
    [[nodiscard]] Outcome run(offload::SteeringPart part, const Bytes& frame) const;
    [[nodiscard]] Passage judge(Outcome outcome, const Bytes& frame, Side side) const;

    Director& director_;
    std::unique_ptr<offload::SteeringProgram> program_;
    offload::SteeringMaps maps_;
};

// Returns why programs cannot be run here; nothing if they can.
[[nodiscard]] std::string why_no_programs();

}  // namespace xvs::test
