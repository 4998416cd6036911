#include "model/sysctls.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

namespace xvs::model {
namespace {

constexpr std::int64_t kMinInt = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kMaxInt = std::numeric_limits<std::int32_t>::max();
// The kernel counts them in its ticks, 250 a second on Debian, which have to fit.
constexpr std::int64_t kMaxSeconds = kMaxInt / 250;

struct Entry {
    std::string_view name;
    std::int32_t Sysctls::*member = nullptr;  // nullptr: one of the two that differ
    std::int64_t least = kMinInt;
    std::int64_t greatest = kMaxInt;
};

constexpr std::string_view kQueueLength = "sync_qlen_max";
constexpr std::string_view kThreshold = "sync_threshold";
constexpr std::string_view kPorts = "sync_ports";

constexpr Entry kEntries[] = {
    {"am_droprate", &Sysctls::am_droprate},
    {"amemthresh", &Sysctls::amemthresh},
    {"backup_only", &Sysctls::backup_only},
    {"cache_bypass", &Sysctls::cache_bypass},
    {"conn_reuse_mode", &Sysctls::conn_reuse_mode},
    {"conntrack", &Sysctls::conntrack},
    {"drop_entry", &Sysctls::drop_entry, 0, 3},
    {"drop_packet", &Sysctls::drop_packet, 0, 3},
    {"expire_nodest_conn", &Sysctls::expire_nodest_conn},
    {"expire_quiescent_template", &Sysctls::expire_quiescent_template},
    {"ignore_tunneled", &Sysctls::ignore_tunneled},
    {"lblc_expiration", &Sysctls::lblc_expiration, -kMaxSeconds, kMaxSeconds},
    {"lblcr_expiration", &Sysctls::lblcr_expiration, -kMaxSeconds, kMaxSeconds},
    {"nat_icmp_send", &Sysctls::nat_icmp_send},
    {"pmtu_disc", &Sysctls::pmtu_disc},
    {"run_estimation", &Sysctls::run_estimation},
    {"schedule_icmp", &Sysctls::schedule_icmp},
    {"secure_tcp", &Sysctls::secure_tcp, 0, 3},
    {"sloppy_sctp", &Sysctls::sloppy_sctp},
    {"sloppy_tcp", &Sysctls::sloppy_tcp},
    {"snat_reroute", &Sysctls::snat_reroute},
    {"sync_persist_mode", &Sysctls::sync_persist_mode},
    {kPorts, &Sysctls::sync_ports, 1, kMaxInt},
    {kQueueLength},
    {"sync_refresh_period", &Sysctls::sync_refresh_period, -kMaxSeconds, kMaxSeconds},
    {"sync_retries", &Sysctls::sync_retries, 0, 3},
    {"sync_sock_size", &Sysctls::sync_sock_size},
    {kThreshold},
    {"sync_version", &Sysctls::sync_version, 0, 1},
};

std::string_view without_prefix(std::string_view name) {
    if (name.substr(0, kSysctlPrefix.size()) == kSysctlPrefix) {
        name.remove_prefix(kSysctlPrefix.size());
    }
    return name;
}

Result<const Entry*> find_entry(std::string_view name) {
    const auto* const found =
        std::find_if(std::begin(kEntries), std::end(kEntries), [name](const Entry& entry) {
            return entry.name == without_prefix(name);
        });
    if (found != std::end(kEntries)) return found;
    return fail(
        ErrorCode::NotFound,
        fmt::format("there is no setting \"{}\": --sysctl without a name lists them all", name));
}

std::string text_of(const Sysctls& sysctls, const Entry& entry) {
    if (entry.member != nullptr) return std::to_string(sysctls.*entry.member);
    if (entry.name == kQueueLength) return std::to_string(sysctls.sync_qlen_max);
    return fmt::format("{} {}", sysctls.sync_threshold, sysctls.sync_threshold_period);
}

Error refusal(const Entry& entry, std::string_view value, std::string_view expected) {
    return {ErrorCode::InvalidArgument,
            fmt::format("{} cannot be \"{}\": it is {}", entry.name, value, expected)};
}

// As the kernel's: decimal, 0x and hexadecimal, or 0 and octal.
template <class Integer>
std::optional<Integer> parse_number(std::string_view text) {
    const bool is_negative = !text.empty() && text.front() == '-';
    if (is_negative) text.remove_prefix(1);
    int base = 10;
    if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() > 1 && text.front() == '0') {
        base = 8;
    }
    // A sign of its own is no digit.
    if (text.empty() || text.front() == '-') return std::nullopt;
    Integer number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (!is_negative) return number;
    if (std::is_unsigned_v<Integer>) return std::nullopt;
    return static_cast<Integer>(0) - number;
}

// As the kernel's writes: the numbers stand between blanks.
std::vector<std::string_view> words_of(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\n";
    std::vector<std::string_view> words;
    while (true) {
        const std::size_t start = text.find_first_not_of(kBlanks);
        if (start == std::string_view::npos) return words;
        const std::size_t end = std::min(text.find_first_of(kBlanks, start), text.size());
        words.push_back(text.substr(start, end - start));
        text.remove_prefix(end);
    }
}

// Kernel: proc_do_sync_threshold(). One comma may stand for the blank, which a shell would part.
Status set_threshold(Sysctls& sysctls, const Entry& entry, std::string_view value) {
    std::string text(value);
    const std::size_t comma = text.find(',');
    if (comma != std::string::npos && comma > 0 && comma + 1 < text.size()) text[comma] = ' ';
    const std::vector<std::string_view> words = words_of(text);
    std::optional<std::int32_t> threshold;
    std::optional<std::int32_t> period = sysctls.sync_threshold_period;
    if (!words.empty()) threshold = parse_number<std::int32_t>(words[0]);
    if (words.size() >= 2) period = parse_number<std::int32_t>(words[1]);
    const bool is_right = threshold && period && *threshold >= 0 && *period >= 0 &&
                          (*period == 0 || *threshold < *period);
    if (!is_right) {
        return fail(refusal(entry,
                            value,
                            "the packet that is synced first and the period of further ones, "
                            "the first below the second, or a period of 0"));
    }
    sysctls.sync_threshold = *threshold;
    sysctls.sync_threshold_period = *period;
    return {};
}

std::string range_text(const Entry& entry) {
    if (entry.name == kPorts) return "a power of two";
    return fmt::format("a number from {} to {}", entry.least, entry.greatest);
}

// The automatic modes turn into each other by themselves: 1 asks for both.
bool is_defence(const Entry& entry) {
    return entry.member == &Sysctls::drop_entry || entry.member == &Sysctls::drop_packet ||
           entry.member == &Sysctls::secure_tcp;
}

}  // namespace

