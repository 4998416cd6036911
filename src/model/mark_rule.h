// MarkRule: which packets get a firewall mark, as xvsadm --add-mark takes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/virtual_service.h"
#include "net/prefix.h"

namespace xvs::model {

struct PortRange {
    net::Port first{0};
    net::Port last{65535};

    bool operator==(const PortRange&) const = default;
};

struct MarkRule {
    std::uint32_t mark = 0;
    std::optional<Protocol> protocol;  // nullopt: any that has ports
    std::optional<net::Prefix> source;
    std::optional<net::Prefix> destination;
    PortRange source_ports;
    PortRange destination_ports;
    std::string interface;  // empty: any

    // "7 --proto tcp --dst 192.0.2.0/24 --dport 80-89", as parse_mark_rule() takes it.
    [[nodiscard]] std::string to_string() const;

    bool operator==(const MarkRule&) const = default;
};

// Returns the rule that the words say: MARK [--proto tcp|udp|sctp] [--src PREFIX] [--dst PREFIX]
// [--sport A-B] [--dport A-B] [--in INTERFACE]. InvalidArgument names the word and what is wrong.
[[nodiscard]] Result<MarkRule> parse_mark_rule(const std::vector<std::string>& words);

// The same of a line of words.
[[nodiscard]] Result<MarkRule> parse_mark_rule(const std::string& line);

}  // namespace xvs::model
