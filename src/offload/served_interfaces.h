// ServedInterfaces: the interfaces on which the steering program runs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/address.h"
#include "offload/steering_program.h"
#include "offload/tc_hook.h"

namespace xvs::offload {

struct ServedInterface {
    std::uint32_t ifindex = 0;
    std::string name;
    net::MacAddress mac;
    bool has_link_header = true;
    bool is_loopback = false;

    bool operator==(const ServedInterface&) const = default;
};

// Thread: the control thread; the steering program sees each change at once.
class ServedInterfaces {
public:
    // `program` must outlive this, and `pins`, where attachments are kept when this goes: without
    // it they go too.
    ServedInterfaces(const SteeringProgram& program,
                     TcAttach how,
                     const PinDirectory* pins = nullptr) noexcept
        : program_(program), how_(how), pins_(pins) {}

    ServedInterfaces(const ServedInterfaces&) = delete;
    ServedInterfaces& operator=(const ServedInterfaces&) = delete;
    ~ServedInterfaces();

    // Attaches the steering program, or takes over what has changed of an interface that is served
    // already (a MAC address). Returns the interface's slot.
    [[nodiscard]] Result<std::uint16_t> serve(const ServedInterface& interface);

    // The interface is there, but no longer to be served.
    void release(std::uint32_t ifindex);

    // None is to be served any longer.
    void release_all();

    // Those that an earlier daemon served and this one does not.
    void release_others();

    [[nodiscard]] TcAttach how() const noexcept { return how_; }

    // The interface is gone from this network namespace.
    void forget(std::uint32_t ifindex);

    [[nodiscard]] bool is_served(std::uint32_t ifindex) const noexcept {
        return served_.contains(ifindex);
    }

    [[nodiscard]] std::size_t size() const noexcept { return served_.size(); }

    // Attaches again where another tool has removed the program, and logs it. Returns how many.
    std::size_t repair();

private:
    struct Served {
        ServedInterface interface;
        std::uint16_t slot = 0;
        TcHook ingress;
        std::optional<TcHook> egress;  // not of loopback, where all that leaves comes in again
    };

    [[nodiscard]] Result<Served> attach_both(const ServedInterface& interface, std::uint16_t slot);
    [[nodiscard]] Result<TcHook> attach(const ServedInterface& interface, TcDirection direction);
    [[nodiscard]] std::optional<std::uint16_t> find_slot(std::uint32_t ifindex) noexcept;
    void write_slot(std::uint16_t slot, const ServedInterface& interface) noexcept;
    void clear_slot(std::uint32_t ifindex, std::uint16_t slot) noexcept;
    bool repair(Served& served, TcHook& hook, TcDirection direction);

    const SteeringProgram& program_;
    TcAttach how_;
    const PinDirectory* pins_;
    std::map<std::uint32_t, Served> served_;
    std::uint16_t next_slot_ = 0;
};

}  // namespace xvs::offload
