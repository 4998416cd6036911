// FTP's assistant on arbitrary streams: whatever both ends say, cut anywhere, it stays within its
// record, expects nothing but ports from 1024 on, and maps sequence numbers there and back.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "engine/assist/ftp_assistant.h"
#include "engine/assist/stream_edits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace xvs;  // NOLINT(google-build-using-namespace): a fuzz target

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fputs(what, stderr);
    std::abort();
}

class Ports final : public engine::Expectations {
public:
    explicit Ports(bool has_room) : has_room_(has_room) {}

    bool expect_passive(net::Port port) noexcept override {
        expect(net::number(port) >= 1024, "a passive port below 1024\n");
        return has_room_;
    }

    bool expect_active(net::Port port) noexcept override {
        expect(net::number(port) >= 1024, "an active port below 1024\n");
        return has_room_;
    }

private:
    bool has_room_;
};

void check(xvs_assistance& record) {
    const engine::StreamEdits edits(record);
    expect(record.edit_count <= XVS_EDITS, "too many edits\n");
    expect(record.client.filled <= sizeof(record.line), "the line is too long\n");
    const std::uint32_t next = record.server.next;
    const std::uint32_t told = edits.to_server(edits.to_client(next));
    expect(engine::sequence_distance(told, next) >= 0, "acknowledged before it was said\n");
    for (const xvs_edit& edit : edits.all()) {
        expect(edit.removed > 0 && edit.removed <= XVS_EDIT_TEXT, "an edit of no size\n");
        expect(edit.inserted <= XVS_EDIT_TEXT, "an edit with too much text\n");
    }
}

}  // namespace

// A byte says who speaks, whether there is room and how long the piece is that follows.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    engine::FtpAssistant ftp;
    xvs_assistance record{};
    record.client.phase = record.server.phase = engine::kPhaseBegin;
    std::span<const std::uint8_t> input(data, size);
    if (input.empty()) return 0;
    const bool is_ipv4 = (input[0] & 1) == 0;
    input = input.subspan(1);
    engine::ControlEnds ends{.client = *net::IpAddress::parse("198.51.100.7"),
                             .vip = *net::IpAddress::parse("192.0.2.1"),
                             .real = *net::IpAddress::parse("10.0.0.11"),
                             .is_established = true};
    if (!is_ipv4) {
        ends.client = *net::IpAddress::parse("2001:db8:1::7");
        ends.vip = *net::IpAddress::parse("2001:db8::1");
        ends.real = *net::IpAddress::parse("2001:db8:2::11");
    }
    while (!input.empty()) {
        const unsigned head = input[0];
        input = input.subspan(1);
        const auto piece = input.first(std::min<std::size_t>(input.size(), head >> 2));
        input = input.subspan(piece.size());
        Ports ports((head & 2) == 0);
        xvs_assistance after = record;
        const bool is_client = (head & 1) == 0;
        const bool has_room = is_client ? ftp.read_client(after, ends, std::as_bytes(piece), ports)
                                        : ftp.read_server(after, ends, std::as_bytes(piece), ports);
        if (!has_room) continue;
        xvs_stream& stream = is_client ? after.client : after.server;
        stream.next += static_cast<std::uint32_t>(piece.size());
        record = after;
        check(record);
    }
    return 0;
}
