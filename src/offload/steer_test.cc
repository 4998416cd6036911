// Runs the steering program on single packets (BPF_PROG_TEST_RUN): which of them are ours, and why.
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include "base/byte_order.h"
#include "flow/tables.h"
#include "offload/bpf_storage.h"
#include "offload/steering_maps.h"
#include "offload/steering_program.h"

namespace xvs::offload {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint32_t kLoopback = 1;  // what a test run comes in on
constexpr std::uint16_t kSlot = 5;
constexpr std::uint32_t kNear = 4242;

// What the program left a packet with.
struct Outcome {
    int action = 0;
    int reason = 0;  // of a packet that was sent up
    Bytes frame;
    std::uint32_t mark = 0;
};

// A packet of either family, built from the inside out.
struct Packet {
    std::string source = "198.51.100.7";
    std::string destination = "192.0.2.1";
    std::uint16_t source_port = 40001;
    std::uint16_t destination_port = 80;
    std::uint8_t protocol = kTcp;
    std::uint16_t fragment = 0;  // IPv4's field; IPv6: a fragment header with this offset and flag
    std::size_t options = 0;     // bytes of IPv4 options, or of one IPv6 destination options header
    std::size_t transport_size = 20;
    std::optional<std::uint8_t> icmp_type = std::nullopt;  // an ICMP error that quotes `quoted`
    Bytes quoted = {};
};

void append(Bytes& to, const Bytes& more) {
    to.insert(to.end(), more.begin(), more.end());
}

Bytes transport(const Packet& packet) {
    if (packet.icmp_type) {
        Bytes icmp(8);
        icmp[0] = std::byte{*packet.icmp_type};
        append(icmp, packet.quoted);
        return icmp;
    }
    Bytes bytes(20);
    store_be16(bytes.data(), packet.source_port);
    store_be16(bytes.data() + 2, packet.destination_port);
    bytes.resize(packet.transport_size);
    return bytes;
}

Bytes ipv4(const Packet& packet) {
    Bytes ip(20);
    ip[0] = static_cast<std::byte>(0x40 | ((20 + packet.options) / 4));
    store_be16(ip.data() + 6, packet.fragment);
    ip[8] = std::byte{64};
    ip[9] = std::byte{packet.icmp_type ? std::uint8_t{1} : packet.protocol};
    net::IpAddress::parse(packet.source)->v4().store(ip.data() + 12);
    net::IpAddress::parse(packet.destination)->v4().store(ip.data() + 16);
    append(ip, Bytes(packet.options, std::byte{1}));  // no operation
    append(ip, transport(packet));
    return ip;
}

Bytes ipv6(const Packet& packet) {
    Bytes ip(40);
    ip[0] = std::byte{0x60};
    std::size_t next_at = 6;
    net::IpAddress::parse(packet.source)->v6().store(ip.data() + 8);
    net::IpAddress::parse(packet.destination)->v6().store(ip.data() + 24);
    if (packet.options > 0) {
        ip[next_at] = std::byte{60};
        next_at = ip.size();
        Bytes header(packet.options);
        header[1] = static_cast<std::byte>(packet.options / 8 - 1);
        append(ip, header);
    }
    if (packet.fragment != 0) {
        ip[next_at] = std::byte{44};
        next_at = ip.size();
        Bytes header(8);
        store_be16(header.data() + 2, packet.fragment);
        append(ip, header);
    }
    ip[next_at] = std::byte{packet.icmp_type ? std::uint8_t{58} : packet.protocol};
    append(ip, transport(packet));
    return ip;
}

bool is_ipv6(const Packet& packet) {
    return packet.source.find(':') != std::string::npos;
}

Bytes ip_of(const Packet& packet) {
    return is_ipv6(packet) ? ipv6(packet) : ipv4(packet);
}

// To loopback's MAC address, which is all zeroes.
Bytes frame_of(const Packet& packet) {
    Bytes frame(14);
    frame[6] = std::byte{0x02};
    store_be16(frame.data() + 12, is_ipv6(packet) ? 0x86dd : 0x0800);
    append(frame, ip_of(packet));
    frame.resize(std::max<std::size_t>(frame.size(), 60));
    return frame;
}

class Steer : public ::testing::Test {
protected:
    void SetUp() override {
        const flow::Sizes sizes = flow::sizes_for(1000, possible_cpus());
        auto tables = flow::Tables::create(storage_, sizes, {17, 4});
        if (!tables) GTEST_SKIP() << tables.error().context;
        tables_ = std::move(*tables);
        auto program = SteeringProgram::load({.storage = &storage_,
                                              .header = &tables_->header(),
                                              .control = -1,
                                              .replays = false,
                                              .is_watched = false,
                                              .is_tested = false});
        ASSERT_TRUE(program) << program.error().context;
        program_ = std::move(*program);
        program_->control().near_ifindex = kNear;
        maps_ = std::make_unique<SteeringMaps>(*program_);
        const std::uint32_t slot = kSlot;
        ASSERT_EQ(bpf_map_update_elem(program_->map(SteeringMap::Slots), &kLoopback, &slot, 0), 0);
        program_->interfaces()[kSlot] = xvs_interface{
            .ifindex = 77, .mac = {2, 4, 6, 8, 10, 12}, .link_header = 1, .reserved = 0};

        maps_->set_local_prefixes({{*net::IpAddress::parse("192.0.2.0"), 30},
                                   {*net::IpAddress::parse("2001:db8::1"), 128},
                                   {*net::IpAddress::parse("10.0.0.1"), 32},
                                   {*net::IpAddress::parse("2001:db8:a::1"), 128}});
        for (const char* vip : {"192.0.2.1", "2001:db8::1"}) {
            maps_->add_service(key(model::Protocol::Tcp, vip, 80));
            maps_->add_service(key(model::Protocol::Udp, vip, 53));
            maps_->add_address(*net::IpAddress::parse(vip));
        }
        maps_->add_service(
            key(model::Protocol::Tcp, "203.0.113.9", 80));  // a VIP that is not local
        for (const char* real : {"10.0.0.11", "2001:db8:a::11"}) {
            const auto address = *net::IpAddress::parse(real);
            maps_->add_nat_source(model::Protocol::Tcp, {address, net::Port{8080}});
            maps_->add_address(address);
        }
    }

