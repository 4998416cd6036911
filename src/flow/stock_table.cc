#include "flow/stock_table.h"

#include <bit>

namespace xvs::flow {
namespace {

constexpr std::uint64_t make_word(std::uint32_t epoch, std::uint32_t number) noexcept {
    return std::uint64_t{epoch} << 32 | number;
}

constexpr std::uint32_t epoch_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 32);
}

constexpr std::uint32_t number_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word);
}

bool swap_word_if(__u64& word, std::uint64_t expected, std::uint64_t wanted) noexcept {
    __u64 value = expected;
    return std::atomic_ref<__u64>(word).compare_exchange_strong(
        value, wanted, std::memory_order_seq_cst);
}

}  // namespace

StockTable::StockTable(std::span<xvs_stock> stocks,
                       std::span<xvs_decision> decisions,
                       std::span<xvs_places> places,
                       GracePeriod& grace) noexcept
    : stocks_(stocks),
      decisions_(decisions),
      places_(places),
      count_(static_cast<std::uint32_t>(stocks.size() / (1 + XVS_SHARES))),
      grace_(grace) {}

std::uint32_t StockTable::allocate() {
    std::uint32_t stock = fresh_;
    if (fresh_ < count_) {
        ++fresh_;
    } else if (!free_.empty() && grace_.has_ended(free_.front().period)) {
        stock = free_.front().stock;
        free_.pop_front();
    } else {
        return XVS_NONE;
    }
    // What an earlier daemon left in it is void.
    (void)begin_epoch(stock);
    for (std::uint32_t number = 0; number < XVS_SHARES; ++number)
        (void)begin_epoch(share(stock, number));
    make_whole(stock);
    return stock;
}

void StockTable::set_ring(std::uint32_t stock, std::uint32_t first, std::uint32_t size) noexcept {
    store_release(stocks_[stock].first, first);
    store_release(stocks_[stock].size, size);
}

// A program that reads this beside an epoch that has ended draws nothing.
void StockTable::make_whole(std::uint32_t stock) noexcept {
    set_ring(stock, stock * XVS_STOCK_SIZE, XVS_STOCK_SIZE);
    store_release(stocks_[stock].kind, XVS_STOCK_IN_TURN);
}

std::uint32_t StockTable::part(std::uint32_t stock, std::uint32_t count) noexcept {
    const std::uint32_t size = XVS_STOCK_SIZE / std::bit_ceil(count);
    for (std::uint32_t number = 0; number < count; ++number)
        set_ring(share(stock, number), stock * XVS_STOCK_SIZE + number * size, size);
    return size;
}

void StockTable::open_shares(std::uint32_t stock, std::uint32_t kind) noexcept {
    xvs_stock& record = stocks_[stock];
    store_release(record.kind, kind);
    store_release(record.stocked, __u64{make_word(epoch_of(record.stocked), 1)});
}

void StockTable::free(std::uint32_t stock) {
    free_.push_back({stock, grace_.request()});
}

std::uint32_t StockTable::left(std::uint32_t stock) const noexcept {
    const std::uint64_t drawn = load_acquire(stocks_[stock].drawn);
    return number_of(load_relaxed(stocks_[stock].stocked)) - number_of(drawn);
}

std::uint32_t StockTable::drawn(std::uint32_t stock) const noexcept {
    return number_of(load_acquire(stocks_[stock].drawn));
}

void StockTable::put(std::uint32_t stock, const xvs_decision& decision) noexcept {
    xvs_stock& record = stocks_[stock];
    const std::uint64_t stocked = record.stocked;
    decisions_[record.first + number_of(stocked) % record.size] = decision;
    store_release(record.stocked, __u64{make_word(epoch_of(stocked), number_of(stocked) + 1)});
}

std::optional<StockTable::Drawn> StockTable::draw(std::uint32_t stock) noexcept {
    xvs_stock& record = stocks_[stock];
    while (true) {
        const std::uint64_t drawn = load_acquire(record.drawn);
        const std::uint32_t number = number_of(drawn);
        if (number == number_of(record.stocked)) return std::nullopt;
        const xvs_decision decision = at(stock, number);
        if (swap_word_if(record.drawn, drawn, drawn + 1)) return Drawn{number, decision};
    }
}

StockTable::Epoch StockTable::begin_epoch(std::uint32_t stock) noexcept {
    xvs_stock& record = stocks_[stock];
    const std::uint32_t epoch = epoch_of(load_acquire(record.drawn)) + 1;
    const std::uint64_t former = std::atomic_ref<__u64>(record.drawn)
                                     .exchange(make_word(epoch, 0), std::memory_order_seq_cst);
    const Epoch ended{.drawn = number_of(former), .stocked = number_of(record.stocked)};
    store_release(record.stocked, __u64{make_word(epoch, 0)});
    return ended;
}

}  // namespace xvs::flow
