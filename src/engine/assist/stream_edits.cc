#include "engine/assist/stream_edits.h"

#include <algorithm>
#include <cstring>

namespace xvs::engine {
namespace {

std::uint32_t shift_of(const xvs_edit& edit) noexcept {
    return std::uint32_t{edit.inserted} - std::uint32_t{edit.removed};
}

}  // namespace

void StreamEdits::open(std::uint32_t at) noexcept {
    if (record_.edit_count == XVS_EDITS) {
        record_.shift += shift_of(record_.edits[0]);
        std::memmove(&record_.edits[0], &record_.edits[1], sizeof(xvs_edit) * (XVS_EDITS - 1));
        --record_.edit_count;
    }
    xvs_edit& edit = record_.edits[record_.edit_count++];
    edit.at = at;
    edit.removed = 0;
    edit.inserted = 0;
    edit.is_open = 1;
}

bool StreamEdits::withhold(char byte) noexcept {
    xvs_edit& edit = record_.edits[record_.edit_count - 1];
    edit.text[edit.removed++] = byte;
    return edit.removed < XVS_EDIT_TEXT;
}

bool StreamEdits::has_open() const noexcept {
    return record_.edit_count > 0 && record_.edits[record_.edit_count - 1].is_open != 0;
}

std::string_view StreamEdits::withheld() const noexcept {
    const xvs_edit& edit = record_.edits[record_.edit_count - 1];
    return {edit.text, edit.removed};
}

void StreamEdits::close(std::string_view text) noexcept {
    xvs_edit& edit = record_.edits[record_.edit_count - 1];
    edit.inserted = static_cast<std::uint8_t>(std::min<std::size_t>(text.size(), XVS_EDIT_TEXT));
    std::memmove(edit.text, text.data(), edit.inserted);
    edit.is_open = 0;
}

std::uint32_t StreamEdits::to_client(std::uint32_t sequence) const noexcept {
    std::uint32_t shift = record_.shift;
    for (unsigned each = 0; each < record_.edit_count; ++each) {
        const xvs_edit& edit = record_.edits[each];
        const std::int32_t within = sequence_distance(edit.at, sequence);
        if (within <= 0) break;
        if (edit.is_open != 0 || within < edit.removed) return edit.at + shift;
        shift += shift_of(edit);
    }
    return sequence + shift;
}

std::uint32_t StreamEdits::to_server(std::uint32_t number, bool rounds_up) const noexcept {
    std::uint32_t shift = record_.shift;
    for (unsigned each = 0; each < record_.edit_count; ++each) {
        const xvs_edit& edit = record_.edits[each];
        const std::int32_t within = sequence_distance(edit.at + shift, number);
        if (within < 0) break;
        if (edit.is_open != 0) return edit.at + edit.removed;
        if (within < edit.inserted)
            return edit.at + edit.removed - (rounds_up && within > 0 ? 0U : 1U);
        shift += shift_of(edit);
    }
    return number - shift;
}

std::uint32_t StreamEdits::to_server(std::uint32_t acknowledged) const noexcept {
    return to_server(acknowledged, false);
}

std::uint32_t StreamEdits::left_to_server(std::uint32_t edge) const noexcept {
    return to_server(edge, true);
}

}  // namespace xvs::engine