    static model::ServiceKey key(model::Protocol protocol, const char* vip, std::uint16_t port) {
        return {.protocol = protocol,
                .address = *net::IpAddress::parse(vip),
                .port = net::Port{port},
                .fwmark = 0};
    }

    Outcome run(const Bytes& frame,
                SteeringPart part = SteeringPart::Ingress,
                std::uint32_t mark = 0) {
        __sk_buff context{};
        context.mark = mark;
        Bytes out(frame.size() + 256);
        LIBBPF_OPTS(bpf_test_run_opts,
                    options,
                    .data_in = frame.data(),
                    .data_out = out.data(),
                    .data_size_in = static_cast<__u32>(frame.size()),
                    .data_size_out = static_cast<__u32>(out.size()),
                    .ctx_in = &context,
                    .ctx_out = &context,
                    .ctx_size_in = sizeof(context),
                    .ctx_size_out = sizeof(context), );
        EXPECT_EQ(bpf_prog_test_run_opts(program_->program(part), &options), 0);
        out.resize(options.data_size_out);
        Outcome outcome{.action = static_cast<int>(options.retval),
                        .reason = 0,
                        .frame = out,
                        .mark = context.mark};
        xvs_metadata metadata{};
        std::memcpy(&metadata, out.data(), sizeof(metadata));
        if (outcome.action == TC_ACT_REDIRECT && metadata.magic == XVS_METADATA_MAGIC)
            outcome.reason = static_cast<int>(xvs_metadata_reason(&metadata));
        return outcome;
    }

