#include "cli/line_reader.h"

#include <algorithm>
#include <istream>
#include <streambuf>

namespace xvs::cli {

std::optional<std::string_view> LineReader::next() {
    std::size_t searched = taken_;
    while (true) {
        const std::size_t end = text_.find('\n', searched);
        if (end != std::string::npos) {
            const std::string_view line = std::string_view(text_).substr(taken_, end - taken_);
            taken_ = end + 1;
            return line;
        }
        text_.erase(0, taken_);
        taken_ = 0;
        searched = text_.size();
        if (read()) continue;
        if (text_.empty()) return std::nullopt;
        taken_ = text_.size();
        return text_;
    }
}

bool LineReader::read() {
    constexpr std::streamsize kAtOnce = 64 * 1024;
    std::streambuf& buffer = *in_.rdbuf();
    if (buffer.in_avail() <= 0) {
        before_waiting_();
        if (buffer.sgetc() == std::streambuf::traits_type::eof()) return false;
    }
    const std::streamsize wanted = std::clamp<std::streamsize>(buffer.in_avail(), 1, kAtOnce);
    const std::size_t before = text_.size();
    text_.resize(before + static_cast<std::size_t>(wanted));
    const std::streamsize got = buffer.sgetn(text_.data() + before, wanted);
    text_.resize(before + static_cast<std::size_t>(std::max<std::streamsize>(got, 0)));
    return got > 0;
}

}  // namespace xvs::cli
