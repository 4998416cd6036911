#include "base/sip_hash.h"

#include <gtest/gtest.h>

namespace xvs {
namespace {

// From an implementation of SipHash-1-3 of its own, tools that hash dictionaries have it.
TEST(SipHash, GivesTheWordsOfTheReference) {
    constexpr SipHashKey kKey{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    EXPECT_EQ(sip_hash_1_3(0x03020100, kKey), 0x88d38328U);
    EXPECT_EQ(sip_hash_1_3(0, SipHashKey{}), 0x9ac48af0U);
    EXPECT_EQ(sip_hash_1_3(0xffffffff, SipHashKey{}), 0x74cad6e2U);
}

}  // namespace
}  // namespace xvs
