// A property of the director: whatever it lives through, its tables and counts agree, and when all
// is over nothing is left.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "testing/director_script.h"

namespace xvs::test {
namespace {

RC_GTEST_PROP(Director, KeepsItsTablesInOrderWhateverHappens, ()) {
    const auto size = *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, 4000));
    // At full size from the start: small numbers alone would hardly add a service.
    const auto script = *rc::gen::resize(
        rc::kNominalSize,
        rc::gen::container<std::vector<std::uint8_t>>(size, rc::gen::arbitrary<std::uint8_t>()));
    RC_ASSERT(run_director_script(script) == "");
}

}  // namespace
}  // namespace xvs::test