    // The reason why a packet that came in is ours; 0 when it stays with the host, untouched.
    int judge(const Packet& packet) { return judge(frame_of(packet)); }

    int judge(const Bytes& frame) {
        const Outcome outcome = run(frame);
        if (outcome.reason == 0) {
            EXPECT_EQ(outcome.action, TC_ACT_UNSPEC);
            EXPECT_EQ(outcome.frame, frame);
        }
        return outcome.reason;
    }

    int judge_egress(const Packet& packet) {
        return run(frame_of(packet), SteeringPart::Egress).reason;
    }

    template <class Ip>
    void install(const Packet& packet) {
        auto& flows = tables_->flows<Ip>();
        using Address = typename Ip::Address;
        const auto flow_key =
            flow::FlowKey<Ip>::make(net::IpAddress::parse(packet.source)->as<Address>(),
                                    net::Port{packet.source_port},
                                    net::IpAddress::parse(packet.destination)->as<Address>(),
                                    net::Port{packet.destination_port},
                                    packet.protocol);
        const auto inserted = flows.insert(flow_key, flows.hash(flow_key), {});
        ASSERT_TRUE(inserted.is_inserted());
        flows.continue_growing(100, [](std::uint32_t, flow::SlotIndex, flow::SlotIndex) {});
    }

    BpfStorage storage_;
    std::unique_ptr<flow::Tables> tables_;
    std::unique_ptr<SteeringProgram> program_;
    std::unique_ptr<SteeringMaps> maps_;
};

// The same packets in IPv6.
Packet v6(Packet packet) {
    const auto to_v6 = [](const std::string& v4) -> std::string {
        if (v4 == "198.51.100.7") return "2001:db8:c::7";
        if (v4 == "192.0.2.1") return "2001:db8::1";
        if (v4 == "10.0.0.11") return "2001:db8:a::11";
        if (v4 == "10.0.0.1") return "2001:db8:a::1";
        return "2001:db8:ffff::1";
    };
    packet.source = to_v6(packet.source);
    packet.destination = to_v6(packet.destination);
    return packet;
}

const Packet kToService{};
const Packet kFromReal{.source = "10.0.0.11",
                       .destination = "198.51.100.7",
                       .source_port = 8080,
                       .destination_port = 40001};

Packet error_about(const Packet& quoted, const std::string& from, const std::string& to) {
    Packet packet{.source = from, .destination = to};
    packet.icmp_type = is_ipv6(quoted) ? std::uint8_t{1} : std::uint8_t{3};
    packet.quoted = ip_of(quoted);
    return packet;
}

TEST_F(Steer, TakesPacketsForAServiceAndSaysWhereTheyCameIn) {
    const Bytes frame = frame_of(kToService);
    const Outcome outcome = run(frame);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    EXPECT_EQ(outcome.reason, XVS_REASON_SERVICE);
    xvs_metadata metadata{};
    std::memcpy(&metadata, outcome.frame.data(), sizeof(metadata));
    EXPECT_EQ(xvs_metadata_slot(&metadata), kSlot);
    // All but the destination MAC's place is as it was.
    EXPECT_EQ(Bytes(outcome.frame.begin() + 6, outcome.frame.end()),
              Bytes(frame.begin() + 6, frame.end()));
    EXPECT_EQ(judge(v6(kToService)), XVS_REASON_SERVICE);
}

TEST_F(Steer, LeavesWhatIsNoServiceToTheHost) {
    Packet packet = kToService;
    packet.destination_port = 81;
    EXPECT_EQ(judge(packet), 0);
    EXPECT_EQ(judge(v6(packet)), 0);
    packet = kToService;
    packet.protocol = kUdp;
    EXPECT_EQ(judge(packet), 0);
    EXPECT_EQ(judge(v6(packet)), 0);
    packet.protocol = 47;
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, LeavesAServiceToTheHostWhoseAddressIsNotLocal) {
    Packet packet = kToService;
    packet.destination = "203.0.113.9";
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, FollowsTheLocalPrefixes) {
    maps_->set_local_prefixes({{*net::IpAddress::parse("192.0.2.2"), 32}});
    EXPECT_EQ(judge(kToService), 0);
    maps_->set_local_prefixes({{*net::IpAddress::parse("192.0.2.0"), 24}});
    EXPECT_EQ(judge(kToService), XVS_REASON_SERVICE);
}

TEST_F(Steer, ForgetsAServiceThatIsRemoved) {
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 80));
    EXPECT_EQ(judge(kToService), 0);
    EXPECT_EQ(judge(v6(kToService)), XVS_REASON_SERVICE);
}

