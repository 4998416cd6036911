#include "lab/drawing.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace xvs::lab {

using model::ForwardingMethod;

namespace {

constexpr std::size_t kLeft = 2;
constexpr std::size_t kGap = 9;  // between boxes: a cable

// Characters by row and column, as large as what was put there.
class Canvas {
public:
    void put(std::size_t x, std::size_t y, std::string_view text) {
        if (rows_.size() <= y) rows_.resize(y + 1);
        std::string& row = rows_[y];
        if (row.size() < x + text.size()) row.resize(x + text.size(), ' ');
        row.replace(x, text.size(), text);
    }

    void horizontal(std::size_t x, std::size_t y, std::size_t length) {
        put(x, y, std::string(length, '-'));
    }

    void vertical(std::size_t x, std::size_t from_y, std::size_t to_y) {
        for (std::size_t y = from_y; y <= to_y; ++y)
            put(x, y, "|");
    }

    // A box whose sections, a line of text each or several, are parted by rules. Returns its width.
    std::size_t box(std::size_t x,
                    std::size_t y,
                    const std::vector<std::vector<std::string>>& sections) {
        std::size_t width = 0;
        for (const auto& section : sections) {
            for (const std::string& line : section)
                width = std::max(width, line.size());
        }
        const std::string rule = "+" + std::string(width + 2, '-') + "+";
        put(x, y++, rule);
        for (const auto& section : sections) {
            for (const std::string& line : section)
                put(x, y++, fmt::format("| {:<{}} |", line, width));
            put(x, y++, rule);
        }
        return width + 4;
    }

    [[nodiscard]] std::string text() const {
        std::string all;
        for (const std::string& row : rows_)
            all += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
        return all;
    }

private:
    std::vector<std::string> rows_;
};

std::vector<std::vector<std::string>> real_server_sections(const Plan& plan,
                                                           std::string_view remark) {
    std::vector<std::vector<std::string>> sections;
    for (std::size_t i = 0; i < plan.real_servers.size(); ++i) {
        sections.push_back({fmt::format(
            "{:<9} {}{}", Plan::real_server_name(i), plan.real_servers[i].v4.to_string(), remark)});
    }
    return sections;
}

// A bus at column `x` from the first to the last of `rows`, with a cable to column `to_x` at each.
void bus(Canvas& canvas, std::size_t x, std::size_t to_x, const std::vector<std::size_t>& rows) {
    canvas.vertical(x, rows.front(), rows.back());
    for (const std::size_t y : rows) {
        canvas.put(x, y, "+");
        canvas.horizontal(x + 1, y, to_x - x - 1);
    }
}

// Rows of the texts of `count` one-line sections of a box that begins at `y`.
std::vector<std::size_t> section_rows(std::size_t y, std::size_t count) {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < count; ++i)
        rows.push_back(y + 1 + 2 * i);
    return rows;
}

std::string draw_masquerade(const Plan& plan) {
    Canvas canvas;
    const auto servers = real_server_sections(plan, "");
    const std::size_t middle = std::max<std::size_t>(servers.size(), 2);
    const std::size_t top = middle - 2;
    const std::size_t director_x =
        kLeft + kGap + canvas.box(kLeft, top, {{"client", plan.client.v4.to_string(), ""}});
    const std::size_t director_end =
        director_x + canvas.box(director_x,
                                top,
                                {{"director",
                                  "VIP " + plan.vip.v4.to_string(),
                                  "DIP " + plan.director.v4.to_string()}});
    const std::size_t servers_x = director_end + kGap;
    canvas.horizontal(director_x - kGap, middle, kGap);
    const std::size_t servers_y = middle - servers.size();
    bus(canvas, servers_x - 5, servers_x, section_rows(servers_y, servers.size()));
    canvas.horizontal(director_end, middle, kGap - 5);
    canvas.put(servers_x - 5, middle, "+");
    canvas.box(servers_x, servers_y, servers);
    return canvas.text();
}

std::string draw_direct_route(const Plan& plan) {
    Canvas canvas;
    auto hosts = real_server_sections(plan, "  VIP on lo");
    hosts.insert(
        hosts.begin(),
        {fmt::format(
            "director  {}   VIP {}", plan.director.v4.to_string(), plan.vip.v4.to_string())});
    const std::size_t middle = std::max<std::size_t>(hosts.size(), 2);
    const std::size_t top = middle - 2;
    const std::size_t router_x =
        kLeft + kGap + canvas.box(kLeft, top, {{"client", plan.client.v4.to_string(), ""}});
    const std::size_t router_end =
        router_x + canvas.box(router_x, top, {{"router", plan.gateway.v4.to_string(), ""}});
    canvas.horizontal(router_x - kGap, middle, kGap);
    const std::size_t hosts_x = router_end + kGap;
    const std::size_t hosts_y = middle - hosts.size();
    bus(canvas, hosts_x - 5, hosts_x, section_rows(hosts_y, hosts.size()));
    canvas.horizontal(router_end, middle, kGap - 5);
    canvas.put(hosts_x - 5, middle, "+");
    canvas.box(hosts_x, hosts_y, hosts);
    return canvas.text();
}

std::string draw_tunnel(const Plan& plan) {
    Canvas canvas;
    const auto servers = real_server_sections(plan, "  VIP on lo, decapsulates");
    const std::size_t servers_y = 5;
    const std::size_t height = servers_y + 2 * servers.size() - 1;  // lines inside the router
    std::vector<std::string> router(height, "");
    router[0] = "router";
    const std::size_t middle = (height + 1) / 2;
    const std::size_t router_x =
        kLeft + kGap + canvas.box(kLeft, middle - 2, {{"client", plan.client.v4.to_string(), ""}});
    router[middle - 1] = "198.51.100.1";
    router[1] = "192.0.2.254";
    router[servers_y + servers.size() - 1] = plan.gateway.v4.to_string();
    const std::size_t router_end = router_x + canvas.box(router_x, 0, {router});
    canvas.horizontal(router_x - kGap, middle, kGap);

    const std::size_t hosts_x = router_end + kGap;
    canvas.box(hosts_x,
               0,
               {{"director  " + plan.director.v4.to_string(),
                 "          VIP " + plan.vip.v4.to_string()}});
    canvas.horizontal(router_end, 2, kGap);
    bus(canvas, hosts_x - 5, hosts_x, section_rows(servers_y, servers.size()));
    const std::size_t cable_y = servers_y + servers.size();
    canvas.horizontal(router_end, cable_y, kGap - 5);
    canvas.put(hosts_x - 5, cable_y, "+");
    canvas.box(hosts_x, servers_y, servers);
    return canvas.text();
}

}  // namespace

std::string draw(const Plan& plan) {
    switch (plan.method) {
        case ForwardingMethod::DirectRoute:
            return draw_direct_route(plan);
        case ForwardingMethod::Tunnel:
            return draw_tunnel(plan);
        default:
            return draw_masquerade(plan);
    }
}

}  // namespace xvs::lab
