// Stock: a director and the program in front of it that begins connections, for tests with one
// packet at a time.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "testing/literals.h"
#include "testing/program_entrance.h"

namespace xvs::test {

class Stock : public ::testing::Test {
protected:
    // To load it takes longer than a test.
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = true, .at_xdp = false, .draws = true});
    }

    static void TearDownTestSuite() { program_.reset(); }

    void SetUp() override {
        if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
        director_ = std::make_unique<Director>(services_,
                                               DirectorParts{.connections = room_,
                                                             .storage = &program_->storage(),
                                                             .cpus = TestedProgram::cpus(),
                                                             .stock = XVS_STOCK_SIZE});
        auto entrance = program_->stand_before(*director_);
        ASSERT_TRUE(entrance) << entrance.error().context;
        entrance_ = std::move(*entrance);
    }

    Stock(const char* services, std::uint32_t room) : services_(services), room_(room) {}

    static Bytes frame_of(const Packet& packet, Side side) {
        return packet.frame(net::MacAddress(), director_link(side).mac);
    }

    // By the program or the engine. Returns which, and what left.
    Passage meet(const Packet& packet, Side side) {
        Passage passage = entrance_->admit(frame_of(packet, side), side);
        if (passage.way == Passage::Way::Engine) serve(passage, side);
        return passage;
    }

    void serve(const Passage& passage, Side side) {
        director_->port.inject(passage.frame,
                               {.interface = interface_of(side),
                                .reason = passage.reason,
                                .report_ring = passage.report_ring,
                                .report_position = passage.report_position,
                                .offload = {}});
        while (director_->engine.process_burst() > 0) {
        }
    }

    // Returns whether it left, by the program or the engine.
    bool passes(const Packet& packet, Side side) {
        const Passage passage = meet(packet, side);
        if (passage.way == Passage::Way::Replayed) return true;
        if (passage.way != Passage::Way::Engine) return false;
        const auto output = director_->take_output();
        return std::any_of(output.begin(), output.end(), [](const auto& each) {
            return each.way != io::MemoryPort::Way::ToHost;
        });
    }

    // Until those that were retired are free again.
    void wait_for_slots() {
        while (director_->tables->flows<flow::Ipv4>().retired() > 0)
            (void)director_->engine.process_burst();
    }

    static inline std::unique_ptr<TestedProgram> program_;
    std::unique_ptr<Director> director_;
    std::unique_ptr<ProgramEntrance> entrance_;

private:
    const char* services_;
    std::uint32_t room_;
};

}  // namespace xvs::test
