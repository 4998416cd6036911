#include "control/state_saver.h"

#include <algorithm>

#include "control/state_text.h"

namespace xvs::control {

namespace {

// How soon a write that goes on elsewhere is looked after.
constexpr Nanoseconds kLookAgain = std::chrono::milliseconds(10);

}  // namespace

StateSaver::~StateSaver() {
    if (writing_.valid()) writing_.wait();
}

void StateSaver::edited() {
    if (!due_) due_ = clock_.now() + kDelay;
}

std::optional<Nanoseconds> StateSaver::next_deadline() const noexcept {
    if (collecting_ || writing_.valid()) return wake_at_;
    return due_;
}

void StateSaver::on_timer() {
    if (writing_.valid()) {
        wake_at_ = clock_.now() + kLookAgain;
        if (writing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
        take_result();
    }
    if (!collecting_) {
        if (!due_ || clock_.now() < *due_) return;
        start_collecting();
    }
    collect(kServicesAtOnce);
    if (!is_collected()) return;
    collecting_ = false;
    wake_at_ = clock_.now() + kLookAgain;
    writing_ = std::async(std::launch::async,
                          [this, text = std::move(text_)] { return file_.write(text); });
}

// An edit from here on is due for the next save, whether or not this one has seen it.
void StateSaver::start_collecting() {
    due_.reset();
    collecting_ = true;
    wake_at_ = clock_.now();
    listed_ = services_.services();
    next_service_ = 0;
    text_ = kStateFirstLine;
    text_ += to_text(services_.timeouts());
    for (const auto& daemon : daemons_.running())
        text_ += to_text(daemon);
}

void StateSaver::collect(std::size_t limit) {
    const std::size_t end = std::min(listed_.size(), next_service_ + limit);
    for (; next_service_ < end; ++next_service_) {
        const auto& service = listed_[next_service_].service;
        text_ += to_text(service, services_.destinations(service.key));
    }
    if (is_collected()) text_ += kStateLastLine;
}

void StateSaver::take_result() {
    const Status status = writing_.get();
    if (status) return;
    on_failure_(status.error());
    due_ = clock_.now() + kRetry;
}

Status StateSaver::save_now() {
    if (writing_.valid()) {
        const Status status = writing_.get();
        if (!status) edited();
    }
    if (!due_ && !collecting_) return {};
    start_collecting();
    collect(listed_.size());
    collecting_ = false;
    return file_.write(text_);
}

}  // namespace xvs::control
