#include "lab/doctor.h"

namespace xvs::lab {

std::string_view check_name(Check check) {
    switch (check) {
        case Check::Vip:
            return "VIP";
        case Check::Arp:
            return "ARP";
        case Check::DefaultGateway:
            return "default gateway";
        case Check::ReversePath:
            return "rp_filter";
        case Check::Mtu:
            return "MTU";
        case Check::IpForward:
            return "ip_forward";
        case Check::Decapsulation:
            return "decapsulation";
    }
    return "";
}

}  // namespace xvs::lab
