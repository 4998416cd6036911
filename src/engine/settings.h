// Settings: what an administrator sets for all services and connections.
#pragma once

#include "engine/ticks.h"
#include "model/sysctls.h"
#include "model/timeouts.h"

namespace xvs::engine {

struct Settings {
    model::Timeouts timeouts;
    Tick timeouts_changed_at = 0;  // a connection takes new ones with its next packet
    model::Sysctls sysctls;
    bool has_secure_tcp = false;  // connections follow the table of secure_tcp
};

}  // namespace xvs::engine