TEST_F(Steer, TakesEveryPortOfAnAnyPortServiceWhileThereIsOne) {
    Packet packet = kToService;
    packet.destination_port = 12345;
    EXPECT_EQ(judge(packet), 0);
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 0));
    EXPECT_EQ(judge(packet), XVS_REASON_SERVICE);
    EXPECT_EQ(judge(v6(packet)), 0);
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 0));
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, TakesFreePortsAndPort20ForAnFtpService) {
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 21));
    Packet packet = kToService;
    for (const auto& [port, reason] : {std::pair{1024, int{XVS_REASON_SERVICE}},
                                       std::pair{20, int{XVS_REASON_SERVICE}},
                                       std::pair{1023, 0}}) {
        packet.destination_port = static_cast<std::uint16_t>(port);
        EXPECT_EQ(judge(packet), reason) << port;
    }
}

TEST_F(Steer, TakesRepliesOfANatDestinationButNotToTheHostItself) {
    EXPECT_EQ(judge(kFromReal), XVS_REASON_REPLY);
    EXPECT_EQ(judge(v6(kFromReal)), XVS_REASON_REPLY);
    Packet check = kFromReal;  // answers a health check
    check.destination = "10.0.0.1";
    EXPECT_EQ(judge(check), 0);
    EXPECT_EQ(judge(v6(check)), 0);
    Packet other = kFromReal;
    other.source_port = 22;
    EXPECT_EQ(judge(other), 0);
}

TEST_F(Steer, CountsThoseWhoWantANatSource) {
    const net::Endpoint real{*net::IpAddress::parse("10.0.0.11"), net::Port{8080}};
    maps_->add_nat_source(model::Protocol::Tcp, real);
    maps_->remove_nat_source(model::Protocol::Tcp, real);
    EXPECT_EQ(judge(kFromReal), XVS_REASON_REPLY);
    maps_->remove_nat_source(model::Protocol::Tcp, real);
    EXPECT_EQ(judge(kFromReal), 0);
    maps_->remove_nat_source(model::Protocol::Tcp, real);
    EXPECT_EQ(judge(kFromReal), 0);
}

TEST_F(Steer, TakesALiveFlowWhateverItsAddressesAre) {
    Packet packet{.source = "198.51.100.8",
                  .destination = "203.0.113.77",
                  .source_port = 1234,
                  .destination_port = 99};
    EXPECT_EQ(judge(packet), 0);
    install<flow::Ipv4>(packet);
    EXPECT_EQ(judge(packet), XVS_REASON_FLOW);
    EXPECT_EQ(judge(v6(packet)), 0);
    install<flow::Ipv6>(v6(packet));
    EXPECT_EQ(judge(v6(packet)), XVS_REASON_FLOW);
    packet.source_port = 1235;
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, FindsEveryFlowThatTheTableTook) {
    Packet packet{.source = "198.51.100.8", .destination = "203.0.113.77", .destination_port = 99};
    for (std::uint16_t port = 1; port <= 1000; ++port) {
        packet.source_port = port;
        install<flow::Ipv4>(packet);
    }
    for (std::uint16_t port = 1; port <= 1000; ++port) {
        packet.source_port = port;
        ASSERT_EQ(judge(packet), XVS_REASON_FLOW) << port;
    }
}

