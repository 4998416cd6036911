// ServiceLocks: what workers hold while they schedule, and while connections of a service come and
// go.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/sharing_mutex.h"
#include "model/virtual_service.h"

namespace xvs::engine {

// One for each service; two that meet in a hash share one. It goes by the service's key alone, so
// that a real server that was removed has its lock as long as it has connections, and one that is
// added again the same. Services that may share a persistence template (FTP's, and those of any
// port at the same address) share their lock.
class ServiceLocks {
public:
    ServiceLocks() : locks_(std::make_unique<std::array<Lock, kLocks>>()) {}

    // Several workers are to use them. REQUIRES: none has begun.
    void share() noexcept {
        is_shared_ = true;
        for (Lock& each : *locks_)
            each.mutex.share();
    }

    [[nodiscard]] bool is_shared() const noexcept { return is_shared_; }

    // The same one for as long as this lives.
    [[nodiscard]] SharingMutex& of(const model::ServiceKey& key) noexcept {
        constexpr net::Port kFtpPort{21};
        const net::Port port = key.port == kFtpPort ? net::Port{0} : key.port;
        std::size_t hash = std::hash<net::IpAddress>{}(key.address) ^ key.fwmark;
        hash = (hash ^ net::number(port) ^ static_cast<std::size_t>(key.protocol) << 16) *
               std::size_t{0x9e3779b97f4a7c15U};
        return (*locks_)[hash >> (64 - kBits)].mutex;
    }

private:
    static constexpr unsigned kBits = 9;
    static constexpr std::size_t kLocks = std::size_t{1} << kBits;

    struct alignas(64) Lock {
        SharingMutex mutex;
    };

    std::unique_ptr<std::array<Lock, kLocks>> locks_;
    bool is_shared_ = false;
};

}  // namespace xvs::engine
