#include "bench/memory/report.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace xvs::bench {
namespace {

double rounded(double value, double unit) {
    return std::round(value / unit) * unit;
}

std::string or_dash(const std::optional<double>& value, const char* format) {
    return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

nlohmann::json to_json(const Row& row) {
    nlohmann::json json{{"group", row.group},
                        {"name", row.name},
                        {"unit", row.unit},
                        {"better", "lower"},
                        {"value", rounded(row.value.median, 0.1)},
                        {"minimum", rounded(row.value.minimum, 0.1)},
                        {"maximum", rounded(row.value.maximum, 0.1)}};
    if (row.value.samples != 0) json["samples"] = row.value.samples;
    if (!row.series.empty()) {
        json["series"] = row.series;
        json["x"] = row.x;
    }
    if (row.skeleton) json["skeleton"] = rounded(*row.skeleton, 0.1);
    if (row.ratio) json["ratio_to_skeleton"] = rounded(*row.ratio, 0.01);
    if (row.instructions) json["instructions"] = std::round(*row.instructions);
    if (row.limit) json["limit"] = *row.limit;
    if (!row.text.empty()) json["text"] = row.text;
    return json;
}

}  // namespace

void Report::add(Row row) {
    if (rows_.empty() || rows_.back().group != row.group) {
        fmt::print("\n{}\n{:<32} {:>8} {:>8} {:>9} {:>6} {:>7} {:>6}\n",
                   row.group,
                   "",
                   "median",
                   "least",
                   "skeleton",
                   "ratio",
                   "instr.",
                   "limit");
    }
    fmt::print("{:<32} {:>8.1f} {:>8.1f} {:>9} {:>6} {:>7} {:>6}  {}\n",
               row.name,
               row.value.median,
               row.value.minimum,
               or_dash(row.skeleton, "{:.1f}"),
               or_dash(row.ratio, "{:.2f}"),
               or_dash(row.instructions, "{:.0f}"),
               or_dash(row.limit, "{:.0f}"),
               row.text);
    std::fflush(stdout);
    rows_.push_back(std::move(row));
}

Status Report::write(const std::string& path) const {
    nlohmann::json json{{"schema", 1},
                        {"rows", nlohmann::json::array()},
                        {"not_run", nlohmann::json::array()},
                        {"notes", notes_}};
    for (const Row& row : rows_)
        json["rows"].push_back(to_json(row));
    for (const auto& [what, why] : not_run_)
        json["not_run"].push_back({{"what", what}, {"why", why}});
    std::ofstream file(path);
    file << json.dump(2) << '\n';
    file.close();
    if (!file) return fail(system_error(fmt::format("writing {}", path), errno));
    return {};
}

}  // namespace xvs::bench
