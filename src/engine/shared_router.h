// SharedRouter: a router that several workers ask, one at a time.
#pragma once

#include "base/sharing_mutex.h"
#include "engine/router.h"

namespace xvs::engine {

// Thread: any worker. Ways are asked for by new connections, and once a second for those that last.
class SharedRouter final : public Router {
public:
    explicit SharedRouter(Router& router) noexcept : router_(router) { mutex_.share(); }

    Route find_route(const net::IpAddress& destination,
                     const net::IpAddress& source) noexcept override {
        const SharingLock lock(mutex_);
        return router_.find_route(destination, source);
    }

    PathMtu learn_path_mtu(const net::IpAddress& destination, std::uint32_t mtu) noexcept override {
        const SharingLock lock(mutex_);
        return router_.learn_path_mtu(destination, mtu);
    }

    void resolve(std::uint32_t index) noexcept override {
        const SharingLock lock(mutex_);
        router_.resolve(index);
    }

    [[nodiscard]] bool is_local(const net::IpAddress& address) noexcept override {
        const SharingLock lock(mutex_);
        return router_.is_local(address);
    }

    [[nodiscard]] bool is_broadcast(const net::IpAddress& address) noexcept override {
        const SharingLock lock(mutex_);
        return router_.is_broadcast(address);
    }

private:
    Router& router_;
    SharingMutex mutex_;
};

}  // namespace xvs::engine
