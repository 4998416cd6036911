// Doctor: finds the classic mistakes of a Linux Virtual Server and says what to type.
//
//   method  mistake                                      looked for on
//   DR      the VIP is missing on a real server, or      director (it asks), real server
//           the real server answers ARP for it
//   NAT     a real server's default gateway is not       director (it asks), real server
//           the director
//   TUN     strict reverse path filtering drops what     real server; the director sees silence
//           was decapsulated
//   TUN     the outer header makes full packets too      director (it asks), real server
//           long for the way
//   NAT     the director does not forward (ip_forward)   director
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "lab/service_list.h"
#include "model/destination.h"
#include "net/address.h"

namespace xvs::lab {

enum class Health { Good, Ill, Unknown };

// Which of the checks a finding is of.
enum class Check { Vip, Arp, DefaultGateway, ReversePath, Mtu, IpForward, Decapsulation };

struct Finding {
    Health health = Health::Good;
    Check check = Check::Vip;
    std::string what;    // the thing, and what is so with it
    std::string remedy;  // what to type; empty when good
};

[[nodiscard]] std::string_view check_name(Check check);

// Examines this host (the calling thread's network namespace) as the director of `services`, asking
// its real servers by single packets.
[[nodiscard]] Result<std::vector<Finding>> examine_director(
    const std::vector<SavedService>& services);

struct RealServerPatient {
    model::ForwardingMethod method = model::ForwardingMethod::DirectRoute;
    std::vector<net::IpAddress> vips;
    std::string interface;  // TUN: where encapsulated packets arrive; the default route's if empty
};

// Examines this host as a real server.
[[nodiscard]] Result<std::vector<Finding>> examine_real_server(const RealServerPatient& patient);

}  // namespace xvs::lab
