// Laboratory: a Linux Virtual Server in network namespaces: a client, a director, real servers,
// and what stands between them.
//
//   auto lab = Laboratory::build({.name = "nat-1"}, Programs::beside("/usr/bin/xvs"));
//   lab->start_director();
//   lab->configure(net::Family::Ipv4);
//   lab->node("client").run({"curl", "http://192.0.2.1/"});
//
// It goes with its object. When its maker dies instead, a reaper process takes it down; when that
// is killed as well, the next laboratory built, or `xvs lab down`, does.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "lab/plan.h"
#include "lab/process.h"
#include "lab/real_server.h"

namespace xvs::lab {

// Where our programs are.
struct Programs {
    std::filesystem::path xvs;
    std::filesystem::path xvsd;
    std::filesystem::path xvsadm;

    [[nodiscard]] static Programs in(const std::filesystem::path& directory);
    // The directory that the running program is in.
    [[nodiscard]] static Programs beside_this();
};

struct LaboratoryOptions {
    std::string name;
    PlanOptions plan;
    // Hears of each thing that xvs real-server does on a real server; the rest is in the plan.
    std::function<void(const std::string& node, const std::string& why, const std::string& command)>
        tell = [](const std::string&, const std::string&, const std::string&) {
        };
};

class Laboratory {
public:
    // Makes the topology and starts the real servers' services. Laboratories that were left behind
    // by killed programs go first. Fails when a name is taken, not as root, or without `ip`.
    [[nodiscard]] static Result<Laboratory> build(const LaboratoryOptions& options,
                                                  const Programs& programs);

    Laboratory(Laboratory&& other) noexcept;
    Laboratory& operator=(Laboratory&& other) noexcept = delete;
    Laboratory(const Laboratory&) = delete;
    Laboratory& operator=(const Laboratory&) = delete;
    ~Laboratory();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    [[nodiscard]] const Plan& plan() const noexcept { return plan_; }

    // REQUIRES: the plan, or add_node(), has such a node.
    [[nodiscard]] const NetworkNamespace& node(const std::string& name) const;

    // One more namespace that goes with the laboratory.
    [[nodiscard]] Status add_node(const std::string& name);

    // Joins two interfaces that do not exist yet by a cable.
    [[nodiscard]] Status connect(const Cable& cable);

    // Starts xvsd in the director and waits until it is ready.
    [[nodiscard]] Status start_director(const std::vector<std::string>& more_arguments = {});

    [[nodiscard]] Process& director() noexcept { return director_; }

    // The process that takes this laboratory down should this one die.
    [[nodiscard]] pid_t reaper() const noexcept { return reaper_.pid(); }

    // Adds the plan's services of the family by xvsadm.
    [[nodiscard]] Status configure(net::Family family);

    // Runs xvsadm in the director: xvsadm("-L -n").
    [[nodiscard]] Result<std::string> xvsadm(std::string_view arguments) const;

    // Gives the laboratory up without taking it down: `xvs lab down` will.
    [[nodiscard]] Status leave_standing();

    // The end of a node's log, for a message about it.
    [[nodiscard]] std::string last_words(const std::string& node) const;

private:
    explicit Laboratory(std::string name, Plan plan, const Programs& programs);

    Status start_reaper();
    Status carry_out(const LaboratoryOptions& options);
    Status make_real_server(std::size_t index, const LaboratoryOptions& options);
    Status await_real_servers() const;
    void dismiss_reaper() noexcept;

    [[nodiscard]] std::filesystem::path log_of(const std::string& node) const;

    std::string name_;
    Plan plan_;
    Programs programs_;
    bool standing_ = false;  // false too for an object that was moved from
    UniqueFd reaper_pipe_;
    Process reaper_;
    std::map<std::string, NetworkNamespace> nodes_;
    std::vector<Process> services_;
    Process director_;
};

// The reaper's whole life: waits until standard input ends and takes the laboratory down, unless
// its maker said that this is done. `xvs lab reap NAME` runs it.
void reap(const std::string& name);

}  // namespace xvs::lab
