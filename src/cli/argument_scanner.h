// ArgumentScanner: splits a command line into options, their values and what is left over, by the
// rules of popt, which ipvsadm's users are used to.
//
// Values follow as "-t value", "-tvalue", "-t=value", "--long value" or "--long=value"; short
// options bundle ("-Ln"); "--" ends the options; long names are not abbreviated.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xvs::cli {

enum class Value {
    None,
    Required,
    Optional,  // taken only if it does not look like an option
};

struct OptionSpec {
    int id;
    std::string_view long_name;
    char short_name;  // NUL for none
    Value value;
};

class ArgumentScanner {
public:
    struct Option {
        int id = 0;
        std::optional<std::string> value;
    };

    enum class Problem { UnknownOption, MissingArgument, UnwantedArgument };

    struct End {};

    using Item = std::variant<Option, Problem, End>;

    // `words` are without the program's name.
    ArgumentScanner(std::span<const OptionSpec> options, std::vector<std::string> words)
        : options_(options), words_(std::move(words)) {}

    // Returns the next option; leftover words are collected on the way.
    [[nodiscard]] Item next();

    // The word that was looked at last: after an option with a value of its own, that value.
    [[nodiscard]] std::string last_word() const;

    // Takes the next of the leftover words that were collected so far.
    [[nodiscard]] std::optional<std::string> take_leftover();

private:
    [[nodiscard]] Item start_word(const std::string& word, bool& is_bundle);
    [[nodiscard]] Item next_of_bundle();
    [[nodiscard]] Item with_value(const OptionSpec& spec, std::optional<std::string> attached);

    std::span<const OptionSpec> options_;
    std::vector<std::string> words_;
    std::size_t next_ = 0;
    std::string bundle_;  // short options of the present word that are still to come
    bool only_leftovers_ = false;
    std::vector<std::string> leftovers_;
    std::size_t next_leftover_ = 0;
};

// What popt says of a problem: "unknown option".
[[nodiscard]] std::string_view problem_text(ArgumentScanner::Problem problem) noexcept;

}  // namespace xvs::cli
