// KeptStorage: ordinary memory that a test's next director finds again, as pinned maps are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flow/storage.h"

namespace xvs::test {

// A copy holds what the arrays held at that moment.
class KeptStorage final : public flow::Storage {
public:
    KeptStorage() = default;

    KeptStorage(const KeptStorage& other) : Storage(), arrays_(other.arrays_) {}

    [[nodiscard]] Result<std::span<std::byte>> allocate(std::string_view name,
                                                        std::size_t element_size,
                                                        std::size_t count) override {
        Array& array = arrays_[std::string(name)];
        array.size = element_size * count;
        array.lines.assign((array.size + sizeof(Line) - 1) / sizeof(Line), Line{});
        return bytes(array);
    }

    [[nodiscard]] Result<std::span<std::byte>> find(std::string_view name) override {
        return this->array(name);
    }

    // Returns the bytes of one array, or nothing.
    [[nodiscard]] std::span<std::byte> array(std::string_view name) {
        const auto found = arrays_.find(name);
        return found == arrays_.end() ? std::span<std::byte>() : bytes(found->second);
    }

    // Calls `visit(name, bytes)` for each array.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (auto& [name, array] : arrays_)
            visit(name, bytes(array));
    }

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return false; }

private:
    struct alignas(64) Line {
        std::byte bytes[64]{};
    };

    struct Array {
        std::size_t size = 0;
        std::vector<Line> lines;
    };

    static std::span<std::byte> bytes(Array& array) {
        return {reinterpret_cast<std::byte*>(array.lines.data()), array.size};
    }

    std::map<std::string, Array, std::less<>> arrays_;
};

}  // namespace xvs::test
