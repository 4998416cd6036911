// NamedStorage: ordinary memory whose arrays a test finds again by their names, as a program in the
// kernel finds its maps.
#pragma once

#include <map>
#include <span>
#include <string>

#include "flow/storage.h"

namespace xvs::test {

class NamedStorage final : public flow::Storage {
public:
    [[nodiscard]] Result<std::span<std::byte>> allocate(std::string_view name,
                                                        std::size_t element_size,
                                                        std::size_t count) override {
        auto memory = storage_.allocate(name, element_size, count);
        if (memory) arrays_[std::string(name)] = *memory;
        return memory;
    }

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return false; }

    // REQUIRES: an array of that name and of such elements.
    template <class Element>
    [[nodiscard]] std::span<Element> array(const std::string& name) const {
        const std::span<std::byte> bytes = arrays_.at(name);
        return {reinterpret_cast<Element*>(bytes.data()), bytes.size() / sizeof(Element)};
    }

private:
    flow::PrivateStorage storage_;
    std::map<std::string, std::span<std::byte>> arrays_;
};

}  // namespace xvs::test
