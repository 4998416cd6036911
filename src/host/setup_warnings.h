// SetupWarnings: says once what an operator has probably forgotten: a VIP that is not an address of
// this host, a NAT real server to which there is no route.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/netlink_socket.h"
#include "model/destination.h"
#include "model/virtual_service.h"
#include "net/prefix.h"

namespace xvs::host {

struct WantedService {
    model::ServiceKey key;
    std::vector<model::Destination> destinations;
};

// Whether Linux has a route to an address.
using HasRoute = std::function<bool(const net::IpAddress&)>;

// Thread: the control thread.
class SetupWarnings {
public:
    explicit SetupWarnings(HasRoute has_route) : has_route_(std::move(has_route)) {}

    // Returns the sentences that are true now and were not when this was called last; to be called
    // when services, addresses or routes have changed.
    [[nodiscard]] std::vector<std::string> check(const std::vector<WantedService>& services,
                                                 const std::set<net::Prefix>& local);

private:
    HasRoute has_route_;
    std::set<std::string> said_;
};

// A HasRoute that asks rtnetlink.
[[nodiscard]] Result<HasRoute> ask_linux_for_routes();

}  // namespace xvs::host
