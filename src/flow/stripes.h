// Stripes: who may install entries of a client's address and port just now.
#pragma once

#include <cstdint>
#include <span>

#include <sched.h>

#include "flow/hash.h"
#include "flow/key.h"
#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// Of the entries of one client's address and port, programs in the kernel install some and the
// worker that owns them others. Each does so with the stripe held, so that none is there twice. A
// program that finds it taken leaves its packet to the worker; the worker waits, for less than a
// microsecond unless the program's CPU is a virtual one that has just lost its own.
class Stripes {
public:
    // `keys` must outlive it. There may be no stripes: then nobody is waited for.
    Stripes(std::span<xvs_stripe> stripes, const xvs_hash_keys& keys) noexcept
        : stripes_(stripes), keys_(keys) {}

    // Returns the one that a request's entry, and that of its replies, belong to; nullptr if there
    // are none.
    [[nodiscard]] std::uint32_t* of(const FlowKey<Ipv4>& inbound) noexcept {
        return at(xvs_client_hash4(&keys_, inbound.source, inbound.source_port));
    }

    [[nodiscard]] std::uint32_t* of(const FlowKey<Ipv6>& inbound) noexcept {
        return at(xvs_client_hash6(&keys_, inbound.source.data(), inbound.source_port));
    }

private:
    [[nodiscard]] std::uint32_t* at(std::uint32_t hash) noexcept {
        return stripes_.empty() ? nullptr : &stripes_[hash & (XVS_STRIPES - 1)].holder;
    }

    std::span<xvs_stripe> stripes_;
    const xvs_hash_keys& keys_;
};

// Holds a stripe as long as it lives.
class StripeLock {
public:
    explicit StripeLock(std::uint32_t* holder) noexcept : holder_(holder) {
        if (holder_ == nullptr) return;
        for (unsigned tries = 0; !swap_if(*holder_, 0, 1); ++tries) {
            if (tries % kTries == kTries - 1) (void)::sched_yield();
        }
    }

    StripeLock(const StripeLock&) = delete;
    StripeLock& operator=(const StripeLock&) = delete;

    ~StripeLock() {
        if (holder_ != nullptr) store_release(*holder_, 0u);
    }

private:
    static constexpr unsigned kTries = 1024;

    std::uint32_t* holder_;
};

}  // namespace xvs::flow
