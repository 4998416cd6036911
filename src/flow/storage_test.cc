#include "flow/storage.h"

#include <algorithm>
#include <cstdint>

#include <gtest/gtest.h>

namespace xvs::flow {
namespace {

TEST(PrivateStorage, GivesZeroedMemoryThatIsAlignedToACacheLine) {
    PrivateStorage storage;
    for (const std::size_t count : {std::size_t{3}, std::size_t{100000}}) {
        const auto memory = storage.allocate("flows4", 32, count);
        ASSERT_TRUE(memory);
        EXPECT_EQ(memory->size(), 32 * count);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % 64, 0u);
        EXPECT_TRUE(std::all_of(
            memory->begin(), memory->end(), [](std::byte byte) { return byte == std::byte{0}; }));
        (*memory)[32 * count - 1] = std::byte{1};
    }
}

TEST(PrivateStorage, SaysWhichTableFoundNoMemory) {
    PrivateStorage storage;
    const auto memory = storage.allocate("flows6", 64, std::size_t{1} << 56);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, ErrorCode::OutOfMemory);
    EXPECT_NE(memory.error().context.find("flows6"), std::string::npos);
    EXPECT_NE(memory.error().context.find("--connections"), std::string::npos);
    EXPECT_FALSE(storage.allocate("flows6", 64, ~std::size_t{0}));
}

}  // namespace
}  // namespace xvs::flow
