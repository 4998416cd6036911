// Storage: where the arrays of the flow table lie. In ordinary memory here, in BPF maps elsewhere.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xvs::flow {

class Storage {
public:
    Storage() = default;
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;
    virtual ~Storage() = default;

    // Returns `count` zeroed elements of `element_size` bytes, a multiple of 8, which follow each
    // other without a gap from a 64-byte boundary on and live as long as the Storage. `name` has at
    // most 15 characters (a BPF map's name).
    [[nodiscard]] virtual Result<std::span<std::byte>> allocate(std::string_view name,
                                                                std::size_t element_size,
                                                                std::size_t count) = 0;

    // Returns the array that an earlier process made under `name`, or an empty span if there is
    // none. It lives as long as the Storage.
    [[nodiscard]] virtual Result<std::span<std::byte>> find(std::string_view name) {
        static_cast<void>(name);
        return std::span<std::byte>();
    }

    // Whether programs in the kernel read the arrays: then a retired entry waits for them.
    [[nodiscard]] virtual bool has_kernel_readers() const noexcept = 0;
};

// Anonymous memory, on huge pages where the kernel has them. Pages not yet touched cost nothing.
class PrivateStorage final : public Storage {
public:
    PrivateStorage() = default;
    ~PrivateStorage() override;

    [[nodiscard]] Result<std::span<std::byte>> allocate(std::string_view name,
                                                        std::size_t element_size,
                                                        std::size_t count) override;

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return false; }

private:
    std::vector<std::span<std::byte>> mappings_;
};

}  // namespace xvs::flow
