#include "control/mark_rule_list.h"

#include <algorithm>
#include <cstring>

#include <net/if.h>

#include <fmt/format.h>

namespace xvs::control {
namespace {

void put_prefix(const std::optional<net::Prefix>& prefix, __u32* address, __u32* mask) {
    if (!prefix) return;
    std::memcpy(address, prefix->address.bytes().data(), 4 * sizeof(__u32));
    std::uint8_t bytes[4 * sizeof(__u32)] = {};
    for (std::size_t bit = 0; bit < prefix->length; ++bit)
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | 0x80U >> bit % 8);
    std::memcpy(mask, bytes, sizeof bytes);
}

xvs_mark_rule compile(const model::MarkRule& rule) {
    xvs_mark_rule result{};
    result.mark = rule.mark;
    if (!rule.interface.empty()) {
        const unsigned ifindex = ::if_nametoindex(rule.interface.c_str());
        result.ifindex = ifindex != 0 ? ifindex : XVS_NO_INTERFACE;
    }
    const auto& prefix = rule.source ? rule.source : rule.destination;
    if (prefix) result.family = static_cast<__u8>(prefix->address.family());
    if (rule.protocol) result.protocol = static_cast<__u8>(*rule.protocol);
    result.source_first = net::number(rule.source_ports.first);
    result.source_last = net::number(rule.source_ports.last);
    result.destination_first = net::number(rule.destination_ports.first);
    result.destination_last = net::number(rule.destination_ports.last);
    put_prefix(rule.source, result.source, result.source_mask);
    put_prefix(rule.destination, result.destination, result.destination_mask);
    return result;
}

}  // namespace

Status MarkRuleList::add(const model::MarkRule& rule) {
    if (std::find(rules_.begin(), rules_.end(), rule) != rules_.end()) {
        return fail(ErrorCode::AlreadyExists, "there is this rule already: " + rule.to_string());
    }
    if (rules_.size() == XVS_MAX_MARK_RULES) {
        return fail(ErrorCode::OutOfMemory,
                    fmt::format("there is room for {} mark rules; a prefix or a range of ports may "
                                "stand for some of them",
                                XVS_MAX_MARK_RULES));
    }
    rules_.push_back(rule);
    return {};
}

Status MarkRuleList::remove(const model::MarkRule& rule) {
    const auto found = std::find(rules_.begin(), rules_.end(), rule);
    if (found == rules_.end()) {
        return fail(ErrorCode::NotFound, "there is no such rule: " + rule.to_string());
    }
    rules_.erase(found);
    return {};
}

std::vector<xvs_mark_rule> MarkRuleList::compiled() const {
    std::vector<xvs_mark_rule> result;
    for (const model::MarkRule& rule : rules_)
        result.push_back(compile(rule));
    return result;
}

}  // namespace xvs::control
