// ReplayModel: the steering program with its fast path, without a kernel: replays packets of live
// flows over the tables, counts and reports them, and brings what it must not decide to the engine.
#pragma once

#include <optional>

#include "engine/parse/packet.h"
#include "testing/entrance.h"
#include "testing/named_storage.h"

namespace xvs::test {

class ReplayModel final : public Entrance {
public:
    // Both must outlive it, and the director have been made with that storage and with CPUs.
    ReplayModel(Director& director, const NamedStorage& storage);

    Passage admit(const Bytes& frame, Side side) override;
    Passage release(const Bytes& frame, Side side) override;

    // How many packets were replayed, and how many of them reported.
    [[nodiscard]] std::uint64_t replays() const noexcept { return replays_; }

    [[nodiscard]] std::uint64_t reports() const noexcept { return reports_written_; }

private:
    enum class Direction : std::uint8_t { Arriving, Leaving };

    // Nothing: it is of no live flow, or out of the ordinary.
    [[nodiscard]] std::optional<Passage> replay(const Bytes& frame, Direction direction);
    template <class Ip>
    [[nodiscard]] std::optional<Passage> replay_as(const Bytes& frame, Direction direction);
    template <class Ip>
    [[nodiscard]] std::optional<engine::DropReason> refusal(const engine::Packet<Ip>& packet,
                                                            const typename Ip::Flow& entry) const;
    template <class Ip>
    [[nodiscard]] bool may_replay(const engine::Packet<Ip>& packet,
                                  const typename Ip::Flow& entry,
                                  Direction direction) const;
    template <class Ip>
    [[nodiscard]] Passage write(engine::Packet<Ip>& packet, const xvs_translation& translation);
    [[nodiscard]] std::size_t ring_of(std::size_t worker) const;
    [[nodiscard]] bool report(const xvs_report& report, std::uint8_t worker);
    void count(const xvs_translation& translation, std::uint32_t bytes);
    [[nodiscard]] Passage bring(Passage passage) const;

    Director& director_;
    ModelEntrance judge_;
    std::span<xvs_report_ring> rings_;
    std::span<xvs_report> reports_;
    std::uint64_t replays_ = 0;
    std::uint64_t reports_written_ = 0;
};

}  // namespace xvs::test
