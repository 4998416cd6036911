// Whatever was set up, what is saved restores to what is saved again.
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "control/state_text.h"
#include "tests/control/served_director.h"

namespace xvs::cli {
namespace {

using control::to_text;
using model::ForwardingMethod;

net::IpAddress random_address(net::Family family, std::uint32_t number) {
    if (family == net::Family::Ipv4) return net::Ipv4Address(0x0a000000U + number);
    return *net::IpAddress::parse(fmt::format("2001:db8::{:x}", number + 1));
}

net::Family random_family() {
    return *rc::gen::element(net::Family::Ipv4, net::Family::Ipv6);
}

net::Port random_port() {
    return net::Port{*rc::gen::inRange<std::uint16_t>(1, 65535)};
}

// All that -S can say, and beyond it what only the state file keeps.
model::VirtualService random_service(std::uint32_t number) {
    model::VirtualService service;
    const net::Family family = random_family();
    if (*rc::gen::inRange(0, 4) == 0) {
        service.key.address = family == net::Family::Ipv4 ? net::IpAddress(net::Ipv4Address())
                                                          : net::IpAddress(net::Ipv6Address());
        service.key.fwmark = number + *rc::gen::element(1U, 2147480000U);
    } else {
        service.key.address = random_address(family, number);
        service.key.protocol =
            *rc::gen::element(model::Protocol::Tcp, model::Protocol::Udp, model::Protocol::Sctp);
        service.key.port = random_port();
    }
    service.persistence_mask = family == net::Family::Ipv4 ? 0xffffffffU : 128U;
    service.scheduler = *rc::gen::element<std::string>("rr", "wrr", "sh", "mh", "lblcr", "wlc");
    const bool has_flags = service.scheduler == "sh" || service.scheduler == "mh";
    if (has_flags) {
        service.flags = *rc::gen::element(0U,
                                          model::kServiceScheduler1,
                                          model::kServiceScheduler2,
                                          model::kServiceScheduler1 | model::kServiceScheduler2);
    }
    if (*rc::gen::arbitrary<bool>()) {
        service.flags |= model::kServicePersistent;
        service.persistence_timeout_s = *rc::gen::inRange<std::uint32_t>(1, 100000);
        if (family == net::Family::Ipv4) {
            service.persistence_mask = 0xffffffffU << *rc::gen::inRange(0, 24);
        } else {
            service.persistence_mask = *rc::gen::inRange<std::uint32_t>(1, 129);
        }
    }
    if (service.key.protocol == model::Protocol::Udp && *rc::gen::arbitrary<bool>()) {
        service.flags |= model::kServiceOnePacket;
    }
    service.clamps_mss = *rc::gen::arbitrary<bool>();
    return service;
}

model::Destination random_server(const model::ServiceKey& service, std::uint32_t number) {
    model::Destination server;
    server.method = *rc::gen::element(
        ForwardingMethod::Masquerade, ForwardingMethod::DirectRoute, ForwardingMethod::Tunnel);
    const bool is_tunnel = server.method == ForwardingMethod::Tunnel;
    const net::Family family = is_tunnel ? random_family() : service.family();
    server.real = {.address = random_address(family, 4096 + number), .port = random_port()};
    // ipvsadm replaces the port where nothing on the way could rewrite it.
    if (service.fwmark == 0 && server.method != ForwardingMethod::Masquerade) {
        server.real.port = service.port;
    }
    server.weight = *rc::gen::inRange<std::int32_t>(0, 65536);
    if (!is_tunnel) return server;
    server.tunnel.type =
        *rc::gen::element(model::TunnelType::Ipip, model::TunnelType::Gue, model::TunnelType::Gre);
    if (server.tunnel.type == model::TunnelType::Gue) server.tunnel.port = random_port();
    if (server.tunnel.type == model::TunnelType::Gue) {
        server.tunnel.flags = *rc::gen::element<std::uint16_t>(0, 1, 2);
    } else if (server.tunnel.type == model::TunnelType::Gre) {
        server.tunnel.flags = *rc::gen::element<std::uint16_t>(0, 1);
    }
    return server;
}

void set_up(testing::FakeServiceManager& services) {
    const auto count = *rc::gen::inRange<std::uint32_t>(0, 12);
    for (std::uint32_t i = 0; i < count; ++i) {
        const model::VirtualService service = random_service(i);
        RC_ASSERT(services.add_service(service).has_value());
        const auto servers = *rc::gen::inRange<std::uint32_t>(0, 8);
        for (std::uint32_t j = 0; j < servers; ++j) {
            RC_ASSERT(
                services.add_destination(service.key, random_server(service.key, j)).has_value());
        }
    }
}

void add_mark_rules(testing::FakeServiceManager& services) {
    const auto count = *rc::gen::inRange<std::uint32_t>(0, 6);
    for (std::uint32_t i = 0; i < count; ++i) {
        model::MarkRule rule;
        rule.mark = *rc::gen::inRange<std::uint32_t>(1, 0xffffffff);
        const net::Family family = random_family();
        const auto prefix = [&] {
            return net::Prefix::of(random_address(family, i),
                                   *rc::gen::inRange<std::uint8_t>(0, 33));
        };
        if (*rc::gen::arbitrary<bool>()) rule.source = prefix();
        if (*rc::gen::arbitrary<bool>()) rule.destination = prefix();
        if (*rc::gen::arbitrary<bool>()) rule.protocol = model::Protocol::Sctp;
        if (*rc::gen::arbitrary<bool>()) rule.interface = "eth0";
        const net::Port port = random_port();
        rule.destination_ports = {.first = net::Port{1}, .last = port};
        RC_ASSERT(services.add_mark_rule(rule).has_value());
    }
}

void add_access_rules(testing::FakeServiceManager& services) {
    const auto known = services.configured_services();
    const auto count = *rc::gen::inRange<std::uint32_t>(0, 20);
    for (std::uint32_t i = 0; i < count; ++i) {
        model::AccessRule rule;
        net::Family family = random_family();
        if (!known.empty() && *rc::gen::arbitrary<bool>()) {
            rule.service = (*rc::gen::elementOf(known)).key;
            family = rule.service->family();
        }
        const bool is_ipv4 = family == net::Family::Ipv4;
        rule.prefix = net::Prefix::of(random_address(family, *rc::gen::inRange(0U, 5000U)),
                                      *rc::gen::inRange<std::uint8_t>(0, is_ipv4 ? 33 : 129));
        rule.action = *rc::gen::element(model::AccessAction::Allow, model::AccessAction::Deny);
        // The same prefix may be there.
        static_cast<void>(services.add_access_rule(rule));
    }
}

std::vector<model::AccessRule> access_rules_of(const testing::FakeServiceManager& services) {
    std::vector<model::AccessRule> all;
    control::AccessPlace place;
    // In portions, as whoever saves them.
    while (services.for_each_access_rule(
        place, 3, [&all](const model::AccessRule& rule) { all.push_back(rule); })) {
    }
    return all;
}

std::string state_of(const testing::FakeServiceManager& services) {
    std::string text(control::kStateFirstLine);
    text += to_text(services.timeouts());
    for (const model::MarkRule& rule : services.mark_rules())
        text += to_text(rule);
    for (const model::AccessRule& rule : access_rules_of(services))
        text += to_text(rule);
    for (const auto& status : services.services()) {
        text += to_text(status.service);
        const auto servers = services.destinations(status.service.key);
        for (auto each = servers.rbegin(); each != servers.rend(); ++each)
            text += to_text(status.service.key, each->destination);
    }
    return text.append(control::kStateLastLine);
}

// Whatever order they stand in: -S sorts.
std::multiset<std::string> all_that_is(const testing::FakeServiceManager& services) {
    std::istringstream lines(state_of(services));
    std::multiset<std::string> all;
    for (std::string line; std::getline(lines, line);)
        all.insert(std::move(line));
    return all;
}

class Saved : public ServedDirector {};

RC_GTEST_FIXTURE_PROP(Saved, IsWhatItRestoresTo, ()) {
    set_up(services_);
    add_mark_rules(services_);
    add_access_rules(services_);
    const auto before = all_that_is(services_);
    RC_ASSERT(xvsadm({"-S", "-n"}) == 0);
    const std::string saved = out();
    RC_ASSERT(xvsadm({"-C"}) == 0);
    for (const model::MarkRule& rule : services_.mark_rules())
        RC_ASSERT(services_.remove_mark_rule(rule).has_value());
    // Those for all services stay.
    for (const model::AccessRule& rule : access_rules_of(services_)) {
        RC_ASSERT(!rule.service);
        RC_ASSERT(services_.remove_access_rule(rule).has_value());
    }
    RC_ASSERT(xvsadm({"-R"}, saved) == 0);
    RC_ASSERT(err() == "");
    RC_ASSERT(xvsadm({"-S", "-n"}) == 0);
    RC_ASSERT(out() == saved);
    stop();
    RC_ASSERT(all_that_is(services_) == before);
}

RC_GTEST_PROP(StateFile, IsWhatItRestoresTo, ()) {
    testing::FakeServiceManager services;
    set_up(services);
    add_mark_rules(services);
    add_access_rules(services);
    services.set_timeouts({.tcp_s = *rc::gen::inRange<std::uint32_t>(1, 100000),
                           .tcp_fin_s = *rc::gen::inRange<std::uint32_t>(1, 100000),
                           .udp_s = *rc::gen::inRange<std::uint32_t>(1, 100000)});
    const std::string text = state_of(services);
    const auto state = control::parse_state(text);
    RC_ASSERT(state.has_value());
    testing::FakeServiceManager again;
    again.set_timeouts(state->timeouts);
    for (const model::MarkRule& rule : state->mark_rules)
        RC_ASSERT(again.add_mark_rule(rule).has_value());
    for (const auto& saved : state->services) {
        RC_ASSERT(again.add_service(saved.service).has_value());
        for (const auto& server : saved.destinations)
            RC_ASSERT(again.add_destination(saved.service.key, server).has_value());
    }
    for (const model::AccessRule& rule : state->access_rules)
        RC_ASSERT(again.add_access_rule(rule).has_value());
    RC_ASSERT(state_of(again) == text);
}

}  // namespace
}  // namespace xvs::cli
