// Reports: what programs in the kernel have replayed, followed in the state tables as if the engine
// had replayed it itself.
#pragma once

#include "engine/lookup/connections.h"
#include "engine/packet_port.h"
#include "flow/report_rings.h"
#include "flow/tables.h"

namespace xvs::engine {

// Of one worker's connections. Thread: the worker.
class Reports {
public:
    // All of them must outlive this; the connections come later, since they are made by those who
    // need this.
    Reports(flow::Tables& tables, std::size_t worker) noexcept : rings_(tables.reports(worker)) {}

    void attach(Connections<flow::Ipv4>& ipv4, Connections<flow::Ipv6>& ipv6) noexcept {
        ipv4_ = &ipv4;
        ipv6_ = &ipv6;
    }

    // Follows what the CPU that sent `frame` up had reported before. Cost: a compare when there is
    // nothing new.
    void follow_until(const Frame& frame) noexcept {
        rings_.drain_to(frame.report_ring, frame.report_position, [this](const xvs_report& report) {
            follow(report);
        });
    }

    // Follows what all other CPUs have reported up to now: of a connection whose packets they meet
    // as well. Cost: one cache line a CPU.
    void follow_others(const Frame& frame) noexcept {
        rings_.drain_others(frame.report_ring,
                            [this](const xvs_report& report) { follow(report); });
    }

    // Follows all there is.
    void follow_all() noexcept {
        rings_.drain_all([this](const xvs_report& report) { follow(report); });
    }

    void follow(const xvs_report& report) noexcept {
        if (report.family == static_cast<std::uint8_t>(net::Family::Ipv4)) {
            ipv4_->follow(report);
        } else {
            ipv6_->follow(report);
        }
    }

    // Returns how often a CPU's ring was found full.
    [[nodiscard]] std::uint64_t full_rings() const noexcept { return rings_.found_full(); }

private:
    flow::ReportRings& rings_;
    Connections<flow::Ipv4>* ipv4_ = nullptr;
    Connections<flow::Ipv6>* ipv6_ = nullptr;
};

}  // namespace xvs::engine
