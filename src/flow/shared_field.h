// Loads and stores of fields that BPF programs and other threads touch at the same time.
#pragma once

#include <atomic>
#include <cstdint>

namespace xvs::flow {

template <class T>
[[nodiscard]] inline T load_relaxed(const T& field) noexcept {
    return std::atomic_ref<T>(const_cast<T&>(field)).load(std::memory_order_relaxed);
}

template <class T>
[[nodiscard]] inline T load_acquire(const T& field) noexcept {
    return std::atomic_ref<T>(const_cast<T&>(field)).load(std::memory_order_acquire);
}

template <class T>
inline void store_relaxed(T& field, T value) noexcept {
    std::atomic_ref<T>(field).store(value, std::memory_order_relaxed);
}

template <class T>
inline void store_release(T& field, T value) noexcept {
    std::atomic_ref<T>(field).store(value, std::memory_order_release);
}

// Of a field that several threads add to.
template <class T>
inline void add_relaxed(T& field, T count) noexcept {
    std::atomic_ref<T>(field).fetch_add(count, std::memory_order_relaxed);
}

// Returns whether `field` was `expected` and now is `wanted`. A full barrier: what precedes it is
// seen by all before what follows it is done.
[[nodiscard]] inline bool swap_if(std::uint32_t& field,
                                  std::uint32_t expected,
                                  std::uint32_t wanted) noexcept {
    return std::atomic_ref<std::uint32_t>(field).compare_exchange_strong(
        expected, wanted, std::memory_order_seq_cst);
}

// Several neighbouring fields at once, whatever their types are.
using Word32 = std::uint32_t __attribute__((__may_alias__));
using Word64 = std::uint64_t __attribute__((__may_alias__));

[[nodiscard]] inline std::uint32_t load_word32(const void* from) noexcept {
    return __atomic_load_n(static_cast<const Word32*>(from), __ATOMIC_ACQUIRE);
}

[[nodiscard]] inline std::uint64_t load_word64(const void* from) noexcept {
    return __atomic_load_n(static_cast<const Word64*>(from), __ATOMIC_ACQUIRE);
}

inline void store_word32(void* to, std::uint32_t value) noexcept {
    __atomic_store_n(static_cast<Word32*>(to), value, __ATOMIC_RELEASE);
}

inline void store_word64(void* to, std::uint64_t value) noexcept {
    __atomic_store_n(static_cast<Word64*>(to), value, __ATOMIC_RELEASE);
}

}  // namespace xvs::flow
