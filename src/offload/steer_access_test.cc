// Clients that access lists refuse end in the program, as they would in the engine.
#include <random>

#include "engine/defend/access_lists.h"
#include "offload/steer_fixture_test.h"
#include "testing/access_refusal.h"

namespace xvs::offload {
namespace {

using engine::AccessList;
using engine::AccessLists;
using engine::DropReason;
using model::AccessAction;
using model::AccessRule;

class SteerAccess : public Steer {
protected:
    void SetUp() override {
        Steer::SetUp();
        if (maps_) lists_.emplace(*maps_);
    }

    Status add(AccessList& list, const char* prefix, AccessAction action) {
        return lists_->add(
            list,
            &web_,
            {.service = std::nullopt, .prefix = *net::Prefix::parse(prefix), .action = action});
    }

    Status remove(AccessList& list, const char* prefix, AccessAction action) {
        return lists_->remove(
            list,
            &web_,
            {.service = std::nullopt, .prefix = *net::Prefix::parse(prefix), .action = action});
    }

    // Whether the program drops a packet and counts why.
    std::optional<DropReason> refusal(const Packet& packet) {
        const auto before = program_->refusals();
        const Outcome outcome = run(frame_of(packet));
        const auto after = program_->refusals();
        if (outcome.action != TC_ACT_SHOT) {
            EXPECT_EQ(after, before);
            return std::nullopt;
        }
        EXPECT_EQ(after[0] + after[1], before[0] + before[1] + 1);
        return after[0] != before[0] ? DropReason::ClientDenied : DropReason::ClientNotAllowed;
    }

    Packet from(const net::IpAddress& client) {
        const bool is_ipv4 = client.family() == net::Family::Ipv4;
        Packet packet = is_ipv4 ? kToService : v6(kToService);
        packet.source = client.to_string();
        return packet;
    }

    // Few enough bits differ for prefixes to lie in each other.
    net::IpAddress any_address(bool is_ipv4) {
        const auto number = static_cast<std::uint32_t>(random_());
        if (is_ipv4) return net::Ipv4Address(0xc6336400U ^ (number & 0x01010107U));
        std::array<std::byte, 16> bytes{std::byte{0x20}, std::byte{1}};
        for (const std::size_t at : {2U, 4U, 7U, 8U, 12U, 15U})
            bytes[at] = static_cast<std::byte>(number >> at & 0x3);
        return net::Ipv6Address(bytes);
    }

    std::mt19937 random_{4};
    model::ServiceKey web_ = key(model::Protocol::Tcp, "192.0.2.1", 80);
    std::optional<AccessLists> lists_;
    AccessList of_web_ = [] {
        AccessList list;
        list.number = XVS_ACCESS_OF_SERVICE(3);
        return list;
    }();
};

TEST_F(SteerAccess, DropsWhomAListRefusesAndLeavesTheHostItsOwn) {
    const auto client = *net::IpAddress::parse("198.51.100.7");
    ASSERT_TRUE(add(lists_->all(), "198.51.100.0/24", AccessAction::Deny));
    EXPECT_EQ(refusal(from(client)), DropReason::ClientDenied);
    Packet to_host = from(client);
    to_host.destination_port = 81;
    EXPECT_EQ(judge(to_host), 0);
    ASSERT_TRUE(remove(lists_->all(), "198.51.100.0/24", AccessAction::Deny));
    EXPECT_EQ(judge(from(client)), XVS_REASON_SERVICE);
    EXPECT_EQ(program_->kinds().access, 0U);
}

TEST_F(SteerAccess, AServicesListIsForItAlone) {
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 0));
    const auto client = *net::IpAddress::parse("198.51.100.7");
    ASSERT_TRUE(add(of_web_, "198.51.100.8/32", AccessAction::Allow));
    EXPECT_EQ(refusal(from(client)), DropReason::ClientNotAllowed);
    Packet to_other = from(client);
    to_other.destination_port = 443;
    EXPECT_EQ(judge(to_other), XVS_REASON_SERVICE);
    ASSERT_TRUE(add(of_web_, "198.51.100.7/32", AccessAction::Allow));
    EXPECT_EQ(refusal(from(client)), std::nullopt);
}

TEST_F(SteerAccess, DecidesAsTheEngineWhateverThePrefixes) {
    for (int edit = 0; edit < 400; ++edit) {
        const bool is_of_all = random_() % 2 == 0;
        AccessList& list = is_of_all ? lists_->all() : of_web_;
        const bool is_ipv4 = random_() % 2 == 0;
        const auto length = static_cast<std::uint8_t>(random_() % (is_ipv4 ? 33 : 129));
        const AccessRule rule{
            .service = std::nullopt,
            .prefix = net::Prefix::of(any_address(is_ipv4), length),
            .action = random_() % 2 == 0 ? AccessAction::Deny : AccessAction::Allow};
        const model::ServiceKey* const service = is_of_all ? nullptr : &web_;
        if (!lists_->add(list, service, rule)) (void)lists_->remove(list, service, rule);
        for (int each = 0; each < 4; ++each) {
            const net::IpAddress client = any_address(each % 2 == 0);
            const bool is_to_web = client.family() == net::Family::Ipv4;
            ASSERT_EQ(refusal(from(client)),
                      test::refusal(*lists_, is_to_web ? &of_web_ : nullptr, client))
                << "edit " << edit << ", client " << client.to_string();
        }
    }
}

// A filter of all lengths is gone through to its end.
TEST_F(SteerAccess, LooksForPrefixesOfEveryLength) {
    for (unsigned length = 1; length <= 128; ++length) {
        const auto prefix =
            net::Prefix::of(*net::IpAddress::parse("ffff::"), static_cast<std::uint8_t>(length));
        ASSERT_TRUE(
            lists_->add(lists_->all(),
                        nullptr,
                        {.service = std::nullopt, .prefix = prefix, .action = AccessAction::Deny}));
    }
    ASSERT_TRUE(add(lists_->all(), "::/0", AccessAction::Allow));
    EXPECT_EQ(refusal(from(*net::IpAddress::parse("2001:db8::7"))), std::nullopt);
    EXPECT_EQ(refusal(from(*net::IpAddress::parse("8000::"))), DropReason::ClientDenied);
    EXPECT_EQ(refusal(from(*net::IpAddress::parse("198.51.100.7"))), DropReason::ClientNotAllowed);
}

}  // namespace
}  // namespace xvs::offload
