#include "offload/bpf_storage.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include <linux/bpf.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "offload/array_values.h"

namespace xvs::offload {
namespace {

std::size_t to_whole_pages(std::size_t size) noexcept {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (size + page - 1) / page * page;
}

Error creation_error(std::string_view name, std::size_t size, int error_number) {
    if (error_number == EPERM) {
        return Error{.code = ErrorCode::NotPermitted,
                     .context =
                         "the kernel refuses BPF maps to this process: run xvsd as root, or "
                         "with CAP_BPF"};
    }
    Error error =
        system_error(fmt::format("BPF array {} of {} MiB", name, size >> 20), error_number);
    if (error_number == ENOMEM || error_number == E2BIG) {
        error.code = ErrorCode::OutOfMemory;
        error.context += "; lower --connections";
    }
    return error;
}

UniqueFd create_array(std::string_view name, std::size_t value_size, std::size_t count) {
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
    return UniqueFd(::bpf_map_create(BPF_MAP_TYPE_ARRAY,
                                     std::string(name).c_str(),
                                     sizeof(std::uint32_t),
                                     static_cast<std::uint32_t>(value_size),
                                     static_cast<std::uint32_t>(count),
                                     &options));
}

}  // namespace

std::uint32_t possible_cpus() noexcept {
    return static_cast<std::uint32_t>(std::max(::libbpf_num_possible_cpus(), 1));
}

Result<std::span<std::byte>> map_array(int map, std::size_t size) {
    void* memory =
        ::mmap(nullptr, to_whole_pages(size), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (memory == MAP_FAILED) return fail(system_error("mapping a BPF array into memory", errno));
    return std::span(static_cast<std::byte*>(memory), size);
}

void unmap_array(std::span<std::byte> mapping) noexcept {
    if (!mapping.empty()) ::munmap(mapping.data(), to_whole_pages(mapping.size()));
}

BpfStorage::~BpfStorage() {
    for (const Array& array : arrays_)
        unmap_array(array.mapping);
}

Result<std::span<std::byte>> BpfStorage::allocate(std::string_view name,
                                                  std::size_t element_size,
                                                  std::size_t count) {
    std::size_t size = 0;
    if (__builtin_mul_overflow(element_size, count, &size) || size == 0 || element_size % 8 != 0 ||
        count > std::numeric_limits<std::uint32_t>::max() || name.size() >= BPF_OBJ_NAME_LEN) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("table {}: {} elements of {} bytes", name, count, element_size));
    }
    Array array{.name = std::string(name), .map = {}, .mapping = {}};
    array.map =
        is_one_value(name) ? create_array(name, size, 1) : create_array(name, element_size, count);
    if (!array.map.is_open()) return fail(creation_error(name, size, errno));
    const auto mapping = map_array(array.map.get(), size);
    if (!mapping) return fail(mapping.error());
    array.mapping = *mapping;
    if (pins_ != nullptr) {
        if (auto status = pins_->pin(array.map.get(), name); !status) {
            unmap_array(array.mapping);
            return fail(status.error());
        }
    }
    arrays_.push_back(std::move(array));
    return *mapping;
}

Result<std::span<std::byte>> BpfStorage::find(std::string_view name) {
    for (const Array& known : arrays_) {
        if (known.name == name) return known.mapping;
    }
    if (pins_ == nullptr) return std::span<std::byte>();
    Array array{.name = std::string(name), .map = pins_->get(name), .mapping = {}};
    if (!array.map.is_open()) return std::span<std::byte>();
    bpf_map_info info{};
    __u32 info_size = sizeof(info);
    if (::bpf_obj_get_info_by_fd(array.map.get(), &info, &info_size) != 0)
        return fail(system_error(fmt::format("{} in {}", name, pins_->name()), errno));
    const bool is_array = info.type == BPF_MAP_TYPE_ARRAY && (info.map_flags & BPF_F_MMAPABLE) != 0;
    if (!is_array) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{} in {} on the BPF file system is none of XVS's arrays; xvsd "
                                "--detach removes it",
                                name,
                                pins_->name()));
    }
    const auto mapping =
        map_array(array.map.get(), std::size_t{info.value_size} * info.max_entries);
    if (!mapping) return fail(mapping.error());
    array.mapping = *mapping;
    arrays_.push_back(std::move(array));
    return *mapping;
}

int BpfStorage::find_map(std::string_view name) const noexcept {
    for (const Array& array : arrays_) {
        if (array.name == name) return array.map.get();
    }
    return -1;
}

}  // namespace xvs::offload
