#include "host/setup_warnings.h"

#include <algorithm>
#include <memory>
#include <span>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "host/messages.h"

namespace xvs::host {
namespace {

bool is_local(const std::set<net::Prefix>& local, const net::IpAddress& address) {
    if (local.contains(net::Prefix::of(address))) return true;
    return std::any_of(local.begin(), local.end(), [&](const net::Prefix& prefix) {
        return prefix.contains(address);
    });
}

std::string vip_warning(const model::ServiceKey& key) {
    return fmt::format(
        "service {}: its VIP is not an address of this host, so its packets are not "
        "balanced; add it to an interface (ip address add {} dev ...)",
        key.to_string(),
        net::Prefix::of(key.address).to_string());
}

std::string route_warning(const model::ServiceKey& key, const net::Endpoint& real) {
    return fmt::format("service {}: there is no route to its real server {}; add one (ip route)",
                       key.to_string(),
                       real.to_string());
}

}  // namespace

std::vector<std::string> SetupWarnings::check(const std::vector<WantedService>& services,
                                              const std::set<net::Prefix>& local) {
    std::set<std::string> wrong;
    std::map<net::IpAddress, bool> routes;  // thousands of services may share real servers
    for (const WantedService& service : services) {
        if (service.key.fwmark == 0 && !is_local(local, service.key.address))
            wrong.insert(vip_warning(service.key));
        for (const model::Destination& destination : service.destinations) {
            if (destination.method != model::ForwardingMethod::Masquerade) continue;
            const auto [known, is_new] = routes.try_emplace(destination.real.address, false);
            if (is_new) known->second = has_route_(destination.real.address);
            if (!known->second) wrong.insert(route_warning(service.key, destination.real));
        }
    }
    std::vector<std::string> fresh;
    std::set_difference(
        wrong.begin(), wrong.end(), said_.begin(), said_.end(), std::back_inserter(fresh));
    said_ = std::move(wrong);
    return fresh;
}

Result<HasRoute> ask_linux_for_routes() {
    auto opened = NetlinkSocket::open();
    if (!opened) return fail(opened.error());
    auto socket = std::make_shared<NetlinkSocket>(std::move(*opened));
    return HasRoute([socket](const net::IpAddress& address) {
        NetlinkRequest request(RTM_GETROUTE, 0);
        auto& header = request.add_header<rtmsg>();
        header.rtm_family = address.family() == net::Family::Ipv4 ? AF_INET : AF_INET6;
        header.rtm_dst_len = static_cast<std::uint8_t>(address.size() * 8);
        request.put(RTA_DST, std::span(address.bytes()).first(address.size()));
        std::uint8_t type = RTN_UNSPEC;
        const int error = socket->query(request, [&](const nlmsghdr& message) {
            if (const auto route = parse_route(message)) type = route->type;
        });
        return error == 0 && (type == RTN_UNICAST || type == RTN_LOCAL);
    });
}

}  // namespace xvs::host
