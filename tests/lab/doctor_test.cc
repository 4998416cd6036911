// xvs doctor: each of the classic mistakes in a laboratory where it is made, and none in one where
// none is.
#include "lab/doctor.h"

#include "lab/real_server.h"
#include "tests/lab/lab_test.h"

namespace xvs::lab {

// How GoogleTest shows a finding.
void PrintTo(const Finding& finding, std::ostream* out);

void PrintTo(const Finding& finding, std::ostream* out) {
    *out << (finding.health == Health::Good ? "good " : "ILL ") << check_name(finding.check) << ": "
         << finding.what << " / " << finding.remedy;
}

namespace {

using model::ForwardingMethod;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

auto is_ill(Check check, const std::string& what, const std::string& remedy) {
    return AllOf(Field(&Finding::health, Health::Ill),
                 Field(&Finding::check, check),
                 Field(&Finding::what, HasSubstr(what)),
                 Field(&Finding::remedy, HasSubstr(remedy)));
}

auto is_good() {
    return Field(&Finding::health, Health::Good);
}

// The services as xvsadm -S would save them.
std::vector<SavedService> services_of(const Plan& plan) {
    std::string saved;
    for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
        for (Command words : plan.services(family)) {
            words.erase(words.begin());
            saved += to_string(words) + "\n";
        }
    }
    return parse_saved_services(saved).value();
}

std::vector<Finding> on_director(const Laboratory& lab) {
    const NetworkNamespace::Scope inside(lab.node("director"));
    return examine_director(services_of(lab.plan())).value();
}

std::vector<Finding> on_real_server(const Laboratory& lab, const std::string& name = "rs1") {
    const NetworkNamespace::Scope inside(lab.node(name));
    RealServerPatient patient;
    patient.method = lab.plan().method;
    patient.vips = {lab.plan().vip.v4, lab.plan().vip.v6};
    return examine_real_server(patient).value();
}

class Healthy : public testing::TestWithParam<ForwardingMethod> {};

std::string name_of(const testing::TestParamInfo<ForwardingMethod>& info) {
    return std::string(method_word(info.param));
}

INSTANTIATE_TEST_SUITE_P(Doctor, Healthy, testing::ValuesIn(kMethods), name_of);

TEST_P(Healthy, NothingIsFoundWhereNothingIsWrong) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(GetParam()));

    EXPECT_THAT(on_director(lab), Each(is_good()));
    EXPECT_THAT(on_real_server(lab), Each(is_good()));
}

TEST(Doctor, FindsARealServerThatAnswersArpForTheVip) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::DirectRoute));
    ASSERT_OK(lab.node("rs2").set_sysctl("net.ipv4.conf.all.arp_ignore", "0"));

    const auto ill = is_ill(Check::Arp, "192.0.2.12 answers ARP for VIP", "arp_ignore=1");
    EXPECT_THAT(on_director(lab), Contains(ill).Times(1));
    EXPECT_THAT(on_real_server(lab, "rs2"),
                Contains(is_ill(Check::Arp, "eth0 answers ARP", "arp_ignore=1")));
}

TEST(Doctor, FindsARealServerWithoutTheVip) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::DirectRoute));
    ASSERT_OK(lab.node("rs1").run_checked(command("ip addr del 192.0.2.1/32 dev lo")));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Vip, "192.0.2.11 does not take", "xvs real-server dr")));
    EXPECT_THAT(on_real_server(lab),
                Contains(is_ill(Check::Vip, "192.0.2.1 is not on this host", "ip addr add")));
}

TEST(Doctor, FindsTheVipOnARealServersNetwork) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::DirectRoute));
    ASSERT_OK(lab.node("rs1").run_checked(command("ip addr del 192.0.2.1/32 dev lo")));
    ASSERT_OK(lab.node("rs1").run_checked(command("ip addr add 192.0.2.1/24 dev eth0")));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Arp, "192.0.2.11 answers ARP", "VIP on lo")));
    EXPECT_THAT(on_real_server(lab),
                Contains(is_ill(Check::Vip, "is on eth0", "ip addr del 192.0.2.1/24 dev eth0")));
}

