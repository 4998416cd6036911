// StreamEdits: where bytes of a real server's stream were exchanged for others, and what that does
// to sequence numbers, both ways.
//
// A byte keeps its fate however often it is sent and however the stream is cut into segments: the
// bytes of an edit vanish, but for the last, in whose place the new text stands. So a segment may
// end anywhere in what is exchanged, and a retransmission comes out as what it repeats did.
//
//   the real server's numbers    ....|at     at + removed|....
//   the client's                 ....|at + shift  ... + inserted|....     shift: of edits before
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "flow/layout.h"

namespace xvs::engine {

// Returns how far `to` lies behind `from`; below 0 where it comes before.
[[nodiscard]] constexpr std::int32_t sequence_distance(std::uint32_t from,
                                                       std::uint32_t to) noexcept {
    return static_cast<std::int32_t>(to - from);
}

// Thread: the worker that owns the connection. Nothing allocates.
class StreamEdits {
public:
    explicit StreamEdits(xvs_assistance& record) noexcept : record_(record) {}

    [[nodiscard]] bool is_empty() const noexcept {
        return record_.edit_count == 0 && record_.shift == 0;
    }

    // Begins an edit at the byte `at`, which lies behind all others: from there on bytes are
    // withheld. The oldest is forgotten where there is no room: its client has long seen it.
    void open(std::uint32_t at) noexcept;

    // The edit that is open withholds one byte more. Returns false where it can keep no more text.
    bool withhold(char byte) noexcept;

    [[nodiscard]] bool has_open() const noexcept;

    // What the open edit has withheld. REQUIRES: has_open(), as for what follows.
    [[nodiscard]] std::string_view withheld() const noexcept;

    // The open edit ends behind the byte that was withheld last: `text`, at most XVS_EDIT_TEXT
    // bytes, takes the place of all of them.
    void close(std::string_view text) noexcept;

    // There was none.
    void cancel() noexcept { --record_.edit_count; }

    void forget() noexcept {
        record_.edit_count = 0;
        record_.shift = 0;
    }

    [[nodiscard]] std::span<const xvs_edit> all() const noexcept {
        return {record_.edits, record_.edit_count};
    }

    // Returns the client's number of a byte that the real server calls `sequence`.
    [[nodiscard]] std::uint32_t to_client(std::uint32_t sequence) const noexcept;

    // Returns up to where the real server is to believe that the client has its bytes when it says
    // `acknowledged`. What is withheld counts: nobody but the director waits for it.
    [[nodiscard]] std::uint32_t to_server(std::uint32_t acknowledged) const noexcept;

    // The same of the left edge of a block: not before where its bytes begin.
    [[nodiscard]] std::uint32_t left_to_server(std::uint32_t edge) const noexcept;

private:
    [[nodiscard]] std::uint32_t to_server(std::uint32_t number, bool rounds_up) const noexcept;

    xvs_assistance& record_;
};

}  // namespace xvs::engine
