#include "cli/argument_scanner.h"

#include <algorithm>

namespace xvs::cli {

ArgumentScanner::Item ArgumentScanner::next() {
    if (!bundle_.empty()) return next_of_bundle();
    while (next_ < words_.size()) {
        const std::string& word = words_[next_++];
        if (only_leftovers_ || word.size() < 2 || word[0] != '-') {
            leftovers_.push_back(word);
            continue;
        }
        if (word == "--") {
            only_leftovers_ = true;
            continue;
        }
        bool is_bundle = false;
        Item item = start_word(word, is_bundle);
        if (!is_bundle) return item;
        return next_of_bundle();
    }
    return End{};
}

ArgumentScanner::Item ArgumentScanner::start_word(const std::string& word, bool& is_bundle) {
    if (word[1] != '-') {
        is_bundle = true;
        bundle_ = word.substr(1);
        return End{};
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const auto spec = std::find_if(options_.begin(), options_.end(), [&name](const auto& option) {
        return !option.long_name.empty() && option.long_name == name;
    });
    if (spec == options_.end()) return Problem::UnknownOption;
    if (equals == std::string::npos) return with_value(*spec, std::nullopt);
    return with_value(*spec, word.substr(equals + 1));
}

ArgumentScanner::Item ArgumentScanner::next_of_bundle() {
    const char name = bundle_.front();
    bundle_.erase(0, 1);
    const auto spec = std::find_if(options_.begin(), options_.end(), [name](const auto& option) {
        return option.short_name == name;
    });
    if (name == '\0' || spec == options_.end()) return Problem::UnknownOption;
    if (bundle_.empty()) return with_value(*spec, std::nullopt);
    if (spec->value == Value::None) {
        if (bundle_.front() == '=') return Problem::UnwantedArgument;
        return Option{.id = spec->id, .value = std::nullopt};
    }
    const std::string attached = bundle_.substr(bundle_.front() == '=' ? 1 : 0);
    bundle_.clear();
    return with_value(*spec, attached);
}

ArgumentScanner::Item ArgumentScanner::with_value(const OptionSpec& spec,
                                                  std::optional<std::string> attached) {
    if (spec.value == Value::None) {
        if (attached) return Problem::UnwantedArgument;
        return Option{.id = spec.id, .value = std::nullopt};
    }
    if (attached) return Option{.id = spec.id, .value = std::move(attached)};
    const bool optional = spec.value == Value::Optional;
    if (next_ == words_.size()) {
        if (!optional) return Problem::MissingArgument;
        return Option{.id = spec.id, .value = std::nullopt};
    }
    if (optional && words_[next_].rfind('-', 0) == 0) {
        return Option{.id = spec.id, .value = std::nullopt};
    }
    return Option{.id = spec.id, .value = words_[next_++]};
}

std::string ArgumentScanner::last_word() const {
    return next_ == 0 ? std::string() : words_[next_ - 1];
}

std::optional<std::string> ArgumentScanner::take_leftover() {
    if (next_leftover_ == leftovers_.size()) return std::nullopt;
    return leftovers_[next_leftover_++];
}

std::string_view problem_text(ArgumentScanner::Problem problem) noexcept {
    switch (problem) {
        case ArgumentScanner::Problem::UnknownOption:
            return "unknown option";
        case ArgumentScanner::Problem::MissingArgument:
            return "missing argument";
        case ArgumentScanner::Problem::UnwantedArgument:
            return "option does not take an argument";
    }
    return "";
}

}  // namespace xvs::cli
