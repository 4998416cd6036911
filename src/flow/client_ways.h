// ClientWays: the next hops by which replies to clients left last, for programs in the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/sharing_mutex.h"
#include "flow/hash.h"
#include "flow/key.h"
#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// A cache with one place for each client: another one that hashes there takes it. A way is void
// when its next hop has another generation. Thread: any worker.
class ClientWays {
public:
    // `keys` must outlive it. There may be no places: then nothing is remembered.
    ClientWays(std::span<xvs_client_way> ways, const xvs_hash_keys& keys) noexcept
        : ways_(ways), keys_(keys) {}

    // Several workers are to use it. REQUIRES: none has begun.
    void share() noexcept { mutex_.share(); }

    void remember(const FlowKey<Ipv4>& inbound,
                  std::uint32_t next_hop,
                  std::uint32_t generation) noexcept {
        if (ways_.empty()) return;
        write(ways_[xvs_client_hash4(&keys_, inbound.source, 0) & (XVS_CLIENT_WAYS - 1)],
              4,
              std::as_bytes(std::span(&inbound.source, 1)),
              next_hop,
              generation);
    }

    void remember(const FlowKey<Ipv6>& inbound,
                  std::uint32_t next_hop,
                  std::uint32_t generation) noexcept {
        if (ways_.empty()) return;
        write(ways_[xvs_client_hash6(&keys_, inbound.source.data(), 0) & (XVS_CLIENT_WAYS - 1)],
              6,
              std::as_bytes(std::span(inbound.source)),
              next_hop,
              generation);
    }

private:
    void write(xvs_client_way& way,
               std::uint32_t family,
               std::span<const std::byte> client,
               std::uint32_t next_hop,
               std::uint32_t generation) noexcept {
        const SharingLock lock(mutex_);
        std::uint32_t words[sizeof(way.client) / sizeof(std::uint32_t)]{};
        std::memcpy(words, client.data(), client.size());
        const std::uint32_t version = way.version | 1;
        (void)swap_if(way.version, way.version, version);
        store_release(way.next_hop, next_hop);
        store_release(way.generation, generation);
        store_release(way.family, family);
        for (std::size_t i = 0; i < std::size(words); ++i)
            store_word32(way.client + i * sizeof(std::uint32_t), words[i]);
        store_release(way.version, version + 1);
    }

    std::span<xvs_client_way> ways_;
    const xvs_hash_keys& keys_;
    SharingMutex mutex_;
};

}  // namespace xvs::flow
