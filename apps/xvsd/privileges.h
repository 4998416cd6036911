// Privileges: what xvsd must be allowed to do, and giving up the rest.
#pragma once

#include "base/result.h"

namespace xvs::xvsd {

// Fails with a sentence that names each capability that is missing.
[[nodiscard]] Status check_privileges();

// Keeps the four capabilities that a director needs, and no way to more; and CAP_IPC_LOCK where the
// limit of locked memory cannot be raised, which AF_XDP sockets need.
[[nodiscard]] Status drop_privileges();

}  // namespace xvs::xvsd
