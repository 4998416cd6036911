#include "lab/decapsulation.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include <net/if.h>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "lab/decapsulate.skel.h"

namespace xvs::lab {

namespace {

// Where our filter is among others at tc ingress.
constexpr std::uint32_t kPriority = 49000;
constexpr std::uint32_t kHandle = 1;

struct Destroy {
    void operator()(decapsulate_bpf* program) const { decapsulate_bpf__destroy(program); }
};

// Where the program is attached, as libbpf takes it. libbpf refuses these structures when their
// padding is not zero, and copies need not keep padding: they are filled in place.
class Place {
public:
    Place() {
        std::memset(&hook_, 0, sizeof hook_);
        std::memset(&options_, 0, sizeof options_);
        hook_.sz = sizeof hook_;
        hook_.attach_point = BPF_TC_INGRESS;
        options_.sz = sizeof options_;
        options_.handle = kHandle;
        options_.priority = kPriority;
    }

    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    Status set_interface(const std::string& name) {
        hook_.ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
        if (hook_.ifindex != 0) return {};
        return fail(ErrorCode::NoSuchDevice,
                    fmt::format("there is no interface {}; 'ip link' lists those there are", name));
    }

    [[nodiscard]] bpf_tc_hook& hook() { return hook_; }

    [[nodiscard]] bpf_tc_opts& options() { return options_; }

private:
    bpf_tc_hook hook_;
    bpf_tc_opts options_;
};

// libbpf explains itself on stderr unless told otherwise; the errors below say what matters.
int be_silent(libbpf_print_level /*level*/, const char* /*format*/, va_list /*arguments*/) {
    return 0;
}

Status set_vips(decapsulate_bpf& program, const std::vector<net::IpAddress>& vips) {
    auto& data = *program.rodata;
    for (const net::IpAddress& vip : vips) {
        auto& count = vip.family() == net::Family::Ipv4 ? data.vip4_count : data.vip6_count;
        if (count == kMaxDecapsulatedVips) {
            return fail(ErrorCode::OutOfRange,
                        fmt::format("more than {} VIPs of one family cannot be decapsulated on "
                                    "one interface",
                                    kMaxDecapsulatedVips));
        }
        void* slot = vip.family() == net::Family::Ipv4 ? static_cast<void*>(&data.vips4[count])
                                                       : static_cast<void*>(&data.vips6[count]);
        std::memcpy(slot, vip.bytes().data(), vip.size());
        ++count;
    }
    return {};
}

}  // namespace

Result<DecapsulationAttached> attach_decapsulation(const std::string& interface,
                                                   const std::vector<net::IpAddress>& vips) {
    Place place;
    if (auto found = place.set_interface(interface); !found) return fail(found.error());
    ::libbpf_set_print(be_silent);
    const std::unique_ptr<decapsulate_bpf, Destroy> program(decapsulate_bpf__open());
    if (!program) return fail(system_error("opening the decapsulation program", errno));
    if (auto set = set_vips(*program, vips); !set) return fail(set.error());
    if (decapsulate_bpf__load(program.get()) != 0) {
        return fail(system_error(
            "loading the decapsulation program (it needs CAP_BPF and CAP_NET_ADMIN)", errno));
    }

    const int made = ::bpf_tc_hook_create(&place.hook());
    if (made != 0 && made != -EEXIST)
        return fail(system_error("adding a clsact qdisc to " + interface, -made));
    place.options().prog_fd = ::bpf_program__fd(program->progs.decapsulate);
    place.options().flags = BPF_TC_F_REPLACE;
    if (const int error = ::bpf_tc_attach(&place.hook(), &place.options()); error != 0)
        return fail(system_error("attaching the decapsulation program to " + interface, -error));
    return DecapsulationAttached{made == 0};
}

Status detach_decapsulation(const std::string& interface, bool remove_clsact) {
    Place place;
    if (auto found = place.set_interface(interface); !found) return fail(found.error());
    ::libbpf_set_print(be_silent);
    if (const int error = ::bpf_tc_detach(&place.hook(), &place.options());
        error != 0 && error != -ENOENT)
        return fail(system_error("taking the decapsulation program off " + interface, -error));
    if (!remove_clsact) return {};
    place.hook().attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    if (const int error = ::bpf_tc_hook_destroy(&place.hook()); error != 0)
        return fail(system_error("removing the clsact qdisc of " + interface, -error));
    return {};
}

bool is_decapsulating(const std::string& interface) {
    Place place;
    if (!place.set_interface(interface)) return false;
    ::libbpf_set_print(be_silent);
    return ::bpf_tc_query(&place.hook(), &place.options()) == 0;
}

}  // namespace xvs::lab
