// AfXdp: the AF_XDP sockets of the devices that are met at XDP, one for each receive queue, by
// which the engine gets what it must see. Where there are none, it comes by tc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "offload/steering_program.h"
#include "offload/xdp_interfaces.h"
#include "xvsd/packet_ports.h"

namespace xvs::xvsd {

// Whether they are used: by default where they lock a sixteenth of the machine's memory at most.
enum class AfXdpUse : std::uint8_t { Auto, On, Off };

// Thread: the control thread under the gates of all workers.
class AfXdp {
public:
    // All of them must outlive this.
    AfXdp(AfXdpUse use,
          const offload::SteeringProgram& program,
          offload::XdpInterfaces& interfaces,
          PacketPorts& ports,
          std::uint64_t machine_memory) noexcept
        : use_(use),
          program_(program),
          interfaces_(interfaces),
          ports_(ports),
          memory_limit_(machine_memory / 16) {}

    // The program has been attached to this device; `is_virtual`: it is none on a bus. Says in the
    // log what came of it.
    void open(std::uint32_t device, const std::string& name, bool is_virtual);

    // The workers run: frames may come from here on. A queue holds what comes within a fraction of
    // a second, and attaching to the next interface may take longer than that.
    void start();

    void close(std::uint32_t device);

    // Tries again where another daemon was just leaving, and gives up where the driver turned out
    // to have no room for metadata. Wants to be called about once a second.
    void on_timer();

    // From here on what the engine must see comes by tc. The sockets may hold frames still.
    void disconnect_all();

    // What a listing says of a device at XDP: "; AF_XDP (zero copy, 4 queues)", "; no AF_XDP: why".
    [[nodiscard]] std::string text_of(std::uint32_t device) const;

private:
    struct Device {
        std::string name;
        bool is_virtual = false;
        std::size_t queues = 0;
        std::vector<int> descriptors;  // of its sockets, until they are connected
        bool is_zero_copy = false;
        std::string why_not;
        int tries_left = 0;
    };

    [[nodiscard]] Status try_open(std::uint32_t ifindex, Device& device);
    [[nodiscard]] Status connect(std::uint32_t ifindex, Device& device);
    void attempt(std::uint32_t ifindex, Device& device);
    [[nodiscard]] static std::string way_of(const Device& device);
    void drop_sockets(std::uint32_t ifindex, Device& device);

    AfXdpUse use_;
    const offload::SteeringProgram& program_;
    offload::XdpInterfaces& interfaces_;
    PacketPorts& ports_;
    std::uint64_t memory_limit_;
    bool is_started_ = false;
    std::map<std::uint32_t, Device> devices_;
};

}  // namespace xvs::xvsd
