// ServerBook: what a director's connections and counters may say, from one look to the next: no new
// connection leads to a server that does not exist, the parts are not counted higher than the
// whole, and every packet has one end.
#pragma once

#include <set>
#include <string>

#include "testing/director.h"

namespace xvs::test {

class ServerBook {
public:
    // Returns what is wrong, a sentence a line.
    [[nodiscard]] std::string check(Director& director);

    // -Z was given: from here on a real server that was removed then may return with more than its
    // service has, as in the kernel.
    void zeroed() noexcept { is_zeroed_ = true; }

    // The same once nothing waits any more: every packet had its end.
    [[nodiscard]] static std::string check_end(const Director& director);

private:
    void check_connections(Director& director, std::string& problems);

    std::set<std::string> known_;   // connections, a line each
    std::set<net::IpAddress> had_;  // real servers of those
    bool is_zeroed_ = false;
};

}  // namespace xvs::test
