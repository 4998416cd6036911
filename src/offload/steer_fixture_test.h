// Steer: the steering program with a few services, run on single packets (BPF_PROG_TEST_RUN).
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include "flow/tables.h"
#include "offload/bpf_storage.h"
#include "offload/steer_packets_test.h"
#include "offload/steering_maps.h"
#include "offload/steering_program.h"

namespace xvs::offload {

inline constexpr std::uint32_t kLoopback = 1;  // what a test run comes in on
inline constexpr std::uint16_t kSlot = 5;
inline constexpr std::uint32_t kNear = 4242;

// What the program left a packet with.
struct Outcome {
    int action = 0;
    int reason = 0;  // of a packet that was sent up
    Bytes frame;
    std::uint32_t mark = 0;
};

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

}  // namespace xvs::offload
