// BpfStorage: the flow table's arrays as BPF maps that programs in the kernel read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "flow/storage.h"
#include "offload/pin_directory.h"

namespace xvs::offload {

// Each array is a BPF array of its own, mapped into this process. It is committed in full when it
// is made, on pages of 4 KiB, and goes when this process and the programs that use it have gone;
// one that is pinned stays until it is unpinned.
class BpfStorage final : public flow::Storage {
public:
    // `pins`, which must outlive this, is where arrays are pinned and found again by their names;
    // nullptr: nowhere.
    explicit BpfStorage(const PinDirectory* pins = nullptr) noexcept : pins_(pins) {}

    ~BpfStorage() override;

    [[nodiscard]] Result<std::span<std::byte>> allocate(std::string_view name,
                                                        std::size_t element_size,
                                                        std::size_t count) override;

    [[nodiscard]] Result<std::span<std::byte>> find(std::string_view name) override;

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return true; }

    // Returns the descriptor of the array that was allocated under `name`, or -1.
    [[nodiscard]] int find_map(std::string_view name) const noexcept;

private:
    struct Array {
        std::string name;
        UniqueFd map;
        std::span<std::byte> mapping;
    };

    const PinDirectory* pins_;
    std::vector<Array> arrays_;
};

// Returns how many CPUs programs in the kernel may run on, ever.
[[nodiscard]] std::uint32_t possible_cpus() noexcept;

// Maps the array behind `map` into memory: `size` bytes. The kernel wants whole pages.
[[nodiscard]] Result<std::span<std::byte>> map_array(int map, std::size_t size);

void unmap_array(std::span<std::byte> mapping) noexcept;

}  // namespace xvs::offload
