// TapWatch: keeps packets visible to whoever listens on an interface.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/gate.h"
#include "host/kernel_router.h"
#include "host/mirror.h"
#include "host/taps.h"

namespace xvs::xvsd {

// Packets that are put straight into the other end of a veth pass by every packet socket on this
// end. A socket makes no event, so they are looked for; promiscuous interfaces do, and the router
// follows those by itself. Thread: the control thread.
class TapWatch {
public:
    // How soon a socket is noticed.
    static constexpr Nanoseconds kInterval = std::chrono::seconds(1);

    // All of them must outlive it.
    TapWatch(host::KernelRouter& router,
             const host::Mirror& mirror,
             Gate& gate,
             const Clock& clock,
             host::PeerRedirect wanted);

    // Returns when on_timer() is due; nullopt if never.
    [[nodiscard]] std::optional<Nanoseconds> next_deadline() const noexcept;

    void on_timer();

private:
    void tell(host::PeerRedirect wanted, const host::Taps& taps);

    host::KernelRouter& router_;
    const host::Mirror& mirror_;
    Gate& gate_;
    const Clock& clock_;
    host::PeerRedirect wanted_;
    Nanoseconds due_{};
    host::Taps known_;
    bool has_failed_ = false;
};

}  // namespace xvs::xvsd