TEST_F(Steer, NoLongerTakesAFlowThatIsRetired) {
    const Packet packet{.source = "198.51.100.8", .destination = "203.0.113.77"};
    install<flow::Ipv4>(packet);
    auto& flows = tables_->flows<flow::Ipv4>();
    for (flow::SlotIndex slot = 0; slot < flows.capacity(); ++slot)
        flows.retire(slot);
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, TakesAPacketWithIpOptionsOrExtensionHeaders) {
    Packet packet = kToService;
    packet.options = 8;
    EXPECT_EQ(judge(packet), XVS_REASON_SERVICE);
    packet.options = 16;
    EXPECT_EQ(judge(v6(packet)), XVS_REASON_SERVICE);
}

TEST_F(Steer, TakesFragmentsToOrFromAnAddressOfOurs) {
    for (const std::uint16_t fragment : {kMoreFragments, std::uint16_t{185}}) {
        Packet to = kToService;
        to.protocol = kUdp;
        to.fragment = fragment;
        EXPECT_EQ(judge(to), XVS_REASON_FRAGMENT);
        Packet from = kFromReal;
        from.fragment = fragment;
        EXPECT_EQ(judge(from), XVS_REASON_FRAGMENT);
        from.destination = "10.0.0.1";  // to the host itself
        EXPECT_EQ(judge(from), 0);
        to.destination = "192.0.2.2";  // local, but no VIP
        EXPECT_EQ(judge(to), 0);
    }
    for (const std::uint16_t fragment :
         {std::uint16_t{1}, std::uint16_t{1480}}) {  // more to come; the last one
        Packet to = v6(kToService);
        to.fragment = fragment;
        EXPECT_EQ(judge(to), XVS_REASON_FRAGMENT);
    }
}

TEST_F(Steer, TakesErrorsAboutWhatAServiceSent) {
    // The client's router complains about a reply that left as VIP:80 -> client.
    const Packet reply{.source = "192.0.2.1",
                       .destination = "198.51.100.7",
                       .source_port = 80,
                       .destination_port = 40001};
    EXPECT_EQ(judge(error_about(reply, "198.51.100.1", "192.0.2.1")), XVS_REASON_ICMP);
    EXPECT_EQ(judge(error_about(v6(reply), "2001:db8:c::1", "2001:db8::1")), XVS_REASON_ICMP);
    Packet other = reply;
    other.source_port = 22;
    EXPECT_EQ(judge(error_about(other, "198.51.100.1", "192.0.2.1")), 0);
}

TEST_F(Steer, TakesErrorsAboutWhatWasSentToANatDestination) {
    // The real server complains about what left as client -> RIP:8080.
    const Packet request{.source = "198.51.100.7",
                         .destination = "10.0.0.11",
                         .source_port = 40001,
                         .destination_port = 8080};
    EXPECT_EQ(judge(error_about(request, "10.0.0.11", "198.51.100.7")), XVS_REASON_ICMP);
    EXPECT_EQ(judge(error_about(v6(request), "2001:db8:a::11", "2001:db8:c::7")), XVS_REASON_ICMP);
    // About a health check of the host's own.
    const Packet check{.source = "10.0.0.1", .destination = "10.0.0.11", .destination_port = 8080};
    EXPECT_EQ(judge(error_about(check, "10.0.0.11", "10.0.0.1")), 0);
}

TEST_F(Steer, TakesErrorsAboutALiveFlow) {
    const Packet flow{.source = "10.0.0.12",
                      .destination = "198.51.100.7",
                      .source_port = 9,
                      .destination_port = 40001};
    const Packet request{.source = "198.51.100.7",
                         .destination = "10.0.0.12",
                         .source_port = 40001,
                         .destination_port = 9};
    EXPECT_EQ(judge(error_about(request, "10.0.0.12", "198.51.100.7")), 0);
    install<flow::Ipv4>(flow);
    EXPECT_EQ(judge(error_about(request, "10.0.0.12", "198.51.100.7")), XVS_REASON_ICMP);
}

