#include "cli/line_reader.h"

#include <sstream>
#include <streambuf>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Gives its pieces one after the other, as a terminal or a pipe does.
class Pieces : public std::streambuf {
public:
    explicit Pieces(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}

protected:
    int_type underflow() override {
        if (next_ == pieces_.size()) return traits_type::eof();
        std::string& piece = pieces_[next_++];
        setg(piece.data(), piece.data(), piece.data() + piece.size());
        return traits_type::to_int_type(piece.front());
    }

private:
    std::vector<std::string> pieces_;
    std::size_t next_ = 0;
};

std::vector<std::string> all_lines(
    std::istream& in, std::function<void()> before_waiting = [] {}) {
    LineReader reader(in, std::move(before_waiting));
    std::vector<std::string> lines;
    while (const auto line = reader.next())
        lines.emplace_back(*line);
    return lines;
}

TEST(LineReader, KnowsALineByItsEndAndTheLastOneWithoutIt) {
    std::istringstream in("one\n\n three \nfour");
    EXPECT_THAT(all_lines(in), ElementsAre("one", "", " three ", "four"));
    std::istringstream ended("one\n");
    EXPECT_THAT(all_lines(ended), ElementsAre("one"));
    std::istringstream empty;
    EXPECT_THAT(all_lines(empty), IsEmpty());
}

TEST(LineReader, JoinsTheLineThatComesInPieces) {
    Pieces pieces({"o", "ne\ntw", "o\n", "three"});
    std::istream in(&pieces);
    EXPECT_THAT(all_lines(in), ElementsAre("one", "two", "three"));
}

TEST(LineReader, SaysSoBeforeItWaitsAndNotWhileLinesAreAtHand) {
    Pieces pieces({"one\ntwo\n", "three\n"});
    std::istream in(&pieces);
    std::vector<std::string> events;
    LineReader reader(in, [&events] { events.emplace_back("waits"); });
    while (const auto line = reader.next())
        events.emplace_back(*line);
    EXPECT_THAT(events, ElementsAre("waits", "one", "two", "waits", "three", "waits"));
}

}  // namespace
}  // namespace xvs::cli
