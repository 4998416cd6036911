// TcHook: a program attached to one interface's ingress or egress, until the hook goes.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"
#include "offload/pin_directory.h"

namespace xvs::offload {

enum class TcDirection : std::uint8_t { Ingress, Egress };

enum class TcAttach : std::uint8_t {
    Tcx,     // Linux 6.6: a link, which goes with the process
    Clsact,  // a filter with a handle and priority of our own, which stays when the process dies
};

// Returns how programs are attached on this kernel, by attaching `program` to interface `ifindex`
// for a moment.
[[nodiscard]] TcAttach find_tc_attach(int program, std::uint32_t ifindex);

// Others' programs and filters on the same interface stay as they are.
class TcHook {
public:
    struct Options {
        std::uint32_t ifindex = 0;
        TcDirection direction = TcDirection::Ingress;
        TcAttach how = TcAttach::Tcx;
        // Where the attachment is kept when the hook goes; nullptr: it goes with the hook. What an
        // earlier daemon left there gets the new program between two packets.
        const PinDirectory* pins = nullptr;
    };

    [[nodiscard]] static Result<TcHook> attach(int program, const Options& options);

    // Removes what an earlier daemon left attached.
    static void detach_leftover(std::uint32_t ifindex,
                                TcDirection direction,
                                const PinDirectory& pins) noexcept;

    TcHook(TcHook&& other) noexcept;
    TcHook& operator=(TcHook&& other) noexcept;
    TcHook(const TcHook&) = delete;
    TcHook& operator=(const TcHook&) = delete;
    ~TcHook();

    // Whether the program is still where it was attached: another tool may have removed it, or the
    // interface may have gone.
    [[nodiscard]] bool is_attached() const;

    // The attachment goes, even one that is kept otherwise.
    void detach() noexcept;

    // The interface has gone, and its filters with it: nothing is left to detach.
    void forget() noexcept;

private:
    TcHook(UniqueFd link, const Options& options, std::uint32_t program_id);

    UniqueFd link_;  // TCX
    std::uint32_t ifindex_ = 0;
    TcDirection direction_ = TcDirection::Ingress;
    const PinDirectory* pins_ = nullptr;
    std::uint32_t program_id_ = 0;
};

}  // namespace xvs::offload
