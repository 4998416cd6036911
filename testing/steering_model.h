// Which packets are brought to the engine, decided as src/offload/steer.bpf.c decides it, for tests
// without a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flow/layout.h"
#include "testing/director.h"

namespace xvs::test {

// Why a packet is brought to the engine, and to which worker.
struct Judgement {
    xvs_reason reason = XVS_REASON_SERVICE;
    std::uint8_t worker = 0;

    bool operator==(const Judgement&) const = default;
};

// Of a packet, from its IP header on, that came in by a link. Nothing: it is the host's.
[[nodiscard]] std::optional<Judgement> judge_ingress(Director& director,
                                                     std::span<const std::byte> packet);

// Of one that the host's own stack is about to send.
[[nodiscard]] std::optional<Judgement> judge_egress(Director& director,
                                                    std::span<const std::byte> packet);

}  // namespace xvs::test
