// XdpInterfaces: the physical interfaces on which the steering program replays at XDP, before the
// kernel has made anything of a frame. What it does not replay goes on to tc.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"
#include "offload/pin_directory.h"
#include "offload/steering_program.h"

namespace xvs::offload {

// A layer-3 interface and the device that its frames come from.
struct XdpInterface {
    std::uint32_t ifindex = 0;
    std::uint32_t lower = 0;  // the device under it, or itself
    std::uint16_t vlan = 0;   // the tag of its frames, or 0
    net::MacAddress mac;

    bool operator==(const XdpInterface&) const = default;
};

// Thread: the control thread; the program sees each change at once.
class XdpInterfaces {
public:
    // Attachments are kept in `pins` when this goes; nullptr: they go with it. Both must outlive
    // this.
    XdpInterfaces(const SteeringProgram& program, const PinDirectory* pins) noexcept
        : program_(program), pins_(pins) {}

    XdpInterfaces(const XdpInterfaces&) = delete;
    XdpInterfaces& operator=(const XdpInterfaces&) = delete;
    ~XdpInterfaces() = default;

    // Attaches the program to the device `ifindex` by its driver; what an earlier daemon left there
    // gets the new program between two frames. Fails with a sentence where the
    // driver cannot, or another program is there already; then it is served at tc alone.
    [[nodiscard]] Status attach(std::uint32_t ifindex, const std::string& name);

    // The device is gone, or no longer to be served.
    void detach(std::uint32_t ifindex);

    // Detaches what an earlier daemon left on devices that have no program of this one.
    void release_others();

    [[nodiscard]] bool is_attached(std::uint32_t ifindex) const noexcept {
        return links_.contains(ifindex);
    }

    // Has frames of this interface replayed where its device has the program; tells of changes of
    // one that is known already too.
    void serve(const XdpInterface& interface);
    void release(std::uint32_t ifindex);

private:
    [[nodiscard]] UniqueFd take_over(std::uint32_t ifindex) const;

    const SteeringProgram& program_;
    const PinDirectory* pins_;
    std::map<std::uint32_t, UniqueFd> links_;  // by device
    std::map<std::uint32_t, XdpInterface> served_;
};

}  // namespace xvs::offload
