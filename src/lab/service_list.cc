#include "lab/service_list.h"

#include <algorithm>

#include <fmt/format.h>

#include "lab/process.h"

namespace xvs::lab {

namespace {

// What follows `option`, or nothing.
std::string_view value_of(const Command& words, std::string_view option) {
    const auto at = std::find(words.begin(), words.end(), option);
    return at == words.end() || at + 1 == words.end() ? std::string_view{} : *(at + 1);
}

bool has(const Command& words, std::string_view option) {
    return std::find(words.begin(), words.end(), option) != words.end();
}

model::ForwardingMethod method_of(const Command& words) {
    if (has(words, "-m")) return model::ForwardingMethod::Masquerade;
    if (has(words, "-i")) return model::ForwardingMethod::Tunnel;
    return model::ForwardingMethod::DirectRoute;  // -g, and ipvsadm's default
}

}  // namespace

Result<std::vector<SavedService>> parse_saved_services(std::string_view text) {
    std::vector<SavedService> services;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const Command words = command(line);
        if (words.empty() || has(words, "-f")) continue;
        const char* option = has(words, "-t") ? "-t" : "-u";
        const auto vip = net::Endpoint::parse(value_of(words, option));
        if (!vip) {
            return fail(ErrorCode::InvalidArgument,
                        fmt::format("'{}' is no line of a saved table of services", line));
        }
        if (words.front() == "-A") {
            const auto protocol = has(words, "-t") ? model::Protocol::Tcp : model::Protocol::Udp;
            services.push_back({protocol, *vip, {}});
            continue;
        }
        const auto real = net::Endpoint::parse(value_of(words, "-r"));
        if (words.front() != "-a" || !real || services.empty()) {
            return fail(ErrorCode::InvalidArgument,
                        fmt::format("'{}' is no line of a saved table of services", line));
        }
        model::Destination destination;
        destination.real = *real;
        destination.method = method_of(words);
        services.back().destinations.push_back(destination);
    }
    return services;
}

}  // namespace xvs::lab
