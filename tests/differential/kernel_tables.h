// What a director lists, of kernel IPVS and of the engine in the same words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/netlink/client.h"
#include "control/service_manager.h"

namespace xvs::test {

struct ListedConnection {
    std::string line;  // as /proc/net/ip_vs_conn has it, without the time
    std::int64_t expires_in_s = 0;
};

struct Tables {
    // Each service with its real servers, sorted as text: configuration, counts and thresholds.
    std::vector<std::string> services;
    // The same with counters, which the kernel brings up to date every two seconds.
    std::vector<std::string> statistics;
    std::vector<ListedConnection> connections;  // sorted
};

[[nodiscard]] Tables read_tables(control::netlink::Client& kernel);
[[nodiscard]] Tables read_tables(control::ServiceManager& engine);

}  // namespace xvs::test
