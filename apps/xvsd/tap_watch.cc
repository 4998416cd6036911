#include "xvsd/tap_watch.h"

#include <algorithm>
#include <mutex>

#include <spdlog/spdlog.h>

namespace xvs::xvsd {

TapWatch::TapWatch(host::KernelRouter& router,
                   const host::Mirror& mirror,
                   Gate& gate,
                   const Clock& clock,
                   host::PeerRedirect wanted)
    : router_(router), mirror_(mirror), gate_(gate), clock_(clock), wanted_(wanted) {
    tell(wanted_, {});
    if (wanted_ == host::PeerRedirect::Auto) on_timer();
}

std::optional<Nanoseconds> TapWatch::next_deadline() const noexcept {
    if (wanted_ != host::PeerRedirect::Auto || has_failed_) return std::nullopt;
    return due_;
}

void TapWatch::on_timer() {
    due_ = clock_.now() + kInterval;
    const auto& links = mirror_.links();
    const bool is_of_use = std::any_of(links.begin(), links.end(), [](const auto& entry) {
        return entry.second.has_peer_elsewhere();
    });
    if (!is_of_use) return;
    const auto taps = host::find_taps();
    if (!taps) {
        has_failed_ = true;
        spdlog::warn(
            "who listens on interfaces cannot be seen ({}): packets take the slower way by which "
            "they are seen; choose with --redirect-peer",
            taps.error().context);
        return tell(host::PeerRedirect::Off, {});
    }
    if (*taps != known_) tell(wanted_, *taps);
}

void TapWatch::tell(host::PeerRedirect wanted, const host::Taps& taps) {
    known_ = taps;
    const std::lock_guard lock(gate_);
    router_.set_peer_redirect(wanted, taps);
}

}  // namespace xvs::xvsd
