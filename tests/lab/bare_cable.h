// BareCable: two interfaces without link headers in two network namespaces, between which a thread
// carries packets.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"

namespace xvs::lab {

class BareCable {
public:
    BareCable() = default;
    BareCable(const BareCable&) = delete;
    BareCable& operator=(const BareCable&) = delete;
    ~BareCable();

    // Makes an interface of this name in both.
    [[nodiscard]] Status plug(const NetworkNamespace& one,
                              const NetworkNamespace& other,
                              const std::string& name);

private:
    void carry();

    std::array<UniqueFd, 2> ends_;
    std::atomic<bool> is_cut_ = false;
    std::thread carrier_;
};

}  // namespace xvs::lab
