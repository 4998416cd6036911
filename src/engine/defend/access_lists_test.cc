#include "engine/defend/access_lists.h"

#include <gtest/gtest.h>

#include "testing/fake_steering.h"

namespace xvs::engine {
namespace {

model::AccessRule deny(std::uint32_t client) {
    return {.service = std::nullopt,
            .prefix = net::Prefix::of(net::Ipv4Address(client)),
            .action = model::AccessAction::Deny};
}

TEST(AccessLists, HaveRoomForSoManyPrefixesAndRefuseTheNext) {
    testing::FakeSteering steering;
    AccessLists lists(steering);
    AccessList other;
    other.number = XVS_ACCESS_OF_SERVICE(0);
    for (std::uint32_t client = 0; client < XVS_MAX_ACCESS_PREFIXES; ++client)
        ASSERT_TRUE(lists.add(client % 2 == 0 ? lists.all() : other, nullptr, deny(client)));
    const Status refused = lists.add(other, nullptr, deny(XVS_MAX_ACCESS_PREFIXES));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::OutOfMemory);
    EXPECT_EQ(steering.access_prefixes.size(), XVS_MAX_ACCESS_PREFIXES);
    lists.clear(other, nullptr);
    EXPECT_EQ(lists.prefixes(), XVS_MAX_ACCESS_PREFIXES / 2);
    EXPECT_EQ(other.prefixes, 0U);
    EXPECT_EQ(steering.access_prefixes.size(), XVS_MAX_ACCESS_PREFIXES / 2);
    for (std::uint32_t client = 0; client < 1000; ++client) {
        const std::uint32_t word = to_wire32(client);
        EXPECT_EQ(lists.refusal(&other, word).has_value(), client % 2 == 0);
    }
}

// A kernel that has no room leaves everything as it was.
class FullSteering final : public testing::FakeSteering {
public:
    Status set_access_prefix(const xvs_access_key& key, std::uint32_t action) override {
        if (is_without_prefixes) return fail(ErrorCode::OutOfMemory, "no room");
        return FakeSteering::set_access_prefix(key, action);
    }

    Status set_access_list(std::uint32_t number,
                           const model::ServiceKey* service,
                           const xvs_access_list& list) override {
        if (is_without_lists) return fail(ErrorCode::OutOfMemory, "no room");
        return FakeSteering::set_access_list(number, service, list);
    }

    bool is_without_prefixes = false;
    bool is_without_lists = false;
};

TEST(AccessLists, ChangeNothingWhereTheSteeringHasNoRoom) {
    FullSteering steering;
    AccessLists lists(steering);
    for (bool* const lacks : {&steering.is_without_prefixes, &steering.is_without_lists}) {
        *lacks = true;
        EXPECT_FALSE(lists.add(lists.all(), nullptr, deny(7)));
        EXPECT_TRUE(lists.is_empty());
        EXPECT_TRUE(steering.access_prefixes.empty());
        EXPECT_EQ(lists.refusal(nullptr, to_wire32(7)), std::nullopt);
        *lacks = false;
    }
    ASSERT_TRUE(lists.add(lists.all(), nullptr, deny(7)));
    EXPECT_EQ(lists.refusal(nullptr, to_wire32(7)), DropReason::ClientDenied);
}

}  // namespace
}  // namespace xvs::engine