TEST_F(Steer, LeavesEchoToTheHost) {
    Packet ping = error_about(kFromReal, "198.51.100.7", "192.0.2.1");
    ping.icmp_type = std::uint8_t{8};
    EXPECT_EQ(judge(ping), 0);
    Packet ping6 = error_about(v6(kFromReal), "2001:db8:c::7", "2001:db8::1");
    ping6.icmp_type = std::uint8_t{128};
    EXPECT_EQ(judge(ping6), 0);
}

TEST_F(Steer, LeavesFramesForOtherHostsAndOtherVlans) {
    Bytes strange = frame_of(kToService);
    strange[5] = std::byte{9};  // another MAC address
    EXPECT_EQ(judge(strange), 0);
    strange[0] = std::byte{0xff};
    EXPECT_EQ(judge(strange), 0);
    Bytes tagged = frame_of(kToService);
    const Bytes tag = {std::byte{0x81}, std::byte{0}, std::byte{0}, std::byte{5}};
    tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
    EXPECT_EQ(judge(tagged), 0);
}

TEST_F(Steer, TakesMalformedPacketsForAServicesAddressSoThatTheyAreCounted) {
    Bytes cut = frame_of(kToService);
    cut.resize(14 + 20 + 2);  // no whole ports
    EXPECT_EQ(judge(cut), XVS_REASON_SERVICE);
    Bytes cut6 = frame_of(v6(kToService));
    cut6.resize(14 + 40 + 3);
    EXPECT_EQ(judge(cut6), XVS_REASON_SERVICE);
    Bytes lying = frame_of(kToService);
    lying[14] = std::byte{0x44};  // a header of 16 bytes
    EXPECT_EQ(judge(lying), XVS_REASON_SERVICE);
}

TEST_F(Steer, LeavesMalformedPacketsThatNobodyCanTellToTheHost) {
    Bytes version = frame_of(kToService);
    version[14] = std::byte{0x55};
    EXPECT_EQ(judge(version), 0);
    Packet elsewhere = kToService;
    elsewhere.destination = "192.0.2.2";
    Bytes cut = frame_of(elsewhere);
    cut.resize(14 + 20 + 2);
    EXPECT_EQ(judge(cut), 0);
    Bytes error = frame_of(error_about(kToService, "198.51.100.1", "192.0.2.1"));
    error.resize(14 + 20 + 8 + 10);
    EXPECT_EQ(judge(error), 0);
}

TEST_F(Steer, KnowsWhatWasGivenBackToTheHost) {
    const Bytes frame = frame_of(kToService);
    const Outcome outcome = run(frame, SteeringPart::Ingress, XVS_MARK_TO_HOST);
    EXPECT_EQ(outcome.action, TC_ACT_UNSPEC);
    EXPECT_EQ(outcome.mark, 0u);
    EXPECT_EQ(outcome.frame, frame);
    EXPECT_EQ(run(frame, SteeringPart::Ingress, 0x1234).reason, XVS_REASON_SERVICE);
}

TEST_F(Steer, TakesWhatTheHostItselfSendsAsARealServer) {
    const auto real = *net::IpAddress::parse("10.0.0.1");
    maps_->add_nat_source(model::Protocol::Tcp, {real, net::Port{8080}});
    Packet reply{.source = "10.0.0.1",
                 .destination = "198.51.100.7",
                 .source_port = 8080,
                 .destination_port = 40001};
    const Bytes frame = frame_of(reply);
    const Outcome outcome = run(frame, SteeringPart::Egress);
    EXPECT_EQ(outcome.reason, XVS_REASON_EGRESS);
    // The MAC address it was to leave by stands in the source's place.
    EXPECT_EQ(Bytes(outcome.frame.begin() + 6, outcome.frame.begin() + 12),
              Bytes(frame.begin(), frame.begin() + 6));
    EXPECT_EQ(run(frame, SteeringPart::Egress, XVS_MARK_TO_WIRE).action, TC_ACT_UNSPEC);
    reply.source_port = 8081;
    EXPECT_EQ(judge_egress(reply), 0);
    // One that is forwarded came by another host's hand.
    EXPECT_EQ(judge_egress(kFromReal), 0);
}

