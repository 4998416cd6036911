// Director: everything a running xvsd consists of, put together and taken apart in order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/gate.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "control/engine_service_manager.h"
#include "control/netlink/server.h"
#include "control/state_file.h"
#include "control/state_saver.h"
#include "control/sync_daemons.h"
#include "offload/bpf_storage.h"
#include "offload/xdp_interfaces.h"
#include "xvsd/af_xdp.h"
#include "xvsd/host_events.h"
#include "xvsd/instance.h"
#include "xvsd/kept_state.h"
#include "xvsd/options.h"
#include "xvsd/packet_ports.h"
#include "xvsd/setup_watch.h"
#include "xvsd/tap_watch.h"
#include "xvsd/workers.h"

namespace xvs::xvsd {

class Director {
public:
    // Fails with one sentence: the cause and its remedy. REQUIRES: SIGTERM, SIGINT and SIGUSR1 are
    // blocked.
    // Without an `instance` it goes on in the place of the daemon that has it: that one goes on
    // itself if anything fails before it has handed everything over.
    [[nodiscard]] static Result<std::unique_ptr<Director>> create(const Options& options,
                                                                  KeptState& kept,
                                                                  std::optional<Instance> instance);

    Director(const Director&) = delete;
    Director& operator=(const Director&) = delete;
    ~Director();

    // Serves until SIGTERM or SIGINT comes, or a command to go; SIGUSR1 has the counters logged.
    [[nodiscard]] Status run();

private:
    // How often a removed program is looked for where no event tells of it (TCX).
    static constexpr Nanoseconds kRepairInterval = std::chrono::seconds(5);
    // How often the programs in the kernel are told that this daemon lives.
    static constexpr Nanoseconds kHeartbeat = std::chrono::seconds(1);

    Director(const Options& options, KeptState& kept, std::optional<Instance> instance)
        : options_(options),
          kept_(kept),
          instance_(std::move(instance)),
          gate_(options.workers),
          storage_(kept.pins()),
          events_(options.interfaces, options.attach_at_xdp) {}

    [[nodiscard]] Status make_mirror();
    [[nodiscard]] Status make_tables();
    [[nodiscard]] Status make_program();
    [[nodiscard]] Status take_over();
    [[nodiscard]] Status adopt_tables();
    [[nodiscard]] Status make_packet_path();
    [[nodiscard]] Status check_workers(const xvs_table_header& header) const;
    [[nodiscard]] Status attach();
    [[nodiscard]] Status check_interfaces() const;
    [[nodiscard]] Status make_control();
    [[nodiscard]] Status restore_services();
    void services_changed();
    void log_counters();
    void handle_signals();
    [[nodiscard]] Status attach_private_link(offload::TcAttach how);
    [[nodiscard]] Status load_programs(const xvs_table_header& header);
    void load_missing_programs();
    [[nodiscard]] bool has_use_for_xdp() const noexcept;
    [[nodiscard]] Result<std::unique_ptr<offload::SteeringProgram>> load_program(
        offload::SteeringProgram::Options options);
    void log_start() const;
    void log_stop() const;

    control::CommandSocket::Reply handle_command(std::string_view command);
    [[nodiscard]] Status hand_over();
    [[nodiscard]] Status detach();
    [[nodiscard]] std::string status_text();
    void empty_sockets();
    void tell_alive();
    void warn_of_shortages();
    void hand_back();
    void undo();

    void handle(int fd);
    void run_timers();
    [[nodiscard]] int timeout_ms() const;

    const Options& options_;
    KeptState& kept_;
    std::optional<Instance> instance_;
    MonotonicClock clock_;
    Gate gate_;  // of as many workers as there are to be
    UniqueFd signals_;
    bool is_stopping_ = false;
    bool is_full_said_ = false;
    bool is_full_ring_said_ = false;
    bool is_handed_over_ = false;
    bool has_made_tables_ = false;
    std::string no_fast_path_;             // why
    std::vector<UniqueFd> taken_sockets_;  // of the daemon whose place this one takes
    UniqueFd netlink_socket_;              // handed over, by the former daemon or to the next one
    UniqueFd state_lock_;
    Nanoseconds repair_at_{};
    Nanoseconds heartbeat_at_{};

    // In the order in which one needs the other; they go in the reverse of it.
    offload::BpfStorage storage_;
    std::unique_ptr<flow::Tables> tables_;
    HostEvents events_;
    std::unique_ptr<host::Mirror> mirror_;
    std::optional<host::PrivateLink> private_link_;
    std::unique_ptr<offload::SteeringProgram> program_;
    std::optional<offload::SteeringMaps> steering_;
    std::optional<offload::TcHook> return_hook_;
    std::optional<offload::TcHook> drop_hook_;
    std::unique_ptr<PacketPorts> ports_;
    std::unique_ptr<host::KernelRouter> router_;
    std::optional<TapWatch> tap_watch_;
    std::optional<engine::Engine> engine_;
    std::optional<offload::ServedInterfaces> served_;
    std::optional<offload::XdpInterfaces> xdp_;
    std::optional<AfXdp> af_xdp_;
    std::optional<Workers> workers_;
    std::optional<control::EngineServiceManager> services_;
    control::SyncDaemons daemons_;
    std::optional<control::netlink::RequestHandler> handler_;
    std::unique_ptr<control::netlink::Server> server_;
    std::optional<SetupWatch> setup_watch_;
    std::optional<control::StateFile> state_file_;  // neither where nothing is kept
    std::optional<control::StateSaver> state_saver_;
};

}  // namespace xvs::xvsd
