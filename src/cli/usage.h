// What xvsadm says of itself: -h and -v.
#pragma once

#include <string>

namespace xvs::cli {

[[nodiscard]] std::string version_text();
[[nodiscard]] std::string usage_text(const std::string& program);

}  // namespace xvs::cli
