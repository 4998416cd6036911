// LineReader: the lines of a stream, and when the next one is not there yet.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace xvs::cli {

class LineReader {
public:
    // `before_waiting` is called each time that more has to be waited for, or at the end.
    LineReader(std::istream& in, std::function<void()> before_waiting)
        : in_(in), before_waiting_(std::move(before_waiting)) {}

    // Returns the next line without its end, valid until the next call; nullopt at the end.
    [[nodiscard]] std::optional<std::string_view> next();

private:
    // Returns whether there was more.
    bool read();

    std::istream& in_;
    std::function<void()> before_waiting_;
    std::string text_;
    std::size_t taken_ = 0;
};

}  // namespace xvs::cli
