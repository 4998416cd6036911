// PinDirectory: where a network namespace's maps and links are pinned, so that they outlive xvsd.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xvs::offload {

// Opens the BPF file system: the one at `wanted`, or if that is empty the one at /sys/fs/bpf of
// this mount namespace or of process 1's, which is another under `ip netns exec`. The error says
// what to do about it.
[[nodiscard]] Result<UniqueFd> open_bpffs(const std::string& wanted);

// A number that no other network namespace of this machine has had or will have until it restarts.
[[nodiscard]] Result<std::uint64_t> namespace_cookie();

// xvs/<cookie> of a BPF file system, of mode 0700: BPF file systems are not each of one network
// namespace.
class PinDirectory {
public:
    // Makes the directory where it is not there. `bpffs` is one that open_bpffs() opened.
    [[nodiscard]] static Result<PinDirectory> open(const UniqueFd& bpffs, std::uint64_t cookie);

    // Returns an object that was pinned under `name`, or a descriptor that is not open.
    [[nodiscard]] UniqueFd get(std::string_view name) const;

    // Pins what `object` stands for in place of what was there.
    [[nodiscard]] Status pin(int object, std::string_view name) const;
    void unpin(std::string_view name) const noexcept;

    [[nodiscard]] std::vector<std::string> names() const;

    // Unpins everything, and removes the directory.
    void remove() const noexcept;

    // Removes the directories of network namespaces that are gone: all their links are severed.
    // Returns how many.
    std::size_t remove_gone() const;

    // For messages: "xvs/<cookie>".
    [[nodiscard]] std::string name() const { return "xvs/" + name_; }

private:
    PinDirectory(UniqueFd parent, UniqueFd directory, std::string name)
        : parent_(std::move(parent)), directory_(std::move(directory)), name_(std::move(name)) {}

    [[nodiscard]] std::string path(std::string_view name) const;

    UniqueFd parent_;     // xvs
    UniqueFd directory_;  // xvs/<cookie>
    std::string name_;
};

}  // namespace xvs::offload
