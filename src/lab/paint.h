// Paint: colour for a terminal, and none for anything else.
#pragma once

#include <string>
#include <string_view>

namespace xvs::lab {

class Paint {
public:
    // Without colour.
    Paint() = default;

    // Colour if standard output is a terminal that has it and NO_COLOR is not set.
    [[nodiscard]] static Paint for_standard_output();

    explicit Paint(bool colour) : colour_(colour) {}

    [[nodiscard]] std::string bold(std::string_view text) const { return in("1", text); }

    [[nodiscard]] std::string dim(std::string_view text) const { return in("2", text); }

    [[nodiscard]] std::string good(std::string_view text) const { return in("32", text); }

    [[nodiscard]] std::string bad(std::string_view text) const { return in("1;31", text); }

    [[nodiscard]] std::string changed(std::string_view text) const { return in("1;33", text); }

    // A node's name, or text about it, in the node's own colour: rs1, rs2 ... differ.
    [[nodiscard]] std::string of_node(std::string_view node, std::string_view text) const;

private:
    [[nodiscard]] std::string in(std::string_view code, std::string_view text) const;

    bool colour_ = false;
};

}  // namespace xvs::lab
