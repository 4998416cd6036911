// SteeringProgram: the steering program (steer.bpf.c) loaded into the kernel, with its maps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"
#include "flow/access_list.h"
#include "flow/layout.h"
#include "net/address.h"
#include "offload/bpf_storage.h"
#include "offload/steer_layout.h"

struct steer_bpf;

namespace xvs::offload {

enum class SteeringPart : std::uint8_t {
    Ingress,      // of an interface with Ethernet headers
    IngressBare,  // of one without
    IngressLoopback,
    Egress,
    EgressBare,
    Return,  // the private link's near end
    Drop,    // its far end
    Xdp,     // of a physical interface
};

inline constexpr std::size_t kSteeringParts = 8;

// What only some interfaces need, and is loaded once there is one.
enum class SteeringExtra : std::uint8_t {
    Bare,  // IngressBare and EgressBare
    Xdp,
};

enum class SteeringMap : std::uint8_t {
    Services,
    NatSources,
    Addresses,
    Local4,
    Local6,
    Slots,
    Hosts,
    MarkRules,
    XdpSockets,
    AccessPrefixes,
    AccessLists,
    AccessServices,
};

class SteeringProgram {
public:
    struct Options {
        // The flow table in BPF arrays, and its header; without them no packet belongs to a live
        // flow.
        const BpfStorage* storage = nullptr;
        const xvs_table_header* header = nullptr;
        // An array of one xvs_steer_control to be used instead of a new one, or -1.
        int control = -1;
        // Replay live flows where they are met; else their packets go to the engine as well.
        bool replays = true;
        // Begin connections with decisions from stocks; only where live flows are replayed.
        bool draws = false;
        // Steer only as long as this object lives, whatever becomes of the programs. Needed where
        // they stay attached when the process dies (clsact).
        bool is_watched = false;
        // xvs_steer_control.tick_offset moves the clock.
        bool is_tested = false;
    };

    // Without what SteeringExtra names.
    [[nodiscard]] static Result<std::unique_ptr<SteeringProgram>> load(const Options& options);

    // Loads that too, unless it is there: which takes tens of milliseconds. Fails with a sentence
    // if the kernel refuses it; all else stays as it is.
    [[nodiscard]] Status add(SteeringExtra extra);

    [[nodiscard]] bool has(SteeringExtra extra) const noexcept;

    // Finds or makes the arrays in `storage` that the programs of successive daemons share.
    [[nodiscard]] static Status make_shared_arrays(BpfStorage& storage);

    SteeringProgram(const SteeringProgram&) = delete;
    SteeringProgram& operator=(const SteeringProgram&) = delete;
    ~SteeringProgram();

    // -1: it has not been loaded.
    [[nodiscard]] int program(SteeringPart part) const noexcept;
    [[nodiscard]] int map(SteeringMap map) const noexcept;

    // Shared with the programs, which are told by it where the daemon is.
    [[nodiscard]] xvs_steer_control& control() const noexcept { return control_[0]; }

    // Has packets from and to this address looked up. Never undone: a flow may outlive its service.
    void remember(const net::IpAddress& address) const noexcept;

    // The same of every address.
    void remember_everyone() const noexcept;

    // Whether the programs replay live flows.
    [[nodiscard]] bool replays() const noexcept;

    // Whether the programs begin connections with decisions from stocks.
    [[nodiscard]] bool draws() const noexcept;

    // Whether the kernel knows AF_XDP, so that frames can be sent up to its sockets.
    [[nodiscard]] bool has_sockets() const noexcept;

    // Returns a device whose driver left no room for metadata since it was asked last, or 0.
    [[nodiscard]] std::uint32_t take_without_metadata() const noexcept;

    // Packets that access lists have refused before the engine saw them: of clients denied, and of
    // those not allowed.
    [[nodiscard]] std::array<std::uint64_t, XVS_ACCESS_REFUSALS> refusals() const;

    // Which kinds of services the programs are to look for; shared with them.
    [[nodiscard]] xvs_steer_kinds& kinds() const noexcept;

    // Arrays shared with the programs.
    [[nodiscard]] std::span<xvs_interface> interfaces() const noexcept { return interfaces_; }

    [[nodiscard]] std::span<xvs_outer_header> outer_headers() const noexcept { return outers_; }

private:
    explicit SteeringProgram(steer_bpf* skeleton) noexcept : skeleton_(skeleton) {}

    [[nodiscard]] Status map_arrays();
    [[nodiscard]] Status watch();

    steer_bpf* skeleton_;
    std::array<UniqueFd, kSteeringParts> added_;
    std::span<xvs_steer_control> control_;
    std::span<xvs_interface> interfaces_;
    std::span<xvs_outer_header> outers_;
    UniqueFd watched_;
    UniqueFd watched_peer_;
};

}  // namespace xvs::offload
