// Entrance: what stands before the engine and decides of each packet who gets it, as the steering
// program does at an interface.
#pragma once

#include <optional>

#include "engine/drop_reason.h"
#include "engine/packet_port.h"
#include "testing/director.h"

namespace xvs::test {

// Whose a packet is, and its frame as it goes on.
struct Passage {
    enum class Way : std::uint8_t {
        Host,      // the host's stack gets it, or sends it as it was about to
        Engine,    // brought to the engine for `reason`
        Replayed,  // leaves by itself, for whoever its MAC address names
        Dropped,   // for `refusal`, which is counted there, or for no reason
    };

    Way way = Way::Host;
    Bytes frame;
    xvs_reason reason = XVS_REASON_SERVICE;
    std::optional<engine::DropReason> refusal{};
    std::uint8_t worker = 0;  // that it is brought to
    // Of what is brought to the engine: the CPU, and how far its reports to that worker had come.
    std::uint16_t report_ring = engine::kNoReportRing;
    std::uint16_t report_position = 0;
};

class Entrance {
public:
    Entrance() = default;
    Entrance(const Entrance&) = delete;
    Entrance& operator=(const Entrance&) = delete;
    virtual ~Entrance() = default;

    // Of a frame that came in on that side.
    virtual Passage admit(const Bytes& frame, Side side) = 0;
    // Of one that the host's own stack is about to send there.
    virtual Passage release(const Bytes& frame, Side side) = 0;

    // From now on packets are met by that CPU.
    void set_cpu(unsigned cpu) noexcept { cpu_ = cpu; }

    [[nodiscard]] unsigned cpu() const noexcept { return cpu_; }

private:
    unsigned cpu_ = 0;
};

// Decides as the steering program would, without a kernel, and replays nothing: steering_model.h.
class ModelEntrance final : public Entrance {
public:
    explicit ModelEntrance(Director& director) : director_(director) {}

    Passage admit(const Bytes& frame, Side side) override;
    Passage release(const Bytes& frame, Side side) override;

private:
    Director& director_;
};

[[nodiscard]] Bytes without_link_header(const Bytes& frame);

}  // namespace xvs::test
