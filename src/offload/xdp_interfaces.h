// XdpInterfaces: the physical interfaces on which the steering program replays at XDP, before the
// kernel has made anything of a frame. What it does not replay goes up by AF_XDP sockets, where the
// device has them, or on to tc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
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
    std::uint16_t slot = 0;         // ServedInterfaces::serve()
    bool leaves_checksums = false;  // a veth: its other end may leave them to be filled in

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

    // Has what the engine must see of this device's frames sent up to these AF_XDP sockets, one for
    // each of its receive queues from the first on.
    [[nodiscard]] Status connect(std::uint32_t device, std::span<const int> sockets);

    // From here on it goes on to tc. Frames may come to the sockets until
    // flow::wait_for_kernel_readers() has returned.
    void disconnect(std::uint32_t device);

    // Has frames of this interface replayed where its device has the program; tells of changes of
    // one that is known already too.
    void serve(const XdpInterface& interface);
    void release(std::uint32_t ifindex);

private:
    // A range of the program's sockets.
    struct Sockets {
        std::uint16_t first = 0;
        std::uint16_t count = 0;
    };

    [[nodiscard]] UniqueFd take_over(std::uint32_t ifindex) const;
    [[nodiscard]] std::optional<std::uint16_t> find_room(std::size_t count) const;
    [[nodiscard]] bool write(const XdpInterface& interface) const;
    void write_all_of(std::uint32_t device) const;

    const SteeringProgram& program_;
    const PinDirectory* pins_;
    std::map<std::uint32_t, UniqueFd> links_;  // by device
    std::map<std::uint32_t, XdpInterface> served_;
    std::map<std::uint32_t, Sockets> sockets_;  // by device
};

}  // namespace xvs::offload
