// The programs that a director loads.
#include <mutex>

#include <spdlog/spdlog.h>

#include "xvsd/director.h"

namespace xvs::xvsd {

// Without what the kernel refuses of it: the part that begins connections, that which replays them.
Result<std::unique_ptr<offload::SteeringProgram>> Director::load_program(
    offload::SteeringProgram::Options options) {
    no_fast_path_ = options.replays ? "" : "--no-fast-path";
    auto program = offload::SteeringProgram::load(options);
    if (program || !options.replays) return program;
    std::string cause = program.error().context;
    if (options.draws) {
        options.draws = false;
        program = offload::SteeringProgram::load(options);
        if (program) {
            spdlog::warn("no stock of decisions: {}; new connections go through user space", cause);
            return program;
        }
        cause = program.error().context;
    }
    options.replays = false;
    program = offload::SteeringProgram::load(options);
    if (program) {
        no_fast_path_ = cause;
        spdlog::error("no fast path: {}; every balanced packet goes through user space", cause);
    }
    return program;
}

// Programs that outlive the process although they are not to (clsact) must know whether it lives.
Status Director::load_programs(const xvs_table_header& header) {
    offload::SteeringProgram::Options options{.storage = &storage_,
                                              .header = &header,
                                              .control = -1,
                                              .replays = options_.has_fast_path,
                                              .draws = options_.stock.turns != 0,
                                              .is_watched = false,
                                              .is_tested = false};
    auto program = load_program(options);
    if (!program) return fail(program.error());
    const auto how = offload::find_tc_attach((*program)->program(offload::SteeringPart::Drop),
                                             private_link_->far_ifindex());
    if (how == offload::TcAttach::Clsact && kept_.pins() == nullptr) {
        options.is_watched = true;
        program = load_program(options);
        if (!program) return fail(program.error());
    }
    (*program)->control().near_ifindex = private_link_->near_ifindex();
    program_ = std::move(*program);
    steering_.emplace(*program_);
    steering_->gather();
    served_.emplace(*program_, how, kept_.pins());
    xdp_.emplace(*program_, kept_.pins());
    // Before another daemon is asked to hand over. What is refused here is refused again, and told,
    // when an interface needs it.
    for (const auto extra : events_.extras_for(*mirror_, has_use_for_xdp()))
        (void)program_->add(extra);
    return {};
}

bool Director::has_use_for_xdp() const noexcept {
    return program_->replays() || (options_.af_xdp != AfXdpUse::Off && program_->has_sockets());
}

// While the kernel looks at them, the workers go on.
void Director::load_missing_programs() {
    for (const auto extra : events_.take_missing()) {
        const Status added = program_->add(extra);
        const std::lock_guard lock(gate_);
        events_.extra_added(extra, added);
    }
}

}  // namespace xvs::xvsd
