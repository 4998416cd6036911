// run_ipvsadm: an ipvsadm command on a director in this process, with what it prints.
#pragma once

#include <string>
#include <vector>

#include "control/service_manager.h"
#include "testing/scenario.h"

namespace xvs::test {

// As `xvsadm ARGUMENTS` would, without the netlink protocol in between; commands that no scenario
// uses (-S, -R, daemons) are refused.
[[nodiscard]] CommandOutput run_ipvsadm(control::ServiceManager& manager,
                                        const std::vector<std::string>& arguments);

}  // namespace xvs::test
