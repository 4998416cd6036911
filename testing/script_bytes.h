// ScriptBytes: what a script decides, drawn from its bytes one after the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xvs::test {

// Hands out the script's bytes; zeros once it is over.
class ScriptBytes {
public:
    explicit ScriptBytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool is_over() const { return bytes_.empty(); }

    unsigned next() {
        if (bytes_.empty()) return 0;
        const unsigned value = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return value;
    }

    unsigned below(std::size_t limit) { return next() % static_cast<unsigned>(limit); }

    template <class Choices>
    auto one_of(const Choices& choices) {
        return choices[below(choices.size())];
    }

private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace xvs::test
