#include "lab/paint.h"

#include <array>
#include <cstdlib>

#include <unistd.h>

namespace xvs::lab {

Paint Paint::for_standard_output() {
    // https://no-color.org: set and not empty means none.
    const char* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
    const char* terminal = std::getenv("TERM");      // NOLINT(concurrency-mt-unsafe)
    if (no_color != nullptr && *no_color != '\0') return Paint(false);
    if (terminal != nullptr && std::string_view(terminal) == "dumb") return Paint(false);
    return Paint(::isatty(STDOUT_FILENO) == 1);
}

std::string Paint::of_node(std::string_view node, std::string_view text) const {
    constexpr std::array<std::string_view, 5> kRealServers = {"32", "36", "35", "34", "33"};
    if (!node.starts_with("rs")) return in("1", text);
    const auto number = static_cast<std::size_t>(std::atoi(std::string(node.substr(2)).c_str()));
    return in(kRealServers[(number + kRealServers.size() - 1) % kRealServers.size()], text);
}

std::string Paint::in(std::string_view code, std::string_view text) const {
    if (!colour_) return std::string(text);
    std::string painted = "\x1b[";
    painted += code;
    painted += 'm';
    painted += text;
    painted += "\x1b[0m";
    return painted;
}

}  // namespace xvs::lab
