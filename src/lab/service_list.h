// The services of a director, read from what `xvsadm -S -n` (or ipvsadm) saves.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/destination.h"
#include "model/virtual_service.h"

namespace xvs::lab {

struct SavedService {
    model::Protocol protocol = model::Protocol::Tcp;
    net::Endpoint vip;
    std::vector<model::Destination> destinations;
};

// Firewall-mark services are left out: they name no VIP. Fails on a line that is no such command.
[[nodiscard]] Result<std::vector<SavedService>> parse_saved_services(std::string_view text);

}  // namespace xvs::lab
