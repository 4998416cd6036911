#include "host/setup_warnings.h"

#include <algorithm>
#include <memory>
#include <span>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "host/messages.h"
#include "net/prefix.h"

namespace xvs::host {
namespace {

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

// Calls `name` for the first of those that are in `found` and not in `said`; returns how many more
// there are.
template <class Wrong, class Name>
std::size_t name_some(const Wrong& found, const Wrong& said, const Name& name) {
    std::size_t fresh = 0;
    for (const auto& each : found) {
        if (said.contains(each)) continue;
        if (fresh++ < SetupWarnings::kNamed) name(each);
    }
    return fresh - std::min(fresh, SetupWarnings::kNamed);
}

}  // namespace

void SetupWarnings::begin() {
    found_ = {};
}

void SetupWarnings::look_at(const model::ServiceKey& service) {
    if (service.fwmark == 0 && !is_local_(service.address)) found_.vips.insert({service, {}});
}

void SetupWarnings::look_at(const model::ServiceKey& service,
                            const model::Destination& destination) {
    if (destination.method != model::ForwardingMethod::Masquerade) return;
    const auto [known, is_new] = routes_.try_emplace(destination.real.address, false);
    if (is_new) known->second = has_route_(destination.real.address);
    if (!known->second) found_.reals.insert({service, destination.real});
}

std::vector<std::string> SetupWarnings::end() {
    std::vector<std::string> sentences;
    const std::size_t more_vips = name_some(found_.vips, said_.vips, [&](const auto& each) {
        sentences.push_back(vip_warning(each.first));
    });
    if (more_vips > 0) {
        sentences.push_back(fmt::format(
            "the VIPs of {} more services are not addresses of this host either", more_vips));
    }
    const std::size_t more_reals = name_some(found_.reals, said_.reals, [&](const auto& each) {
        sentences.push_back(route_warning(each.first, each.second));
    });
    if (more_reals > 0) {
        sentences.push_back(
            fmt::format("there is no route to {} more real servers either", more_reals));
    }
    said_ = std::exchange(found_, {});
    return sentences;
}

Result<AskOfAddress> ask_linux_for_routes() {
    auto opened = NetlinkSocket::open();
    if (!opened) return fail(opened.error());
    auto socket = std::make_shared<NetlinkSocket>(std::move(*opened));
    return AskOfAddress([socket](const net::IpAddress& address) {
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
