#include "lab/packet_way.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "net/tcp.h"

namespace xvs::lab {

using model::ForwardingMethod;

namespace {

constexpr std::uint8_t kSynAck = net::tcp_flag::kSyn | net::tcp_flag::kAck;

bool is_end(const std::string& node) {
    return node == "client" || node.starts_with("rs");
}

// Whether a packet passes `a` before `b`: from its sender over routers, each of which takes one
// from the TTL, to its receiver. (The kernel's timestamps do not tell: those of the first packets
// after they were asked for are of the time of reading.)
bool comes_before(const Sighting& a, const Sighting& b) {
    const auto rank = [](const Sighting& seen) {
        const unsigned stage = seen.sent ? 0 : is_end(seen.node) ? 2 : 1;
        return std::tuple(stage, -static_cast<int>(seen.ttl), seen.outer.has_value());
    };
    return rank(a) < rank(b);
}

// A packet sent again is seen again: only the first time at each place counts.
std::vector<Sighting> first_at_each_place(const std::vector<Sighting>& seen) {
    std::set<std::tuple<std::string, std::string, bool>> places;
    std::vector<Sighting> result;
    for (const Sighting& sighting : seen) {
        if (sighting.sent && !is_end(sighting.node)) continue;
        if (places.insert({sighting.node, sighting.interface, sighting.sent}).second)
            result.push_back(sighting);
    }
    return result;
}

// The cells of a row of the table.
struct Row {
    std::string where;
    std::string does;
    std::string source;
    std::string destination;
    std::string ttl;
    std::string extra;
};

class Table {
public:
    Table(const Plan& plan, const Paint& paint) : plan_(plan), paint_(paint) {
        add_line({"", "", "from", "to", "TTL", extra_title()}, nullptr);
    }

    void add(const std::vector<Sighting>& sightings) {
        for (const Sighting& sighting : sightings) {
            rows_.push_back(row_of(sighting));
            const bool first = &sighting == &sightings.front();
            add_line(rows_.back(), first ? nullptr : &previous_);
            previous_ = rows_.back();
        }
    }

    void add_gap() { text_ += '\n'; }

    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    [[nodiscard]] std::string extra_title() const {
        if (plan_.method == ForwardingMethod::DirectRoute) return "frame goes to MAC";
        return plan_.method == ForwardingMethod::Tunnel ? "outer header" : "";
    }

    [[nodiscard]] Row row_of(const Sighting& sighting) const {
        Row row;
        row.where = sighting.node;
        row.does = sighting.sent ? "sends" : "receives";
        row.source = sighting.source.to_string();
        row.destination = sighting.destination.to_string();
        row.ttl = std::to_string(sighting.ttl);
        if (plan_.method == ForwardingMethod::DirectRoute) {
            row.extra =
                fmt::format("{} {}", sighting.to_mac.to_string(), plan_.node_of(sighting.to_mac));
        } else if (plan_.method == ForwardingMethod::Tunnel && sighting.outer) {
            row.extra = fmt::format("{} > {}",
                                    sighting.outer->source.to_string(),
                                    sighting.outer->destination.to_string());
        }
        return row;
    }

    void add_line(const Row& row, const Row* above) {
        text_ += "  " + paint_.of_node(row.where, fmt::format("{:<9}", row.where));
        text_ += fmt::format("{:<10}", row.does);
        text_ += cell(row.source, above == nullptr ? row.source : above->source, kEndpointWidth);
        text_ += cell(row.destination,
                      above == nullptr ? row.destination : above->destination,
                      kEndpointWidth);
        text_ += cell(row.ttl, above == nullptr ? row.ttl : above->ttl, 5);
        text_ += cell(row.extra, above == nullptr ? row.extra : above->extra, 0);
        while (text_.back() == ' ')
            text_.pop_back();
        text_ += '\n';
    }

    [[nodiscard]] std::string cell(const std::string& text,
                                   const std::string& above,
                                   std::size_t width) const {
        if (text == above || text.empty()) return fmt::format("{:<{}}", text, width);
        const std::string marked = text + "*";
        const std::size_t fill = marked.size() < width ? width - marked.size() : 0;
        return paint_.changed(marked) + std::string(fill, ' ');
    }

    static constexpr std::size_t kEndpointWidth = 22;

    const Plan& plan_;
    const Paint& paint_;
    std::vector<Row> rows_;
    Row previous_;
    std::string text_;
};

}  // namespace

PacketWay packet_way(std::vector<Sighting> seen, const net::Endpoint& client) {
    std::stable_sort(seen.begin(), seen.end(), comes_before);
    std::vector<Sighting> request;
    std::vector<Sighting> reply;
    for (const Sighting& sighting : seen) {
        const std::uint8_t flags = sighting.tcp_flags & kSynAck;
        if (flags == net::tcp_flag::kSyn && sighting.source == client) request.push_back(sighting);
        if (flags == kSynAck && sighting.destination == client) reply.push_back(sighting);
    }
    return {first_at_each_place(request), first_at_each_place(reply)};
}

std::string to_table(const PacketWay& way, const Plan& plan, const Paint& paint) {
    Table table(plan, paint);
    table.add(way.request);
    table.add_gap();
    table.add(way.reply);
    return table.take();
}

Result<CaptureEverywhere> CaptureEverywhere::start(const Laboratory& laboratory) {
    CaptureEverywhere everywhere;
    for (const Cable& cable : laboratory.plan().cables) {
        for (const Plug& plug : {cable.first, cable.second}) {
            if (plug.node == "switch") continue;
            auto capture = Capture::start(laboratory.node(plug.node), plug.node, plug.interface);
            if (!capture) return fail(capture.error());
            everywhere.captures_.push_back(std::move(*capture));
        }
    }
    return everywhere;
}

std::vector<Sighting> CaptureEverywhere::take() {
    std::vector<Sighting> all;
    for (Capture& capture : captures_) {
        for (Sighting& sighting : capture.take())
            all.push_back(std::move(sighting));
    }
    return all;
}

}  // namespace xvs::lab
