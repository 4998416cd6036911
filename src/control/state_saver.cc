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
    if (!collecting_ && last_size_ <= kWrittenAtOnce) write_at_once();
    if (!due_) due_ = clock_.now() + delay_;
}

// A failure is that of the save that follows as well, which reports it.
void StateSaver::write_at_once() {
    // The file that it writes is the same.
    if (writing_.valid()) writing_.wait();
    const std::optional<Nanoseconds> due = due_;
    collect_all();
    due_ = due;
    static_cast<void>(file_.write_soon(text_));
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
    collect(kServersAtOnce);
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
    started_at_ = clock_.now();
    listed_ = services_.configured_services();
    next_service_ = 0;
    gathered_.clear();
    place_ = {};
    is_gathered_ = false;
    text_ = kStateFirstLine;
    text_ += to_text(services_.timeouts());
    for (const auto& rule : services_.mark_rules())
        text_ += to_text(rule);
    rules_place_.reset();
    has_more_rules_ = true;
    for (const auto& value : model::changed_sysctls(services_.sysctls()))
        text_ += to_text(value);
    for (const auto& daemon : daemons_.running())
        text_ += to_text(daemon);
}

void StateSaver::collect(std::size_t limit) {
    if (has_more_rules_) gather_rules(limit);
    while (limit > 0 && !is_collected()) {
        if (!gather(limit) || !write_gathered(limit)) continue;
        is_gathered_ = false;
        place_ = {};
        ++next_service_;
    }
    if (!is_collected()) return;
    text_ += kStateLastLine;
    last_size_ = text_.size();
}

void StateSaver::collect_all() {
    start_collecting();
    do {
        collect(kServersAtOnce);
    } while (!is_collected());
    collecting_ = false;
}

void StateSaver::gather_rules(std::size_t& limit) {
    const std::size_t wanted = limit;
    has_more_rules_ =
        services_.for_each_access_rule(rules_place_, wanted, [&](const model::AccessRule& rule) {
            text_ += to_text(rule);
            --limit;
        });
}

bool StateSaver::gather(std::size_t& limit) {
    if (is_gathered_) return true;
    const model::VirtualService& service = listed_[next_service_];
    const std::size_t before = gathered_.size();
    is_gathered_ = !services_.for_each_destination(
        service.key, place_, limit, [this](const model::Destination& destination) {
            gathered_.push_back(destination);
        });
    limit -= std::min(limit, gathered_.size() - before + 1);
    if (is_gathered_) text_ += to_text(service);
    return is_gathered_;
}

// The oldest first.
bool StateSaver::write_gathered(std::size_t& limit) {
    for (; limit > 0 && !gathered_.empty(); --limit) {
        text_ += to_text(listed_[next_service_].key, gathered_.back());
        gathered_.pop_back();
    }
    return gathered_.empty();
}

void StateSaver::take_result() {
    const Status status = writing_.get();
    delay_ = std::clamp(kRest * (clock_.now() - started_at_), kDelay, kMaxDelay);
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
    collect_all();
    return file_.write(text_);
}

}  // namespace xvs::control
