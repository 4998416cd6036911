// TcHook: a program attached to one interface's ingress or egress, until the hook goes.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

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
    [[nodiscard]] static Result<TcHook> attach(int program,
                                               std::uint32_t ifindex,
                                               TcDirection direction,
                                               TcAttach how);

    TcHook(TcHook&& other) noexcept;
    TcHook& operator=(TcHook&& other) noexcept;
    TcHook(const TcHook&) = delete;
    TcHook& operator=(const TcHook&) = delete;
    ~TcHook();

    // Whether the program is still where it was attached: another tool may have removed it, or the
    // interface may have gone.
    [[nodiscard]] bool is_attached() const;

    // The interface has gone, and its filters with it: nothing is left to detach.
    void forget() noexcept { ifindex_ = 0; }

private:
    TcHook(UniqueFd link, std::uint32_t ifindex, TcDirection direction, std::uint32_t program_id);

    void detach() noexcept;

    UniqueFd link_;  // TCX
    std::uint32_t ifindex_ = 0;
    TcDirection direction_ = TcDirection::Ingress;
    std::uint32_t program_id_ = 0;
};

}  // namespace xvs::offload
