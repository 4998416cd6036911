// How the doctor's findings are printed.
#include <algorithm>

#include <fmt/format.h>

#include "commands.h"
#include "lab/paint.h"

namespace xvs::app {

namespace {

void print(const lab::Finding& finding, const lab::Paint& paint) {
    const auto* word = finding.health == lab::Health::Good  ? "good"
                       : finding.health == lab::Health::Ill ? "ILL"
                                                            : "unknown";
    const std::string padded = fmt::format("{:<8}", word);
    fmt::print("{} {:<16} {}\n",
               finding.health == lab::Health::Good ? paint.good(padded) : paint.bad(padded),
               lab::check_name(finding.check),
               finding.what);
    if (!finding.remedy.empty()) fmt::print("{:<26}remedy: {}\n", "", finding.remedy);
}

}  // namespace

int print_findings(const std::vector<lab::Finding>& findings) {
    const lab::Paint paint = lab::Paint::for_standard_output();
    for (const lab::Finding& finding : findings)
        print(finding, paint);
    const auto ill = std::count_if(findings.begin(), findings.end(), [](const auto& finding) {
        return finding.health == lab::Health::Ill;
    });
    if (ill == 0) {
        fmt::print("Nothing ails this host.\n");
        return kSuccess;
    }
    fmt::print("{} of {} findings need a remedy.\n", ill, findings.size());
    return kFailure;
}

}  // namespace xvs::app