// What comes back from the engine.
class SteerReturn : public Steer {
protected:
    static Bytes command(std::uint8_t kind, std::uint16_t slot) {
        Bytes frame = frame_of(kToService);
        const xvs_metadata metadata{
            .magic = XVS_METADATA_MAGIC, .kind = kind, .slot = slot, .position = 0};
        std::memcpy(frame.data(), &metadata, sizeof(metadata));
        return frame;
    }

    static Bytes mac() {
        return {
            std::byte{2}, std::byte{4}, std::byte{6}, std::byte{8}, std::byte{10}, std::byte{12}};
    }
};

TEST_F(SteerReturn, GivesAPacketToTheHostWhereItCameIn) {
    const Outcome outcome = run(command(XVS_COMMAND_TO_HOST, kSlot), SteeringPart::Return);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    EXPECT_EQ(outcome.mark, XVS_MARK_TO_HOST);
    EXPECT_EQ(Bytes(outcome.frame.begin(), outcome.frame.begin() + 6), mac());
}

TEST_F(SteerReturn, LetsAPacketOutThatWasAboutToLeave) {
    Bytes frame = command(XVS_COMMAND_TO_WIRE, kSlot);
    frame[6] = std::byte{0xee};
    const Outcome outcome = run(frame, SteeringPart::Return);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    EXPECT_EQ(outcome.mark, XVS_MARK_TO_WIRE);
    EXPECT_EQ(outcome.frame[0], std::byte{0xee});
    EXPECT_EQ(Bytes(outcome.frame.begin() + 6, outcome.frame.begin() + 12), mac());
}

TEST_F(SteerReturn, DropsWhatItDoesNotKnow) {
    EXPECT_EQ(run(frame_of(kToService), SteeringPart::Return).action, TC_ACT_SHOT);
    EXPECT_EQ(run(command(0x99, kSlot), SteeringPart::Return).action, TC_ACT_SHOT);
    EXPECT_EQ(run(command(XVS_COMMAND_TO_HOST, 6), SteeringPart::Return).action, TC_ACT_SHOT);
    EXPECT_EQ(run(command(XVS_COMMAND_TO_HOST, 0xffff), SteeringPart::Return).action, TC_ACT_SHOT);
}

TEST_F(SteerReturn, PutsAnOuterHeaderInFront) {
    xvs_outer_header& outer = program_->outer_headers()[0];
    outer.family = 4;
    outer.ethernet[0] = 0x0a;
    outer.ethernet[12] = 0x08;
    const Packet tunnel{.source = "10.0.0.1", .destination = "10.0.0.12", .protocol = 4};
    const Bytes header = ipv4(tunnel);
    std::memcpy(outer.header, header.data(), 20);
    const Bytes frame = command(XVS_COMMAND_ENCAPSULATE, kSlot);

    const Outcome outcome = run(frame, SteeringPart::Return);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    ASSERT_EQ(outcome.frame.size(), frame.size() + 20);
    EXPECT_EQ(outcome.frame[0], std::byte{0x0a});
    EXPECT_EQ(load_be16(outcome.frame.data() + 16), outcome.frame.size() - 14);
    std::uint32_t sum = 0;
    for (std::size_t i = 14; i < 34; i += 2)
        sum += load_be16(outcome.frame.data() + i);
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
    EXPECT_EQ(Bytes(outcome.frame.begin() + 34, outcome.frame.end()),
              Bytes(frame.begin() + 14, frame.end()));
}

}  // namespace
}  // namespace xvs::offload
