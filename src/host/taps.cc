#include "host/taps.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

#include <linux/if_ether.h>

namespace xvs::host {

// sk RefCnt Type Proto Iface R Rmem User Inode: one socket a line, the protocol in hexadecimal.
Taps parse_packet_sockets(std::string_view text) {
    Taps taps;
    std::istringstream lines{std::string(text)};
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string skipped;
        unsigned protocol = 0;
        std::uint32_t interface = 0;
        fields >> skipped >> skipped >> skipped >> std::hex >> protocol >> std::dec >> interface;
        if (!fields || protocol != ETH_P_ALL) continue;
        if (interface == 0) {
            taps.is_on_all = true;
        } else {
            taps.interfaces.insert(interface);
        }
    }
    return taps;
}

Result<Taps> find_taps() {
    constexpr const char* kPath = "/proc/thread-self/net/packet";
    errno = 0;
    std::ifstream file(kPath);
    if (!file.is_open()) return fail(system_error(kPath, errno));
    std::ostringstream text;
    text << file.rdbuf();
    return parse_packet_sockets(text.str());
}

}  // namespace xvs::host