// A second router on the real servers' network, which takes their replies past the director.
TEST(Doctor, FindsARealServerWithAnotherDefaultGateway) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade));
    for (const char* words :
         {"ip route replace default via 10.0.0.12", "ip -6 route replace default via fd00:10::12"})
        ASSERT_OK(lab.node("rs1").run_checked(command(words)));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(
                    Check::DefaultGateway, "10.0.0.11", "ip route replace default via 10.0.0.1")));
    EXPECT_THAT(
        on_real_server(lab),
        Contains(is_ill(Check::DefaultGateway, "10.0.0.12, which does not hold VIP", "default")));
}

TEST(Doctor, FindsADirectorThatDoesNotForward) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade));
    ASSERT_OK(lab.node("director").set_sysctl("net.ipv4.ip_forward", "0"));

    EXPECT_THAT(
        on_director(lab),
        Contains(is_ill(
            Check::IpForward, "net.ipv4.ip_forward is 0", "sysctl -w net.ipv4.ip_forward=1")));
}

// The real server's replies leave by another interface than its tunnelled packets come by.
TEST(Doctor, FindsStrictReversePathFilteringBehindATunnel) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Tunnel));
    ASSERT_OK(lab.add_node("way-out"));
    ASSERT_OK(lab.connect({{"rs1", "eth1", net::MacAddress::parse("02:00:00:00:01:11").value()},
                           {"way-out", "eth0", net::MacAddress::parse("02:00:00:00:00:99").value()},
                           1500}));
    const auto& rs1 = lab.node("rs1");
    for (const char* words : {"ip addr add 10.9.0.11/24 dev eth1",
                              "ip link set eth1 up",
                              "ip route replace default via 10.9.0.1"})
        ASSERT_OK(rs1.run_checked(command(words)));
    ASSERT_OK(rs1.set_sysctl("net.ipv4.conf.eth0.rp_filter", "1"));
    RealServerPatient patient;
    patient.method = ForwardingMethod::Tunnel;
    patient.vips = {lab.plan().vip.v4};
    patient.interface = "eth0";

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Decapsulation, "10.0.0.11 does not answer", "xvs doctor")));
    // The kernel counts what the filter dropped: the mistake is a real one.
    EXPECT_THAT(rs1.run_checked(command("nstat -asz TcpExtIPReversePathFilter")).value(),
                testing::Not(testing::ContainsRegex("ReversePathFilter +0 ")));

    const NetworkNamespace::Scope inside(rs1);
    EXPECT_THAT(examine_real_server(patient).value(),
                Contains(is_ill(Check::ReversePath,
                                "rp_filter=1) on eth0",
                                "sysctl -w net.ipv4.conf.eth0.rp_filter=2")));
}

TEST(Doctor, FindsARealServerThatDoesNotDecapsulate) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Tunnel));
    ASSERT_OK(lab.node("rs1").run_checked(command("tc qdisc del dev eth0 clsact")));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Decapsulation, "10.0.0.11 does not answer", "xvs doctor")));
    EXPECT_THAT(
        on_real_server(lab),
        Contains(is_ill(Check::Decapsulation, "takes the outer header off", "xvs real-server")));
}

TEST(Doctor, FindsATunnelTooNarrowForFullPackets) {
    PlanOptions plan;
    plan.method = ForwardingMethod::Tunnel;
    plan.real_servers = 1;
    plan.tunnel_mtu = 1500;
    ASSERT_OK_AND_ASSIGN(lab, build_bare(plan));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Mtu, "needs 1520 on the way to 10.0.0.11", "mtu 1520")));
    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Mtu, "needs 1540 on the way to fd00:10::11", "mtu 1540")));
    EXPECT_THAT(on_real_server(lab),
                Contains(is_ill(Check::Mtu, "1520, but eth0 takes 1500", "advmss 1440")));
}

TEST(Doctor, FindsANarrowLinkBeyondItsOwn) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Tunnel));
    ASSERT_OK(lab.node("router").run_checked(command("ip link set eth2 mtu 1500")));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Mtu, "a link on the way takes fewer", "raise the MTU")));
}

TEST(Doctor, FindsADirectorWithoutTheVip) {
    ASSERT_OK_AND_ASSIGN(lab, build_bare(ForwardingMethod::Masquerade));
    ASSERT_OK(lab.node("director").run_checked(command("ip addr del 192.0.2.1/32 dev eth0")));

    EXPECT_THAT(on_director(lab),
                Contains(is_ill(Check::Vip, "192.0.2.1 is not on this director", "ip addr add")));
}

}  // namespace
}  // namespace xvs::lab
