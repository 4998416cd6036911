#include "xvsd/report.h"

#include <cstddef>
#include <string_view>

#include <fmt/format.h>

namespace xvs::xvsd {
namespace {

void add(std::vector<std::string>& lines,
         std::string_view what,
         std::string_view name,
         std::uint64_t count) {
    if (count > 0) lines.push_back(fmt::format("{} reason={} packets={}", what, name, count));
}

}  // namespace

std::vector<std::string> report_packets(
    engine::Engine& engine,
    PacketPorts& ports,
    const std::array<std::uint64_t, XVS_ACCESS_REFUSALS>& refusals) {
    const engine::PacketTotals totals = engine.totals();
    const engine::DropCounters drops = engine.drops();
    const io::SlowPathCounters path = ports.slow_path_counters();
    const io::XdpCounters xdp = ports.xdp_counters();
    std::vector<std::string> lines;
    lines.push_back(
        fmt::format("packets received={} super_packets={} forwarded={} to_host={} handed_over={} "
                    "super_packets_sent={} super_packets_encapsulated={} by_af_xdp={} "
                    "sent_by_af_xdp={}",
                    totals.received,
                    totals.super_packets,
                    totals.forwarded,
                    totals.to_host,
                    totals.handed_over,
                    path.super_frames_sent,
                    path.super_frames_encapsulated,
                    xdp.frames_received,
                    xdp.frames_sent));
    if (const std::uint64_t ended = engine.ended_for_room(); ended > 0)
        lines.push_back(fmt::format("ended reason=half-open-for-room connections={}", ended));
    for (std::size_t i = 0; i < engine::kDropReasons.size(); ++i) {
        const auto reason = static_cast<engine::DropReason>(i);
        std::uint64_t count = drops[reason];
        if (reason == engine::DropReason::ClientDenied) count += refusals[XVS_ACCESS_DENIED - 1];
        if (reason == engine::DropReason::ClientNotAllowed)
            count += refusals[XVS_ACCESS_NOT_ALLOWED - 1];
        add(lines, "dropped", engine::drop_reason_name(reason), count);
    }
    for (std::size_t i = 0; i < io::kSendErrorCount; ++i)
        add(lines,
            "not sent",
            io::send_error_name(static_cast<io::SendError>(i)),
            path.send_errors[i] + xdp.send_errors[i]);
    add(lines, "not received", "overflow", path.overflows + xdp.overflows);
    add(lines, "not received", "truncated", path.truncated);
    add(lines, "not received", "stray", path.strays + xdp.strays);
    return lines;
}

}  // namespace xvs::xvsd