std::uint64_t default_sync_qlen_max() noexcept {
    const auto pages = ::sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? static_cast<std::uint64_t>(pages) / 32 : 0;
}

std::vector<SysctlValue> list_sysctls(const Sysctls& sysctls) {
    std::vector<SysctlValue> values;
    for (const Entry& entry : kEntries)
        values.push_back({std::string(entry.name), text_of(sysctls, entry)});
    return values;
}

std::vector<SysctlValue> changed_sysctls(const Sysctls& sysctls) {
    const Sysctls defaults;
    std::vector<SysctlValue> values;
    for (const Entry& entry : kEntries) {
        std::string value = text_of(sysctls, entry);
        if (is_defence(entry) && value == "2") value = "1";
        if (value != text_of(defaults, entry)) {
            values.push_back({std::string(entry.name), std::move(value)});
        }
    }
    return values;
}

Result<SysctlValue> get_sysctl(const Sysctls& sysctls, std::string_view name) {
    const auto entry = find_entry(name);
    if (!entry) return fail(entry.error());
    return SysctlValue{std::string((*entry)->name), text_of(sysctls, **entry)};
}

Status set_sysctl(Sysctls& sysctls, std::string_view name, std::string_view value) {
    const auto found = find_entry(name);
    if (!found) return fail(found.error());
    const Entry& entry = **found;
    if (entry.name == kThreshold) return set_threshold(sysctls, entry, value);
    const std::vector<std::string_view> words = words_of(value);
    // What follows the first number is ignored, as by the kernel.
    const std::string_view word = words.empty() ? std::string_view() : words[0];
    if (entry.name == kQueueLength) {
        const auto number = parse_number<std::uint64_t>(word);
        if (!number) return fail(refusal(entry, value, "a number from 0 on"));
        sysctls.sync_qlen_max = *number;
        return {};
    }
    const auto number = parse_number<std::int64_t>(word);
    const bool is_power = number && (*number & (*number - 1)) == 0;
    const bool is_right = number && *number >= entry.least && *number <= entry.greatest &&
                          (entry.name != kPorts || is_power);
    if (!is_right) return fail(refusal(entry, value, range_text(entry)));
    sysctls.*entry.member = static_cast<std::int32_t>(*number);
    return {};
}

}  // namespace xvs::model
