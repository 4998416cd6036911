// DestinationRing: a service's real servers one after another, and the first again after the last.
#pragma once

#include "engine/lookup/destination_state.h"

namespace xvs::engine {

class DestinationRing {
public:
    // `gone` is passed over: it is still in the list.
    DestinationRing(const DestinationList& destinations, const DestinationState* gone) noexcept
        : destinations_(destinations), gone_(gone) {
        advance();
    }

    // Returns the one whose turn it is, nullptr when there is none at all.
    [[nodiscard]] DestinationState* current() const noexcept { return current_; }

    // The turn goes to the next one.
    void advance() noexcept {
        current_ = next();
        if (current_ != nullptr && current_ == gone_) current_ = next();
        if (current_ == gone_) current_ = nullptr;
    }

    // Returns the one whose turn it was.
    DestinationState* take() noexcept {
        DestinationState* const taken = current_;
        if (taken != nullptr) advance();
        return taken;
    }

private:
    [[nodiscard]] DestinationState* next() const noexcept {
        DestinationState* const following = destinations_.after(current_);
        return following != nullptr ? following : destinations_.first();
    }

    const DestinationList& destinations_;
    const DestinationState* gone_;
    DestinationState* current_ = nullptr;
};

}  // namespace xvs::engine
