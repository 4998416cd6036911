// Assistances: which connections are read by an assistant, what it knows of each, and how many
// clients are awaited from a port that is not known yet.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/sharing_mutex.h"
#include "engine/assist/assistant.h"
#include "engine/steering.h"
#include "flow/tables.h"

namespace xvs::engine {

// Thread: any worker. What find() returns is the connection's worker's alone. Nothing allocates
// after construction.
class Assistances {
public:
    // All must outlive it. Takes over what the tables hold of live connections.
    Assistances(flow::Tables& tables, Steering& steering, std::span<Assistant* const> assistants);

    // Several workers are to use it. REQUIRES: none has begun.
    void share() noexcept { mutex_.share(); }

    // Returns who is for a NAT connection to `virtual_port`, nullptr: nobody.
    [[nodiscard]] Assistant* find_for(model::Protocol protocol,
                                      net::Port virtual_port) const noexcept;

    // Returns who has that XVS_ROLE_*, or nullptr.
    [[nodiscard]] Assistant* find_by_role(std::uint8_t role) const noexcept;

    // Returns an empty one for a connection, or nullptr when there is no room. REQUIRES: it has
    // none.
    xvs_assistance* add(net::Family family, std::uint32_t connection, std::uint32_t state) noexcept;

    // Returns a connection's, or nullptr.
    [[nodiscard]] xvs_assistance* find(net::Family family, std::uint32_t connection) noexcept;

    void remove(net::Family family, std::uint32_t connection) noexcept;

    // A client is awaited, from any port, or no longer.
    void await_client() noexcept;
    void cease_to_await() noexcept;

    // Cost: a load.
    [[nodiscard]] bool is_awaiting() const noexcept { return flow::load_relaxed(awaited_) > 0; }

    // Returns how many connections are assisted.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    template <class Ip>
    [[nodiscard]] bool is_of_live(const xvs_assistance& record) noexcept;
    template <class Ip>
    void count_awaited() noexcept;
    [[nodiscard]] std::uint32_t& head(net::Family family, std::uint32_t connection) noexcept;
    void link(std::uint32_t index) noexcept;

    flow::Tables& tables_;
    Steering& steering_;
    std::span<xvs_assistance> records_;
    std::vector<Assistant*> assistants_;
    SharingMutex mutex_;
    std::vector<std::uint32_t> heads_;  // of lists, by family and connection
    std::vector<std::uint32_t> next_;   // in such a list, or in that of free ones
    std::uint32_t free_ = XVS_NONE;
    std::size_t size_ = 0;
    std::uint32_t awaited_ = 0;
};

}  // namespace xvs::engine
