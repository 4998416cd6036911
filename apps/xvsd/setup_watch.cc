#include "xvsd/setup_watch.h"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace xvs::xvsd {

void SetupWatch::host_changed() {
    warnings_.forget_routes();
    if (!due_) due_ = clock_.now() + kDelay;
}

std::optional<Nanoseconds> SetupWatch::next_deadline() const noexcept {
    if (is_looking_) return go_on_at_;
    return due_;
}

void SetupWatch::on_timer() {
    go_on_at_ = clock_.now();
    if (!is_looking_) {
        if (!due_ || *due_ > go_on_at_) return;
        due_.reset();
        is_looking_ = true;
        listed_ = services_.configured_services();
        next_service_ = 0;
        place_ = {};
        warnings_.begin();
    }
    look_at_some();
    if (next_service_ < listed_.size()) return;
    is_looking_ = false;
    listed_.clear();
    for (const std::string& sentence : warnings_.end())
        spdlog::warn("{}", sentence);
}

void SetupWatch::look_at_some() {
    std::size_t left = kAtOnce;
    while (left > 0 && next_service_ < listed_.size()) {
        const model::ServiceKey& key = listed_[next_service_].key;
        if (place_.number == 0) {
            warnings_.look_at(key);
            --left;
        }
        std::size_t looked_at = 0;
        const bool has_more = services_.for_each_destination(
            key, place_, std::max<std::size_t>(left, 1), [&](const model::Destination& each) {
                warnings_.look_at(key, each);
                ++looked_at;
            });
        left -= std::min(left, looked_at);
        if (has_more) continue;
        ++next_service_;
        place_ = {};
    }
}

}  // namespace xvs::xvsd
