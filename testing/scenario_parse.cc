#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "testing/packet_text.h"
#include "testing/scenario.h"

namespace xvs::test {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

// Cuts the first word off `text`.
std::string_view take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text = trimmed(text.substr(end));
    return word;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty())
        words.emplace_back(take_word(text));
    return words;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    std::int64_t unit_ms = 0;
    if (text.ends_with("ms")) {
        unit_ms = 1;
        text.remove_suffix(2);
    } else if (text.ends_with("s")) {
        unit_ms = 1000;
        text.remove_suffix(1);
    }
    const auto count = number_in<std::int64_t>(text);
    if (!count || unit_ms == 0) return std::nullopt;
    return std::chrono::milliseconds(*count * unit_ms);
}

using Parsed = Result<decltype(Step::what)>;

tl::unexpected<Error> wrong(std::string what) {
    return fail(ErrorCode::InvalidArgument, std::move(what));
}

Parsed parse_mtu(std::string_view rest) {
    const auto side = take_word(rest);
    const auto mtu = number_in<std::uint32_t>(rest);
    if ((side != "client" && side != "real") || !mtu)
        return wrong("expected mtu client NUMBER or mtu real NUMBER");
    return MtuStep{.side = side == "client" ? Side::Client : Side::Real, .mtu = *mtu};
}

Parsed parse_sysctl(std::string_view rest) {
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return wrong("expected sysctl NAME=VALUE");
    return SysctlStep{.name = std::string(rest.substr(0, equals)),
                      .value = std::string(rest.substr(equals + 1))};
}

Parsed parse_mark(std::string_view rest) {
    auto rule = model::parse_mark_rule(std::string(rest));
    if (!rule) return fail(rule.error());
    return MarkStep{*std::move(rule)};
}

Parsed parse_drops(std::string_view rest) {
    DropsStep step;
    for (const std::string& word : words_of(rest)) {
        const std::size_t equals = std::min(word.find('='), word.size() - 1);
        const auto count = number_in<std::uint64_t>(std::string_view(word).substr(equals + 1));
        if (!count) return wrong("expected drops REASON=COUNT ..., or drops alone for none");
        step.counts[word.substr(0, equals)] = *count;
    }
    return step;
}

// "client > PACKET" and "real1 < PACKET", the host being cut off already.
Parsed parse_packet_step(std::string_view host, std::string_view rest) {
    const auto arrow = take_word(rest);
    const TestHost* known = find_host(host);
    if ((arrow != "<" && arrow != ">") || (known == nullptr && host != kDirectorHost)) {
        return wrong(
            fmt::format("\"{}\" is no step; expected service, list, advance, mtu, sysctl, mark, "
                        "drops, or a host "
                        "(client client2 client3 real1 real2 real3 real4 host) and > or < PACKET",
                        host));
    }
    auto packet = parse_packet(rest);
    if (!packet) return fail(packet.error());
    if (arrow == "<") return ExpectStep{.host = std::string(host), .packet = std::move(*packet)};
    return SendStep{.from = known, .packet = std::move(*packet)};
}

Parsed parse_step(std::string_view line) {
    const auto word = take_word(line);
    if (word == "service") return ServiceStep{words_of(line)};
    if (word == "list") return ListStep{.arguments = words_of(line), .lines = {}};
    if (word == "mtu") return parse_mtu(line);
    if (word == "sysctl") return parse_sysctl(line);
    if (word == "drops") return parse_drops(line);
    if (word == "mark") return parse_mark(line);
    if (word == "advance") {
        const auto duration = parse_duration(line);
        if (!duration) return wrong("expected advance NUMBERs or advance NUMBERms");
        return AdvanceStep{*duration};
    }
    return parse_packet_step(word, line);
}

std::optional<std::string> remark(std::string_view comment, std::string_view tag) {
    const auto text = trimmed(comment.substr(1));
    if (!text.starts_with(tag)) return std::nullopt;
    return std::string(trimmed(text.substr(tag.size())));
}

}  // namespace

std::chrono::milliseconds Scenario::duration() const {
    std::chrono::milliseconds sum{};
    for (const Step& step : steps) {
        if (const auto* advance = std::get_if<AdvanceStep>(&step.what)) sum += advance->by;
    }
    return sum;
}

Result<Scenario> parse_scenario(std::string path, std::string_view text) {
    Scenario scenario;
    scenario.path = std::move(path);
    std::size_t number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(text.size(), end + 1));
        ++number;
        const auto here = [&](const std::string& what) {
            return wrong(fmt::format("{}:{}: {}", scenario.path, number, what));
        };
        if (line.empty()) continue;
        if (line.front() == '#') {
            if (auto reason = remark(line, "DIFFERS FROM IPVS:"))
                scenario.differs_from_ipvs = reason;
            if (auto reason = remark(line, "ENGINE ONLY:")) scenario.engine_only = reason;
            continue;
        }
        if (line.front() == '|') {
            auto* list = scenario.steps.empty()
                             ? nullptr
                             : std::get_if<ListStep>(&scenario.steps.back().what);
            if (list == nullptr) return here("lines behind | belong to a list step before them");
            list->lines.emplace_back(line.substr(std::min<std::size_t>(line.size(), 2)));
            continue;
        }
        auto step = parse_step(line);
        if (!step) return here(step.error().context);
        scenario.steps.push_back(Step{.what = std::move(*step), .line = number});
    }
    return scenario;
}

Result<Scenario> read_scenario(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    if (!file) return fail(system_error(fmt::format("read {}", path), errno));
    return parse_scenario(path, text.str());
}

std::vector<std::string> find_scenarios(const std::string& folder) {
    std::vector<std::string> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
        if (entry.path().extension() == ".scenario") paths.push_back(entry.path().string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

}  // namespace xvs::test
