#include "model/sysctls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

bool accepts(std::string_view name, std::string_view value) {
    Sysctls sysctls;
    return set_sysctl(sysctls, name, value).has_value();
}

// Returns what it says afterwards.
std::string set(std::string_view name, std::string_view value) {
    Sysctls sysctls;
    const Status status = set_sysctl(sysctls, name, value);
    return status ? get_sysctl(sysctls, name)->value : "refused";
}

TEST(Sysctls, HaveTheKernelsNamesInOrder) {
    const auto values = list_sysctls({});
    EXPECT_EQ(values.size(), 29U);
    EXPECT_TRUE(std::is_sorted(
        values.begin(), values.end(), [](const SysctlValue& one, const SysctlValue& other) {
            return one.name < other.name;
        }));
    EXPECT_EQ(values.front(), (SysctlValue{"am_droprate", "10"}));
    EXPECT_EQ(values.back(), (SysctlValue{"sync_version", "1"}));
}

TEST(Sysctls, EachIsSetByItsNameWithAndWithoutThePrefix) {
    for (const SysctlValue& each : list_sysctls({})) {
        Sysctls sysctls;
        const std::string value = each.value == "1" ? "0" : "1";
        const bool is_ports = each.name == "sync_ports";
        const std::string wanted = is_ports ? "4" : value;
        ASSERT_TRUE(set_sysctl(sysctls, each.name, wanted)) << each.name;
        const std::string text = each.name == "sync_threshold" ? wanted + " 50" : wanted;
        EXPECT_EQ(get_sysctl(sysctls, "net.ipv4.vs." + each.name)->value, text);
        EXPECT_THAT(changed_sysctls(sysctls), ElementsAre(SysctlValue{each.name, text}));
        ASSERT_TRUE(set_sysctl(sysctls, "net.ipv4.vs." + each.name, each.value));
        EXPECT_EQ(sysctls, Sysctls{}) << each.name;
    }
}

// What a kernel took and refused.
TEST(Sysctls, TakeTheKernelsValues) {
    EXPECT_EQ(set("am_droprate", "-2147483648"), "-2147483648");
    EXPECT_EQ(set("am_droprate", "2147483648"), "refused");
    EXPECT_EQ(set("sloppy_tcp", "0x10"), "16");
    EXPECT_EQ(set("sloppy_tcp", "010"), "8");
    EXPECT_EQ(set("drop_entry", "3"), "3");
    EXPECT_EQ(set("drop_entry", "4"), "refused");
    EXPECT_EQ(set("secure_tcp", "-1"), "refused");
    EXPECT_EQ(set("sync_ports", "128"), "128");
    EXPECT_EQ(set("sync_ports", "0"), "refused");
    EXPECT_EQ(set("sync_ports", "3"), "refused");
    EXPECT_EQ(set("sync_qlen_max", "99999999999"), "99999999999");
    EXPECT_EQ(set("sync_qlen_max", "-1"), "refused");
    EXPECT_EQ(set("sync_retries", "4"), "refused");
    EXPECT_EQ(set("sync_version", "2"), "refused");
    EXPECT_EQ(set("sync_threshold", "8"), "8 50");
    EXPECT_EQ(set("sync_threshold", "1 2"), "1 2");
    EXPECT_EQ(set("sync_threshold", "1,2"), "1 2");
    EXPECT_EQ(set("sync_threshold", "3 0"), "3 0");
    EXPECT_EQ(set("sync_threshold", "5 5"), "refused");
    EXPECT_EQ(set("sync_threshold", "64"), "refused");
    EXPECT_EQ(set("lblc_expiration", "70000"), "70000");
    EXPECT_EQ(set("lblc_expiration", "2147483647"), "refused");
}

TEST(Sysctls, RefuseWhatIsNoNumber) {
    for (const char* value : {"", " ", "abc", "3x", "--1", "3,", ",3", "1,2", "0x", "+1"})
        EXPECT_FALSE(accepts("sloppy_tcp", value)) << value;
    for (const char* value : {"", "x", "1 x", "3,", ",3", "3,,50", "-1 5"})
        EXPECT_FALSE(accepts("sync_threshold", value)) << value;
}

TEST(Sysctls, TakeTheFirstOfSeveralNumbersAsTheKernelDoes) {
    EXPECT_EQ(set("sloppy_tcp", "1 2"), "1");
    EXPECT_EQ(set("drop_entry", "\t3\n50"), "3");
    EXPECT_EQ(set("sync_qlen_max", "7 8"), "7");
    EXPECT_EQ(set("sync_threshold", "1 2 3"), "1 2");
}

TEST(Sysctls, SayWhatIsWrong) {
    Sysctls sysctls;
    EXPECT_THAT(set_sysctl(sysctls, "sloppy_udp", "1").error().context,
                HasSubstr("there is no setting \"sloppy_udp\""));
    EXPECT_THAT(set_sysctl(sysctls, "drop_entry", "9").error().context,
                HasSubstr("drop_entry cannot be \"9\": it is a number from 0 to 3"));
    EXPECT_EQ(sysctls, Sysctls{});
}

TEST(Sysctls, AnAutomaticDefenceIsSavedAsItWasAskedFor) {
    Sysctls sysctls;
    sysctls.drop_packet = static_cast<std::int32_t>(DefenceMode::Defending);
    EXPECT_THAT(changed_sysctls(sysctls), ElementsAre(SysctlValue{"drop_packet", "1"}));
}

}  // namespace
}  // namespace xvs::model
