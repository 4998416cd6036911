#include "flow/storage.h"

#include <cerrno>
#include <cstdint>

#include <sys/mman.h>

#include <fmt/format.h>

namespace xvs::flow {

PrivateStorage::~PrivateStorage() {
    for (const std::span<std::byte> mapping : mappings_)
        ::munmap(mapping.data(), mapping.size());
}

Result<std::span<std::byte>> PrivateStorage::allocate(std::string_view name,
                                                      std::size_t element_size,
                                                      std::size_t count) {
    std::size_t size = 0;
    if (__builtin_mul_overflow(element_size, count, &size) || size == 0) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("table {}: {} elements of {} bytes", name, count, element_size));
    }
    void* memory = ::mmap(
        nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        Error error = system_error(
            fmt::format("table {}: no memory for {} MiB; lower --connections", name, size >> 20),
            errno);
        error.code = ErrorCode::OutOfMemory;
        return fail(std::move(error));
    }
    // Advice: without huge pages everything works, a random look-up costs up to twice as much.
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    if (size >= kHugePage) ::madvise(memory, size, MADV_HUGEPAGE);
    const std::span<std::byte> mapping(static_cast<std::byte*>(memory), size);
    mappings_.push_back(mapping);
    return mapping;
}

}  // namespace xvs::flow
