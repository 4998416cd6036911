#include <algorithm>

#include <fmt/format.h>

#include "net/ethernet.h"
#include "net/icmpv6.h"
#include "net/ipv6.h"
#include "testing/packet_text.h"
#include "testing/scenario.h"

namespace xvs::test {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
        while (lines.back().ends_with(' '))
            lines.back().pop_back();
    }
    return lines;
}

bool is_heading(const std::string& line) {
    return line.empty() || line.starts_with("IP Virtual Server version") ||
           line.starts_with("Prot LocalAddress") || line.starts_with("  -> RemoteAddress") ||
           line.starts_with("IPVS connection entries") || line.starts_with("pro expire state");
}

// A service with its servers, or a connection, is one entry. The order of entries is that of a
// hash table: compared as a set. The order of the servers within counts.
std::vector<std::string> entries_of(const std::vector<std::string>& lines) {
    std::vector<std::string> entries;
    for (const std::string& line : lines) {
        if (is_heading(line)) continue;
        if (line.starts_with(' ') && !entries.empty()) {
            entries.back() += "\n" + line;
        } else {
            entries.push_back(line);
        }
    }
    std::sort(entries.begin(), entries.end());
    return entries;
}

// `~` in an expected line stands for any run of characters other than blanks.
bool matches(std::string_view expected, std::string_view actual) {
    while (!expected.empty()) {
        if (expected.front() == '~') {
            const std::size_t end = std::min(actual.find_first_of(" \n"), actual.size());
            if (end == 0) return false;
            actual.remove_prefix(end);
        } else {
            if (actual.empty() || actual.front() != expected.front()) return false;
            actual.remove_prefix(1);
        }
        expected.remove_prefix(1);
    }
    return actual.empty();
}

bool same_entries(std::vector<std::string> expected, std::vector<std::string> actual) {
    if (expected.size() != actual.size()) return false;
    for (const std::string& wanted : expected) {
        const auto found = std::find_if(actual.begin(), actual.end(), [&](const auto& entry) {
            return matches(wanted, entry);
        });
        if (found == actual.end()) return false;
        actual.erase(found);
    }
    return true;
}

std::string join(const std::vector<std::string>& arguments) {
    return fmt::format("{}", fmt::join(arguments, " "));
}

class Run {
public:
    Run(const Scenario& scenario, ScenarioTarget& target) : scenario_(scenario), target_(target) {}

    Status run() {
        for (std::size_t at = 0; at < scenario_.steps.size(); ++at) {
            line_ = scenario_.steps[at].line;
            const bool is_expectation =
                std::holds_alternative<ExpectStep>(scenario_.steps[at].what);
            // What follows a step of another kind must be all that it caused.
            if (!is_expectation && !seen_.empty()) return unexpected();
            const Status status =
                std::visit([&](const auto& step) { return take(step); }, scenario_.steps[at].what);
            if (!status) return status;
            if (!is_expectation) cause_ = line_;
        }
        return seen_.empty() ? Status{} : unexpected();
    }

private:
    [[nodiscard]] tl::unexpected<Error> failed(std::size_t line, const std::string& what) const {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{}:{}: {}", scenario_.path, line, what));
    }

    [[nodiscard]] Status unexpected() const {
        std::string what = "and nothing else was to be sent, but";
        for (const Sighting& sighting : seen_)
            what += fmt::format("\n    {} < {}", sighting.host, to_text(sighting.packet));
        return failed(cause_, what);
    }

    Status take(const ServiceStep& step) {
        const CommandOutput output = target_.ipvsadm(step.arguments);
        if (output.exit_status != 0) {
            return failed(line_,
                          fmt::format("ipvsadm {}: exit status {}: {}",
                                      join(step.arguments),
                                      output.exit_status,
                                      output.error));
        }
        seen_ = target_.collect();
        return {};
    }

    Status take(const SendStep& step) {
        if (step.from == nullptr) {
            target_.send_from_host(step.packet);
        } else {
            target_.send(*step.from, step.packet);
        }
        seen_ = target_.collect();
        return {};
    }

