#include <cstdint>
#include <iterator>
#include <utility>

#include "base/byte_order.h"
#include "cli/listing.h"

namespace xvs::cli {

namespace {

// ipvsadm subtracts unsigned numbers and looks at the sign of the result, so that 200.0.0.1 comes
// before 9.0.0.1. The order is not transitive; only the same way of sorting, a merge sort that
// halves from the top, gives the same list.
std::int32_t difference(std::uint32_t left, std::uint32_t right) {
    return static_cast<std::int32_t>(left - right);
}

std::int32_t difference(const net::IpAddress& left, const net::IpAddress& right) {
    for (std::size_t i = 0; i < left.size(); i += 4) {
        const auto words =
            difference(load_be32(left.bytes().data() + i), load_be32(right.bytes().data() + i));
        if (words != 0) return words;
    }
    return 0;
}

std::int32_t compare(const control::ServiceStatus& left, const control::ServiceStatus& right) {
    const auto& a = left.service.key;
    const auto& b = right.service.key;
    if (const auto marks = difference(a.fwmark, b.fwmark); marks != 0) return marks;
    if (a.family() != b.family()) return a.family() < b.family() ? -1 : 1;
    if (a.protocol != b.protocol) return a.protocol < b.protocol ? -1 : 1;
    if (const auto addresses = difference(a.address, b.address); addresses != 0) return addresses;
    return net::number(a.port) - net::number(b.port);
}

std::int32_t compare(const control::DestinationStatus& left,
                     const control::DestinationStatus& right) {
    const auto& a = left.destination.real;
    const auto& b = right.destination.real;
    // The family of the left one alone says how much of both is compared.
    const auto addresses = difference(a.address, b.address);
    if (addresses != 0) return addresses;
    return net::number(a.port) - net::number(b.port);
}

template <class Entry>
void merge_sort(std::vector<Entry>& entries) {
    if (entries.size() < 2) return;
    const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2);
    std::vector<Entry> left(std::make_move_iterator(entries.begin()),
                            std::make_move_iterator(middle));
    std::vector<Entry> right(std::make_move_iterator(middle),
                             std::make_move_iterator(entries.end()));
    merge_sort(left);
    merge_sort(right);
    auto from_left = left.begin();
    auto from_right = right.begin();
    for (auto& entry : entries) {
        const bool take_left = from_right == right.end() ||
                               (from_left != left.end() && compare(*from_left, *from_right) <= 0);
        entry = std::move(take_left ? *from_left++ : *from_right++);
    }
}

}  // namespace

void sort_services(std::vector<control::ServiceStatus>& services) {
    merge_sort(services);
}

void sort_destinations(std::vector<control::DestinationStatus>& destinations) {
    merge_sort(destinations);
}

}  // namespace xvs::cli
