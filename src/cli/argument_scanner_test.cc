#include "cli/argument_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::cli {
namespace {

using ::testing::ElementsAre;
using Words = std::vector<std::string>;

constexpr OptionSpec kOptions[] = {{'t', "tcp-service", 't', Value::Required},
                                   {'p', "persistent", 'p', Value::Optional},
                                   {'n', "numeric", 'n', Value::None},
                                   {'o', "", 'o', Value::None}};

// "n", "t=value", "p", an error's text, and leftovers in parentheses.
Words scanned(Words words) {
    ArgumentScanner scanner(kOptions, std::move(words));
    Words result;
    while (true) {
        const auto item = scanner.next();
        if (std::holds_alternative<ArgumentScanner::End>(item)) break;
        if (const auto* problem = std::get_if<ArgumentScanner::Problem>(&item)) {
            result.push_back(scanner.last_word() + ": " + std::string(problem_text(*problem)));
            break;
        }
        const auto& option = std::get<ArgumentScanner::Option>(item);
        std::string text(1, static_cast<char>(option.id));
        if (option.value) text += "=" + *option.value;
        result.push_back(text);
    }
    while (const auto leftover = scanner.take_leftover())
        result.push_back("(" + *leftover + ")");
    return result;
}

TEST(ArgumentScanner, TakesAValueInAnyOfTheWaysItMayBeWritten) {
    for (const Words& words : {Words{"-t", "v"},
                               Words{"-tv"},
                               Words{"-t=v"},
                               Words{"--tcp-service", "v"},
                               Words{"--tcp-service=v"}}) {
        EXPECT_THAT(scanned(words), ElementsAre("t=v"));
    }
    EXPECT_THAT(scanned({"-t", "-n"}), ElementsAre("t=-n"));
}

TEST(ArgumentScanner, TakesAnOptionalValueUnlessItLooksLikeAnOption) {
    EXPECT_THAT(scanned({"-p"}), ElementsAre("p"));
    EXPECT_THAT(scanned({"-p", "60"}), ElementsAre("p=60"));
    EXPECT_THAT(scanned({"-p", "-n"}), ElementsAre("p", "n"));
    EXPECT_THAT(scanned({"-p60"}), ElementsAre("p=60"));
    EXPECT_THAT(scanned({"--persistent="}), ElementsAre("p="));
}

TEST(ArgumentScanner, TakesBundlesApart) {
    EXPECT_THAT(scanned({"-nop", "60"}), ElementsAre("n", "o", "p=60"));
    EXPECT_THAT(scanned({"-notv"}), ElementsAre("n", "o", "t=v"));
}

TEST(ArgumentScanner, KeepsWhatIsNoOption) {
    EXPECT_THAT(scanned({"x", "-n", "-", "--", "-t"}), ElementsAre("n", "(x)", "(-)", "(-t)"));
}

TEST(ArgumentScanner, NamesTheWordThatIsWrong) {
    EXPECT_THAT(scanned({"-nQ"}), ElementsAre("n", "-nQ: unknown option"));
    EXPECT_THAT(scanned({"--numer"}), ElementsAre("--numer: unknown option"));
    EXPECT_THAT(scanned({"--="}), ElementsAre("--=: unknown option"));
    EXPECT_THAT(scanned({"-nt"}), ElementsAre("n", "-nt: missing argument"));
    EXPECT_THAT(scanned({"--numeric=1"}),
                ElementsAre("--numeric=1: option does not take an argument"));
    EXPECT_THAT(scanned({"-n=1"}), ElementsAre("-n=1: option does not take an argument"));
}

}  // namespace
}  // namespace xvs::cli
