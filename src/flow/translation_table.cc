#include "flow/translation_table.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "flow/shared_field.h"

namespace xvs::flow {

namespace {

// Contents are all that follows the generation.
static_assert(offsetof(xvs_translation, generation) == 0);
constexpr std::size_t kContents = sizeof(xvs_translation::generation);
constexpr std::size_t kContentWords = (sizeof(xvs_translation) - kContents) / 4;
static_assert((sizeof(xvs_translation) - kContents) % 4 == 0);
// A next hop and its generation change as one word.
static_assert(offsetof(xvs_translation, next_hop) % 8 == 0);
static_assert(offsetof(xvs_translation, next_hop_generation) ==
              offsetof(xvs_translation, next_hop) + 4);

__u8 with_suspension(__u8 rewrite, bool is_suspended) noexcept {
    const unsigned others = rewrite & ~XVS_SUSPENDED;
    return static_cast<__u8>(others | (is_suspended ? XVS_SUSPENDED : 0));
}

// No stranger picks what is hashed: services, destinations and next hops are numbers of our own.
std::uint32_t hash_contents(const xvs_translation& translation) noexcept {
    xvs_translation contents = translation;
    contents.rewrite = with_suspension(contents.rewrite, false);
    std::uint32_t words[kContentWords];
    std::memcpy(words, &contents.generation + 1, sizeof words);
    std::uint64_t sum = 0x9e3779b97f4a7c15u;
    for (const std::uint32_t word : words) {
        sum = (sum ^ word) * 0xff51afd7ed558ccdu;
        sum ^= sum >> 32;
    }
    return static_cast<std::uint32_t>(sum);
}

bool has_equal_contents(const xvs_translation& a, const xvs_translation& b) noexcept {
    xvs_translation same = a;
    same.rewrite = with_suspension(a.rewrite, (b.rewrite & XVS_SUSPENDED) != 0);
    return std::memcmp(&same.generation + 1, &b.generation + 1, sizeof a - kContents) == 0;
}

}  // namespace

TranslationTable::TranslationTable(std::span<xvs_translation> records,
                                   std::uint32_t destinations,
                                   GracePeriod& grace)
    : records_(records.data()),
      capacity_(static_cast<std::uint32_t>(records.size())),
      bucket_mask_(std::bit_ceil(2 * capacity_) - 1),
      grace_(grace),
      meta_(std::make_unique<Meta[]>(capacity_)),
      ways_(std::make_unique<Ways[]>(destinations)),
      buckets_(std::make_unique<std::uint32_t[]>(bucket_mask_ + std::size_t{1})) {}

std::uint32_t TranslationTable::acquire(const xvs_translation& wanted) noexcept {
    const std::uint32_t hash = hash_contents(wanted);
    const SharingLock lock(mutex_);
    for (std::uint32_t at = hash & bucket_mask_; buckets_[at] != 0; at = (at + 1) & bucket_mask_) {
        const std::uint32_t index = buckets_[at] - 1;
        Meta& meta = meta_[index];
        if (meta.hash != hash || !has_equal_contents(records_[index], wanted)) continue;
        add_reference(index);
        if (meta.is_idle) remove_idle(index);
        return index;
    }

    const std::uint32_t index = find_room();
    if (index == XVS_NONE) return XVS_NONE;
    if (++generation_ == 0) ++generation_;
    xvs_translation& record = records_[index];
    record = wanted;
    record.rewrite = with_suspension(wanted.rewrite, ways_[wanted.destination].are_suspended);
    record.generation = generation_;
    meta_[index] = {.references = 1, .is_idle = false, .hash = hash};
    put_into_buckets(index);
    put_to_destination(index);
    return index;
}

// One that was being written when its writer died has no references: it is what it says all the
// same, and of use to whoever wants just that.
void TranslationTable::adopt(std::span<const std::uint32_t> references) noexcept {
    size_ = capacity_;
    while (size_ > 0 && records_[size_ - 1].generation == 0)
        --size_;
    for (std::uint32_t index = 0; index < size_; ++index) {
        if (records_[index].generation > generation_) generation_ = records_[index].generation;
        meta_[index] = {.references = references[index],
                        .is_idle = false,
                        .hash = hash_contents(records_[index])};
        put_into_buckets(index);
        put_to_destination(index);
        if (references[index] == 0) append_idle(index);
    }
}

bool TranslationTable::redirect(std::uint32_t index, const xvs_translation& wanted) noexcept {
    const SharingLock lock(mutex_);
    xvs_translation redirected = records_[index];
    redirected.next_hop = wanted.next_hop;
    redirected.next_hop_generation = wanted.next_hop_generation;
    if (!has_equal_contents(redirected, wanted)) return false;
    set_way(index, redirected);
    return true;
}

void TranslationTable::set_way(std::uint32_t index, const xvs_translation& redirected) noexcept {
    erase_from_buckets(index);
    std::uint64_t word = 0;
    std::memcpy(&word, &redirected.next_hop, sizeof word);
    store_word64(&records_[index].next_hop, word);
    meta_[index].hash = hash_contents(redirected);
    put_into_buckets(index);
}

void TranslationTable::forget_tunnels(std::uint32_t destination) noexcept {
    const SharingLock lock(mutex_);
    for (std::uint32_t index = ways_[destination].first; index != XVS_NONE;
         index = meta_[index].next) {
        if ((records_[index].rewrite & XVS_ENCAPSULATE) == 0) continue;
        xvs_translation redirected = records_[index];
        redirected.next_hop = XVS_NONE;
        redirected.next_hop_generation = 0;
        set_way(index, redirected);
    }
}

void TranslationTable::release(std::uint32_t index) noexcept {
    std::uint32_t& references = meta_[index].references;
    if (mutex_.is_shared()) {
        if (add(references, ~0u) != 1) return;
    } else if (--references > 0) {
        return;
    }
    const SharingLock lock(mutex_);
    // Another worker may have acquired it meanwhile, and even released it again.
    if (load_relaxed(references) > 0 || meta_[index].is_idle) return;
    append_idle(index);
    // When room grows scarce, have a grace period pass in time.
    if (size_ - idle_ > capacity_ / 8 * 7 || size_ == capacity_) (void)grace_.request();
}

// A record never used, else the one longest without references if no program can be reading it.
std::uint32_t TranslationTable::find_room() noexcept {
    if (size_ < capacity_) return size_++;
    const std::uint32_t index = oldest_idle_;
    if (index == XVS_NONE) return XVS_NONE;
    if (!grace_.has_ended(meta_[index].idle_since)) {
        (void)grace_.request();
        return XVS_NONE;
    }
    remove_idle(index);
    erase_from_buckets(index);
    take_from_destination(index);
    return index;
}

void TranslationTable::append_idle(std::uint32_t index) noexcept {
    Meta& meta = meta_[index];
    meta.older = newest_idle_;
    meta.newer = XVS_NONE;
    meta.idle_since = grace_.next();
    meta.is_idle = true;
    (newest_idle_ == XVS_NONE ? oldest_idle_ : meta_[newest_idle_].newer) = index;
    newest_idle_ = index;
    ++idle_;
}

void TranslationTable::remove_idle(std::uint32_t index) noexcept {
    Meta& meta = meta_[index];
    meta.is_idle = false;
    (meta.older == XVS_NONE ? oldest_idle_ : meta_[meta.older].newer) = meta.newer;
    (meta.newer == XVS_NONE ? newest_idle_ : meta_[meta.newer].older) = meta.older;
    --idle_;
}

void TranslationTable::suspend(std::uint32_t destination, bool is_suspended) noexcept {
    const SharingLock lock(mutex_);
    ways_[destination].are_suspended = is_suspended;
    for (std::uint32_t index = ways_[destination].first; index != XVS_NONE;
         index = meta_[index].next) {
        __u8& rewrite = records_[index].rewrite;
        store_release(rewrite, with_suspension(rewrite, is_suspended));
    }
}

void TranslationTable::put_to_destination(std::uint32_t index) noexcept {
    std::uint32_t& first = ways_[records_[index].destination].first;
    meta_[index].next = first;
    meta_[index].previous = XVS_NONE;
    if (first != XVS_NONE) meta_[first].previous = index;
    first = index;
}

void TranslationTable::take_from_destination(std::uint32_t index) noexcept {
    const Meta& meta = meta_[index];
    if (meta.next != XVS_NONE) meta_[meta.next].previous = meta.previous;
    (meta.previous == XVS_NONE ? ways_[records_[index].destination].first
                               : meta_[meta.previous].next) = meta.next;
}

void TranslationTable::put_into_buckets(std::uint32_t index) noexcept {
    std::uint32_t at = meta_[index].hash & bucket_mask_;
    while (buckets_[at] != 0)
        at = (at + 1) & bucket_mask_;
    buckets_[at] = index + 1;
}

// Moves those behind the gap forward that may stand there, so that no look-up ends too early.
void TranslationTable::erase_from_buckets(std::uint32_t index) noexcept {
    std::uint32_t gap = meta_[index].hash & bucket_mask_;
    while (buckets_[gap] != index + 1)
        gap = (gap + 1) & bucket_mask_;
    for (std::uint32_t at = (gap + 1) & bucket_mask_; buckets_[at] != 0;
         at = (at + 1) & bucket_mask_) {
        const std::uint32_t home = meta_[buckets_[at] - 1].hash & bucket_mask_;
        if (((at - home) & bucket_mask_) < ((at - gap) & bucket_mask_)) continue;
        buckets_[gap] = buckets_[at];
        gap = at;
    }
    buckets_[gap] = 0;
}

}  // namespace xvs::flow
