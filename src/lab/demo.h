// Demo: the three classic forwarding methods, shown one after another on standard output.
#pragma once

#include "base/result.h"
#include "lab/laboratory.h"
#include "lab/paint.h"

namespace xvs::lab {

// Fails with the sentence that names the method that did not balance, or what it lacked.
[[nodiscard]] Status show_demo(const Programs& programs, const Paint& paint);

// One method alone.
[[nodiscard]] Status show_method(model::ForwardingMethod method,
                                 const Programs& programs,
                                 const Paint& paint);

}  // namespace xvs::lab
