// MarkRules: gives packets of no connection their firewall mark.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "engine/parse/packet.h"
#include "flow/mark_rule.h"

namespace xvs::engine {

// Thread: set() under the gates of all workers, the rest is a worker's.
class MarkRules {
public:
    void set(std::span<const xvs_mark_rule> rules) { rules_.assign(rules.begin(), rules.end()); }

    // Returns the mark of the first rule that fits, or 0. Of a datagram's fragments the first is to
    // be asked about, which shows the ports.
    template <class Ip>
    [[nodiscard]] std::uint32_t mark_of(const Packet<Ip>& packet) const noexcept {
        if (rules_.empty() || !packet.has_transport_header()) return 0;
        const xvs_mark_subject subject = subject_of(packet);
        for (const xvs_mark_rule& rule : rules_) {
            if (xvs_mark_rule_fits(&rule, &subject) != 0) return rule.mark;
        }
        return 0;
    }

private:
    template <class Ip>
    [[nodiscard]] static xvs_mark_subject subject_of(const Packet<Ip>& packet) noexcept {
        xvs_mark_subject subject{};
        subject.ifindex = packet.frame.interface;
        subject.family = static_cast<std::uint8_t>(Ip::kFamily);
        subject.protocol = packet.key.protocol;
        subject.source_port = net::number(packet.key.source_port_number());
        subject.destination_port = net::number(packet.key.destination_port_number());
        const auto source = packet.key.source_address();
        const auto destination = packet.key.destination_address();
        const net::IpAddress wide_source(source);
        const net::IpAddress wide_destination(destination);
        std::memcpy(subject.source, wide_source.bytes().data(), sizeof(subject.source));
        std::memcpy(subject.destination, wide_destination.bytes().data(), sizeof(subject.source));
        return subject;
    }

    std::vector<xvs_mark_rule> rules_;
};

}  // namespace xvs::engine
