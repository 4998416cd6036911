// NetworkNamespace: a named network namespace (as `ip netns` makes it) and work done inside it.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/process.h"

namespace xvs::lab {

class NetworkNamespace {
public:
    // Makes the namespace `name` with its loopback interface up; the destructor removes it.
    [[nodiscard]] static Result<NetworkNamespace> create(const std::string& name);

    // Opens one that exists; the destructor leaves it standing.
    [[nodiscard]] static Result<NetworkNamespace> open(const std::string& name);

    NetworkNamespace(NetworkNamespace&& other) noexcept;
    NetworkNamespace& operator=(NetworkNamespace&& other) noexcept;
    NetworkNamespace(const NetworkNamespace&) = delete;
    NetworkNamespace& operator=(const NetworkNamespace&) = delete;
    ~NetworkNamespace();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    // Leaves the namespace standing when the destructor runs.
    void release() noexcept { owned_ = false; }

    // Moves the calling thread into the namespace for as long as the scope lives. Sockets opened
    // and programs started meanwhile belong to the namespace, also afterwards.
    class Scope {
    public:
        explicit Scope(const NetworkNamespace& where);
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
        ~Scope();

    private:
        UniqueFd home_;
    };

    // Runs a command inside; see lab/process.h.
    [[nodiscard]] Result<Completed> run(const Command& command,
                                        const RunOptions& options = {}) const;
    [[nodiscard]] Result<std::string> run_checked(const Command& command,
                                                  const RunOptions& options = {}) const;
    [[nodiscard]] Result<Process> start(const Command& command,
                                        const std::filesystem::path& log) const;

    // Keys as sysctl(8) takes them: "net.ipv4.ip_forward".
    [[nodiscard]] Status set_sysctl(const std::string& key, const std::string& value) const;
    [[nodiscard]] Result<std::string> get_sysctl(const std::string& key) const;

private:
    NetworkNamespace(std::string name, UniqueFd fd, bool owned);

    void remove() noexcept;

    std::string name_;
    UniqueFd fd_;
    bool owned_ = false;
};

// Reads or writes a sysctl of the calling thread's network namespace. A key names an interface
// whose name holds a dot with a slash in its place, as sysctl(8) does.
[[nodiscard]] Status write_sysctl(const std::string& key, const std::string& value);
[[nodiscard]] Result<std::string> read_sysctl(const std::string& key);

}  // namespace xvs::lab
