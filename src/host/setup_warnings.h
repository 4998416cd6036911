// SetupWarnings: says once what an operator has probably forgotten: a VIP that is not an address of
// this host, a NAT real server to which there is no route.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "host/netlink_socket.h"
#include "model/destination.h"
#include "model/virtual_service.h"

namespace xvs::host {

// Whether Linux has a route to an address, or calls it its own.
using AskOfAddress = std::function<bool(const net::IpAddress&)>;

// All services are looked at in a round, in as many portions as its caller likes: begin(),
// look_at() for each of them, end(). Thread: the control thread.
class SetupWarnings {
public:
    // So many of a kind are named; of the rest it is said how many they are.
    static constexpr std::size_t kNamed = 5;

    SetupWarnings(AskOfAddress has_route, AskOfAddress is_local)
        : has_route_(std::move(has_route)), is_local_(std::move(is_local)) {}

    void begin();
    void look_at(const model::ServiceKey& service);
    // Cost: a question to Linux for an address not met since the last forget_routes().
    void look_at(const model::ServiceKey& service, const model::Destination& destination);
    // Returns the sentences that are true now and were not at the end of the last round.
    [[nodiscard]] std::vector<std::string> end();

    // Every address may have a route, or none, from now on.
    void forget_routes() { routes_.clear(); }

private:
    using Wrong = std::set<std::pair<model::ServiceKey, net::Endpoint>>;

    struct Found {
        Wrong vips;  // no real server
        Wrong reals;
    };

    AskOfAddress has_route_;
    AskOfAddress is_local_;
    std::unordered_map<net::IpAddress, bool> routes_;  // thousands of services may share them
    Found said_;
    Found found_;
};

// A has_route that asks rtnetlink.
[[nodiscard]] Result<AskOfAddress> ask_linux_for_routes();

}  // namespace xvs::host
