#include "testing/program_entrance.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "engine/ticks.h"
#include "net/prefix.h"

namespace xvs::test {
namespace {

// What a test run comes in on, and its MAC address.
constexpr std::uint32_t kLoopback = 1;
constexpr std::size_t kMacSize = net::MacAddress::kSize;
// For an outer header and a link header.
constexpr std::size_t kGrowth = 128;

std::uint16_t slot_of(Side side) {
    return side == Side::Client ? 3 : 4;
}

std::uint16_t vlan_of(Side side) {
    return side == Side::Client ? 5 : 0;
}

constexpr std::size_t kTagAt = 2 * kMacSize;
constexpr std::size_t kTagSize = 4;

Bytes tagged(const Bytes& frame, std::uint16_t vlan) {
    if (vlan == 0) return frame;
    Bytes result = frame;
    result.insert(result.begin() + kTagAt, kTagSize, std::byte{0});
    store_be16(result.data() + kTagAt, 0x8100);
    store_be16(result.data() + kTagAt + 2, vlan);
    return result;
}

// Takes the tag off that frames to the client's side must have.
Bytes untagged(Bytes frame) {
    const bool has_tag = load_be16(frame.data() + kTagAt) == 0x8100;
    if (!has_tag) return frame;
    if (load_be16(frame.data() + kTagAt + 2) != vlan_of(Side::Client)) return {};
    frame.erase(frame.begin() + kTagAt, frame.begin() + kTagAt + kTagSize);
    return frame;
}

std::set<net::Prefix> local_prefixes(const Director& director) {
    std::set<net::Prefix> prefixes;
    for (const net::IpAddress& address : director.router.locals())
        prefixes.insert(net::Prefix::of(address));
    return prefixes;
}

void store_mac(Bytes& frame, std::size_t at, const net::MacAddress& mac) {
    std::copy(mac.bytes().begin(), mac.bytes().end(), frame.begin() + static_cast<int>(at));
}

// As io::SlowPathPort does with a frame that was sent up.
void restore_addresses(Bytes& frame, xvs_reason reason, Side side) {
    const net::MacAddress own = director_link(side).mac;
    if (reason != XVS_REASON_EGRESS) return store_mac(frame, 0, own);
    std::copy_n(frame.begin() + kMacSize, kMacSize, frame.begin());
    store_mac(frame, kMacSize, own);
}

Status set_loopback_up() {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
        return fail(system_error("setting loopback up", errno));
    return {};
}

// In a network namespace of its own: a device's queue has one socket, and other tests run beside
// this one.
Result<std::unique_ptr<io::XdpSocket>> open_own_socket() {
    Result<std::unique_ptr<io::XdpSocket>> socket;
    std::thread([&socket] {
        if (::unshare(CLONE_NEWNET) != 0) {
            socket = fail(system_error("a network namespace", errno));
        } else if (auto is_up = set_loopback_up(); !is_up) {
            socket = fail(is_up.error());
        } else {
            socket = io::XdpSocket::open(kLoopback, 0, io::XdpSocket::Use::ReceiveOnly);
        }
    }).join();
    return socket;
}

std::int64_t coarse_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Result<std::span<std::byte>> ReusedStorage::allocate(std::string_view name,
                                                     std::size_t element_size,
                                                     std::size_t count) {
    const auto found = known_.find(name);
    if (found != known_.end() && found->second.size() == element_size * count) {
        std::fill(found->second.begin(), found->second.end(), std::byte{0});
        return found->second;
    }
    auto made = arrays_.allocate(name, element_size, count);
    if (made) known_[std::string(name)] = *made;
    return made;
}

Result<std::unique_ptr<ProgramEntrance>> TestedProgram::stand_before(Director& director) {
    if (program_ == nullptr) {
        auto loaded = offload::SteeringProgram::load({.storage = &storage_.arrays(),
                                                      .header = &director.tables->header(),
                                                      .control = -1,
                                                      .replays = options_.replays,
                                                      .draws = options_.draws,
                                                      .is_watched = false,
                                                      .is_tested = true});
        if (!loaded) return fail(loaded.error());
        program_ = std::move(*loaded);
        program_->control().near_ifindex = kLoopback;
        if (options_.by_af_xdp) {
            auto socket = open_own_socket();
            if (!socket) return fail(socket.error());
            socket_ = std::move(*socket);
            const std::uint32_t key = 0;
            const auto value = static_cast<std::uint32_t>(socket_->fd());
            const int map = program_->map(offload::SteeringMap::XdpSockets);
            if (::bpf_map_update_elem(map, &key, &value, BPF_ANY) != 0)
                return fail(system_error("an AF_XDP socket for the program", errno));
        }
    }
    return std::make_unique<ProgramEntrance>(
        director, *program_, options_.at_xdp, options_.by_af_xdp);
}

ProgramEntrance::ProgramEntrance(Director& director,
                                 offload::SteeringProgram& program,
                                 bool at_xdp,
                                 bool has_socket)
    : director_(director),
      program_(program),
      maps_(program),
      at_xdp_(at_xdp),
      has_socket_(has_socket),
      refused_(program.refusals()) {
    for (const Side side : kSides) {
        xvs_interface& interface = program_.interfaces()[slot_of(side)];
        interface.ifindex = interface_of(side);
        std::memcpy(interface.mac, director_link(side).mac.bytes().data(), kMacSize);
        interface.link_header = 1;
    }
    maps_.set_local_prefixes(local_prefixes(director_));
    director_.steering.tell_also(maps_);
    CPU_ZERO(&allowed_);
    (void)::sched_getaffinity(0, sizeof(allowed_), &allowed_);
    if (at_xdp_) serve_at_xdp();
}

// Leaves the program's maps empty for the next one.
ProgramEntrance::~ProgramEntrance() {
    (void)::sched_setaffinity(0, sizeof(allowed_), &allowed_);
    director_.steering.tell_nobody_else();
    maps_.set_local_prefixes({});
    for (const model::ServiceKey& key : director_.steering.services)
        maps_.remove_service(key);
    for (const auto& [source, count] : director_.steering.nat_sources) {
        for (int i = 0; i < count; ++i)
            maps_.remove_nat_source(source.first, source.second);
    }
    for (const auto& [address, count] : director_.steering.addresses) {
        for (int i = 0; i < count; ++i)
            maps_.remove_address(address);
    }
    for (const auto& [number, list] : director_.steering.access_lists)
        (void)maps_.set_access_list(number, list.first ? &*list.first : nullptr, {});
    for (const auto& [key, action] : director_.steering.access_prefixes)
        maps_.remove_access_prefix(key);
}

Passage ProgramEntrance::admit(const Bytes& frame, Side side) {
    if (at_xdp_) serve_at_xdp();
    return admit_by(cpu(), frame, side);
}

Passage ProgramEntrance::admit_by(unsigned cpu,
                                  const Bytes& frame,
                                  Side side,
                                  const std::function<void()>& at_last) {
    if (at_xdp_) {
        if (auto passage = admit_at_xdp(cpu, frame, side, at_last)) return *passage;
    }
    Passage passage = admit_at_tc(cpu, frame, side, at_last);
    if (at_xdp_ && passage.way == Passage::Way::Replayed) ++missed_at_xdp_;
    return passage;
}

Passage ProgramEntrance::admit_at_tc(unsigned cpu,
                                     const Bytes& frame,
                                     Side side,
                                     const std::function<void()>& at_last) {
    serve(side);
    // Addressed to the interface, as far as the kernel can see.
    Bytes arriving = frame;
    std::fill_n(arriving.begin(), kMacSize, std::byte{0});
    Outcome outcome = run(offload::SteeringPart::Ingress, arriving, cpu, at_last);
    if (outcome.action == TC_ACT_UNSPEC) store_mac(outcome.frame, 0, director_link(side).mac);
    return judge(std::move(outcome), frame, side);
}

// Every next hop can be left by at XDP, the client's side with a tag.
void ProgramEntrance::serve_at_xdp() {
    if (const auto added = program_.add(offload::SteeringExtra::Xdp); !added)
        throw std::runtime_error(added.error().context);
    for (const Side side : kSides) {
        xvs_host_key key{};
        key.ifindex = kLoopback;
        key.vlan = vlan_of(side);
        std::memcpy(key.mac, director_link(side).mac.bytes().data(), kMacSize);
        const xvs_host host{.slot = slot_of(side),
                            .flags = 0,
                            .first_socket = 0,
                            .sockets = static_cast<std::uint16_t>(has_socket_ ? 1 : 0)};
        if (::bpf_map_update_elem(
                program_.map(offload::SteeringMap::Hosts), &key, &host, BPF_ANY) != 0)
            throw std::runtime_error(system_error("serving an interface", errno).context);
    }
    flow::NextHopTable& hops = director_.tables->next_hops();
    for (std::uint32_t index = 0; index < hops.capacity() && hops[index].generation != 0; ++index) {
        xvs_next_hop& hop = hops[index];
        const bool is_client = hop.interface == interface_of(Side::Client);
        hop.lower = hop.interface;
        hop.vlan = vlan_of(is_client ? Side::Client : Side::Real);
        hop.flags |= XVS_HOP_XDP;
    }
}

std::optional<Passage> ProgramEntrance::admit_at_xdp(unsigned cpu,
                                                     const Bytes& frame,
                                                     Side side,
                                                     const std::function<void()>& at_last) {
    Outcome outcome = run(offload::SteeringPart::Xdp, tagged(frame, vlan_of(side)), cpu, at_last);
    if (outcome.action == XDP_PASS) return std::nullopt;
    if (outcome.action != XDP_TX && outcome.action != XDP_REDIRECT) return dropped(frame);
    if (outcome.action == XDP_REDIRECT && outcome.frame[0] == std::byte{XVS_METADATA_MAGIC})
        return raise(outcome, frame, side);
    ++replays_;
    return Passage{.way = Passage::Way::Replayed, .frame = untagged(std::move(outcome.frame))};
}

Passage ProgramEntrance::dropped(const Bytes& frame) {
    Passage passage{.way = Passage::Way::Dropped, .frame = frame};
    const auto before = std::exchange(refused_, program_.refusals());
    if (refused_[XVS_ACCESS_DENIED - 1] != before[XVS_ACCESS_DENIED - 1])
        passage.refusal = engine::DropReason::ClientDenied;
    if (refused_[XVS_ACCESS_NOT_ALLOWED - 1] != before[XVS_ACCESS_NOT_ALLOWED - 1])
        passage.refusal = engine::DropReason::ClientNotAllowed;
    return passage;
}

// The frame itself is as it came.
Passage ProgramEntrance::raise(const Outcome& outcome, const Bytes& frame, Side side) {
    xvs_frame_metadata metadata{};
    std::memcpy(&metadata, outcome.frame.data(), sizeof(metadata));
    const Bytes raised(outcome.frame.begin() + sizeof(metadata), outcome.frame.end());
    const std::size_t link_size = kTagAt + 2 + (vlan_of(side) == 0 ? 0 : kTagSize);
    if (xvs_metadata_slot(&metadata.up) != slot_of(side) || metadata.checksum_start != 0 ||
        metadata.link_size != link_size || raised != tagged(frame, vlan_of(side)))
        return {.way = Passage::Way::Dropped, .frame = frame};
    ++raised_;
    return {.way = Passage::Way::Engine,
            .frame = frame,
            .reason = static_cast<xvs_reason>(xvs_metadata_reason(&metadata.up)),
            .worker = static_cast<std::uint8_t>(metadata.worker),
            .report_ring = static_cast<std::uint16_t>(xvs_metadata_cpu(&metadata.up)),
            .report_position = static_cast<std::uint16_t>(xvs_metadata_position(&metadata.up))};
}

Passage ProgramEntrance::release(const Bytes& frame, Side side) {
    serve(side);
    return judge(run(offload::SteeringPart::Egress, frame), frame, side);
}

// Every test run is on loopback, which is now the interface of that side.
void ProgramEntrance::serve(Side side) {
    const std::uint32_t slot = slot_of(side);
    const int map = program_.map(offload::SteeringMap::Slots);
    if (::bpf_map_update_elem(map, &kLoopback, &slot, BPF_ANY) != 0)
        throw std::runtime_error(system_error("serving an interface", errno).context);
}

// The program reads the coarse clock, which moves in steps: the next one must not lead into the
// next tick, or a packet would be noted later than it came.
void ProgramEntrance::set_clock() const {
    constexpr std::int64_t kTick = std::int64_t{1} << XVS_TICK_SHIFT;
    timespec step{};
    ::clock_getres(CLOCK_MONOTONIC_COARSE, &step);
    std::int64_t now = coarse_now();
    while (kTick - now % kTick <= step.tv_nsec) {
        ::usleep(500);
        now = coarse_now();
    }
    program_.control().tick_offset =
        engine::to_tick(director_.clock.now()) - engine::to_tick(Nanoseconds(now));
    program_.control().heartbeat = engine::to_tick(director_.clock.now());
}

void ProgramEntrance::pin(unsigned cpu) {
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    CPU_SET(cpu, &wanted);
    (void)::sched_setaffinity(0, sizeof(wanted), &wanted);
}

ProgramEntrance::Outcome ProgramEntrance::run(offload::SteeringPart part,
                                              const Bytes& frame,
                                              unsigned cpu,
                                              const std::function<void()>& at_last) const {
    pin(cpu);
    set_clock();
    Outcome outcome{.action = 0, .frame = Bytes(frame.size() + kGrowth)};
    program_.control().workers = static_cast<std::uint32_t>(director_.engine.workers());
    __sk_buff context{};
    const bool is_at_tc = part != offload::SteeringPart::Xdp;
    LIBBPF_OPTS(bpf_test_run_opts,
                options,
                .data_in = frame.data(),
                .data_out = outcome.frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()),
                .data_size_out = static_cast<__u32>(outcome.frame.size()),
                .ctx_out = is_at_tc ? &context : nullptr,
                .ctx_size_out = is_at_tc ? static_cast<__u32>(sizeof(context)) : 0);
    at_last();
    if (::bpf_prog_test_run_opts(program_.program(part), &options) != 0) {
        throw std::runtime_error(
            system_error(fmt::format("running a program on {} bytes", frame.size()), errno)
                .context);
    }
    outcome.action = static_cast<int>(options.retval);
    outcome.frame.resize(options.data_size_out);
    outcome.mark = context.mark;
    return outcome;
}

Passage ProgramEntrance::judge(Outcome outcome, const Bytes& frame, Side side) {
    if (outcome.action == TC_ACT_UNSPEC)
        return {.way = Passage::Way::Host, .frame = std::move(outcome.frame)};
    if (outcome.action != TC_ACT_REDIRECT) return dropped(frame);
    xvs_metadata metadata{};
    std::memcpy(&metadata, outcome.frame.data(), sizeof(metadata));
    if (metadata.magic != XVS_METADATA_MAGIC) {
        ++replays_;
        return {.way = Passage::Way::Replayed, .frame = std::move(outcome.frame)};
    }
    if (xvs_metadata_slot(&metadata) != slot_of(side))
        return {.way = Passage::Way::Dropped, .frame = frame};
    const auto reason = static_cast<xvs_reason>(xvs_metadata_reason(&metadata));
    restore_addresses(outcome.frame, reason, side);
    return {.way = Passage::Way::Engine,
            .frame = std::move(outcome.frame),
            .reason = reason,
            .worker = static_cast<std::uint8_t>(outcome.mark),
            .report_ring = static_cast<std::uint16_t>(xvs_metadata_cpu(&metadata)),
            .report_position = static_cast<std::uint16_t>(xvs_metadata_position(&metadata))};
}

std::string why_no_programs() {
    if (::geteuid() != 0) return "running programs in the kernel needs root";
    if (::libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, nullptr) != 1)
        return "this kernel, or this container, allows no BPF programs at tc";
    return {};
}

}  // namespace xvs::test
