// PageAllocator: for containers with room for many records of which few may ever come.
#pragma once

#include <cstddef>
#include <exception>

#include <sys/mman.h>

namespace xvs {

// What is allocated lies in pages of its own, which take memory when they are first written and
// give it back when they are freed. What malloc() is given back it often keeps.
template <class Record>
struct PageAllocator {
    using value_type = Record;

    PageAllocator() = default;

    template <class Other>
    explicit PageAllocator(const PageAllocator<Other>& /*other*/) noexcept {}

    [[nodiscard]] Record* allocate(std::size_t count) {
        void* const pages = ::mmap(nullptr,
                                   count * sizeof(Record),
                                   PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                                   -1,
                                   0);
        // There are no more addresses: as where any other allocation fails.
        if (pages == MAP_FAILED) std::terminate();
        return static_cast<Record*>(pages);
    }

    void deallocate(Record* records, std::size_t count) noexcept {
        ::munmap(records, count * sizeof(Record));
    }

    bool operator==(const PageAllocator&) const = default;
};

}  // namespace xvs
