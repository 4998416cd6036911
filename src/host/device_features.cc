#include "host/device_features.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "base/unique_fd.h"

namespace xvs::host {
namespace {

class Ethtool {
public:
    explicit Ethtool(std::string_view interface)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        interface.copy(request_.ifr_name, sizeof(request_.ifr_name) - 1);
    }

    bool call(void* data) noexcept {
        request_.ifr_data = static_cast<char*>(data);
        return ::ioctl(socket_.get(), SIOCETHTOOL, &request_) == 0;
    }

private:
    UniqueFd socket_;
    ifreq request_{};
};

// A structure of ethtool's with `Element`s behind it, in memory of its own.
template <class Header, class Element>
std::vector<std::uint64_t> with_room(std::size_t elements) {
    const std::size_t bytes = sizeof(Header) + elements * sizeof(Element);
    return std::vector<std::uint64_t>((bytes + 7) / 8);
}

using FeatureName = std::array<char, ETH_GSTRING_LEN>;

std::vector<std::string> feature_names(Ethtool& ethtool) {
    auto room = with_room<ethtool_sset_info, std::uint32_t>(1);
    auto* info = reinterpret_cast<ethtool_sset_info*>(room.data());
    info->cmd = ETHTOOL_GSSET_INFO;
    info->sset_mask = std::uint64_t{1} << ETH_SS_FEATURES;
    if (!ethtool.call(info) || info->sset_mask == 0) return {};
    const std::uint32_t count = info->data[0];

    auto strings_room = with_room<ethtool_gstrings, FeatureName>(count);
    auto* strings = reinterpret_cast<ethtool_gstrings*>(strings_room.data());
    strings->cmd = ETHTOOL_GSTRINGS;
    strings->string_set = ETH_SS_FEATURES;
    strings->len = count;
    if (!ethtool.call(strings)) return {};
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto* name = reinterpret_cast<const char*>(strings->data) + i * ETH_GSTRING_LEN;
        names.emplace_back(name, ::strnlen(name, ETH_GSTRING_LEN));
    }
    return names;
}

}  // namespace

void turn_off_features(std::string_view interface,
                       std::initializer_list<std::string_view> names) noexcept {
    Ethtool ethtool(interface);
    const std::vector<std::string> known = feature_names(ethtool);
    const std::size_t words = (known.size() + 31) / 32;
    if (words == 0) return;
    auto room = with_room<ethtool_sfeatures, ethtool_set_features_block>(words);
    auto* request = reinterpret_cast<ethtool_sfeatures*>(room.data());
    request->cmd = ETHTOOL_SFEATURES;
    request->size = static_cast<std::uint32_t>(words);
    for (std::size_t bit = 0; bit < known.size(); ++bit) {
        if (std::find(names.begin(), names.end(), known[bit]) != names.end())
            request->features[bit / 32].valid |= 1u << (bit % 32);
    }
    ethtool.call(request);
}

bool is_physical(std::string_view interface) noexcept {
    Ethtool ethtool(interface);
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    return ethtool.call(&info) && info.bus_info[0] != '\0' &&
           std::string_view(info.bus_info) != "N/A";
}

bool has_udp_super_packets() noexcept {
    utsname names{};
    unsigned major = 0;
    unsigned minor = 0;
    if (::uname(&names) != 0 || std::sscanf(names.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 2);
}

}  // namespace xvs::host
