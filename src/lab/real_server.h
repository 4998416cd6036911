// What an operator does on a real server for DR and TUN, done, told and undone.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/destination.h"
#include "net/address.h"

namespace xvs::lab {

struct RealServerOptions {
    model::ForwardingMethod method = model::ForwardingMethod::DirectRoute;
    std::vector<net::IpAddress> vips;
    // TUN: where encapsulated packets arrive; the default route's interface when not given.
    std::string interface;
    // TUN: decapsulate by BPF although the kernel has tunl0.
    bool prefer_bpf = false;
};

// Hears of each thing done: why, and the command that does the same.
using Narrator = std::function<void(const std::string& why, const std::string& command)>;

// Makes this host (the calling thread's network namespace) a real server. What it found is noted
// under /run/xvs, so that undo_real_server() puts it back; what is right already is left alone.
[[nodiscard]] Status set_up_real_server(const RealServerOptions& options, const Narrator& tell);

// Puts back what set_up_real_server() changed, last change first.
[[nodiscard]] Status undo_real_server(const Narrator& tell);

// Removes the note alone: the network namespace is about to go.
void forget_real_server() noexcept;

// The interface of the default route of the family; empty without one.
[[nodiscard]] std::string default_interface(net::Family family);

// True when the host holds the address.
[[nodiscard]] bool has_address(const net::IpAddress& address);

}  // namespace xvs::lab
