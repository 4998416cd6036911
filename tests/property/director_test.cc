// A property of the director: whatever it lives through, its tables and counts agree, and when all
// is over nothing is left.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "testing/director_script.h"

namespace xvs::test {
namespace {

std::vector<std::uint8_t> any_script() {
    const auto size = *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, 4000));
    // At full size from the start: small numbers alone would hardly add a service.
    return *rc::gen::resize(
        rc::kNominalSize,
        rc::gen::container<std::vector<std::uint8_t>>(size, rc::gen::arbitrary<std::uint8_t>()));
}

RC_GTEST_PROP(Director, KeepsItsTablesInOrderWhateverHappens, ()) {
    RC_ASSERT(run_director_script(any_script()) == "");
}

RC_GTEST_PROP(Director, KeepsThemInOrderWithSeveralWorkers, ()) {
    RC_ASSERT(run_director_script(any_script(), 2) == "");
}

}  // namespace
}  // namespace xvs::test