    Status take(const ExpectStep& step) {
        const auto found = std::find_if(seen_.begin(), seen_.end(), [&](const Sighting& sighting) {
            return sighting.host == step.host;
        });
        if (found == seen_.end()) {
            std::string what = fmt::format(
                "{} got nothing more; expected\n    {}", step.host, to_text(step.packet));
            for (const Sighting& sighting : seen_)
                what +=
                    fmt::format("\n  but {} got\n    {}", sighting.host, to_text(sighting.packet));
            return failed(line_, what);
        }
        if (!step.packet.matches(found->packet)) {
            return failed(line_,
                          fmt::format("{} got another packet; expected\n    {}\n  but got\n    {}",
                                      step.host,
                                      to_text(step.packet),
                                      to_text(found->packet)));
        }
        seen_.erase(found);
        return {};
    }

    Status take(const AdvanceStep& step) {
        target_.advance(step.by);
        seen_ = target_.collect();
        return {};
    }

    Status take(const ListStep& step) {
        const CommandOutput output = target_.ipvsadm(step.arguments);
        const auto actual = entries_of(lines_of(output.out));
        const auto expected = entries_of(step.lines);
        if (output.exit_status == 0 && same_entries(expected, actual)) return {};
        std::string what =
            fmt::format("ipvsadm {} lists something else; expected", join(step.arguments));
        for (const std::string& entry : expected)
            what += "\n" + entry;
        what += "\n  but got";
        for (const std::string& entry : actual)
            what += "\n" + entry;
        if (!output.error.empty()) what += "\n" + output.error;
        return failed(line_, what);
    }

    Status take(const MtuStep& step) { return located(target_.set_mtu(step.side, step.mtu)); }

    Status take(const SysctlStep& step) {
        return located(target_.set_sysctl(step.name, step.value));
    }

    Status take(const MarkStep& step) { return located(target_.add_mark(step.rule)); }

    Status take(const DropsStep& step) {
        const auto actual = target_.drops();
        if (!actual || *actual == step.counts) return {};
        std::string what = "other drops were counted:";
        for (const auto& [reason, count] : *actual)
            what += fmt::format(" {}={}", reason, count);
        return failed(line_, what);
    }

    [[nodiscard]] Status located(const Status& status) const {
        if (status) return status;
        return failed(line_, status.error().context);
    }

    const Scenario& scenario_;
    ScenarioTarget& target_;
    std::vector<Sighting> seen_;
    std::size_t line_ = 0;
    std::size_t cause_ = 0;
};

// Neighbour and router discovery, which the link has of its own.
bool is_neighbour_discovery(std::span<const std::byte> packet) {
    const auto header = net::Ipv6View::parse(packet);
    if (!header || header->next_header() != net::IpProtocol::Icmpv6) return false;
    const auto message = net::IcmpView::parse(header->payload());
    return message && message->type() >= 133 && message->type() <= 137;
}

}  // namespace

Status run_scenario(const Scenario& scenario, ScenarioTarget& target) {
    return Run(scenario, target).run();
}

std::optional<Sighting> sighting_of(Side side, std::span<const std::byte> frame) {
    const auto header = net::EthernetView::parse(frame);
    if (!header) return Sighting{.host = "nobody (a frame without a header)", .packet = {}};
    const net::MacAddress to = header->destination();
    const bool is_group = (to.bytes()[0] & std::byte{1}) != std::byte{0};
    const bool is_ip =
        header->type() == net::EtherType::Ipv4 || header->type() == net::EtherType::Ipv6;
    if (is_group || !is_ip || is_neighbour_discovery(header->payload())) return std::nullopt;
    Sighting sighting;
    const auto payload = header->payload();
    sighting.packet.assign(payload.begin(), payload.end());
    const TestHost* host = find_host(to);
    if (host == nullptr || host->side != side) {
        sighting.host = fmt::format(
            "nobody ({} on the {} side)", to.to_string(), side == Side::Client ? "client" : "real");
    } else if (header->source() != director_link(side).mac) {
        sighting.host =
            fmt::format("{} (from {}, not the director)", host->name, header->source().to_string());
    } else {
        sighting.host = host->name;
    }
    return sighting;
}

}  // namespace xvs::test
