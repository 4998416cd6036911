// Report: the rows of a benchmark, as a table on the screen and as JSON (bench/README.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/memory/slices.h"

namespace xvs::bench {

struct Row {
    std::string group;
    std::string name;
    std::string series{};
    std::uint64_t x = 0;
    std::string unit = "ns";
    Summary value;
    std::optional<double> skeleton{};  // ns
    std::optional<double> ratio{};
    std::optional<double> instructions{};
    std::optional<double> limit{};
    std::string text{};
};

class Report {
public:
    // Prints the row as well, and its group's name before the first.
    void add(Row row);

    void add_note(std::string note) { notes_.push_back(std::move(note)); }

    void add_not_run(std::string what, std::string why) {
        not_run_.emplace_back(std::move(what), std::move(why));
    }

    [[nodiscard]] Status write(const std::string& path) const;

    [[nodiscard]] const std::vector<Row>& rows() const noexcept { return rows_; }

private:
    std::vector<Row> rows_;
    std::vector<std::string> notes_;
    std::vector<std::pair<std::string, std::string>> not_run_;
};

}  // namespace xvs::bench
