// Streams of replies, cut and sent again at random: the client gets each byte once, in order, with
// the VIP in the place of the real server's address; the real server is told of its own bytes.
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random_test.h"
#include "engine/assist/stream_edits.h"
#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Director;
using test::Packet;

constexpr auto kVip = "203.0.113.200:21"_ep;
constexpr auto kReal = "10.0.0.11:21"_ep;
constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr std::uint32_t kFirstOfServer = 0xffffffe0;  // it wraps

class Talk {
public:
    explicit Talk(std::uint64_t seed) : random_(seed) {
        (void)director_.receives(Packet::tcp(kClient, kVip).flags("S").seq(1000));
        (void)director_.hears(
            Packet::tcp(kReal, kClient).flags("S.").seq(kFirstOfServer - 1).ack(1001));
        (void)director_.receives(
            Packet::tcp(kClient, kVip).flags(".").seq(1001).ack(kFirstOfServer));
    }

    // The client asks, the real server answers in pieces.
    void exchange(const std::string& command, const std::string& reply) {
        for (std::size_t at = 0; at < command.size();) {
            const std::size_t size = 1 + random_.below(4);
            const std::string piece = command.substr(at, size);
            (void)director_.receives(from_client().flags("P.").payload(piece));
            client_next_ += static_cast<std::uint32_t>(piece.size());
            at += piece.size();
        }
        said_ += reply;
        for (unsigned rounds = 0; acknowledged_ < said_.size(); ++rounds) {
            ASSERT_LT(rounds, 10000U) << "the real server waits for ever";
            step();
        }
    }

    [[nodiscard]] const std::string& heard() const { return heard_; }

    [[nodiscard]] Director& director() { return director_; }

private:
    // Any piece of what was said and not acknowledged yet, or the acknowledgement; some get lost.
    void step() {
        const auto behind = static_cast<std::uint32_t>(said_.size() - acknowledged_);
        const std::size_t at = acknowledged_ + random_.below(std::min(behind, 24U));
        const std::string piece = said_.substr(at, 1 + random_.below(24));
        const Packet segment = Packet::tcp(kReal, kClient)
                                   .flags("P.")
                                   .seq(kFirstOfServer + static_cast<std::uint32_t>(at))
                                   .ack(client_next_)
                                   .payload(piece);
        for (const auto& sent : director_.hears(segment)) {
            if (random_.below(8) != 0) deliver(*Packet::decode(sent.packet));
        }
    }

    // The client's TCP.
    void deliver(const Packet& packet) {
        const auto& tcp = std::get<test::TcpFields>(packet.transport);
        std::string text;
        for (const std::byte byte : packet.data)
            text += static_cast<char>(byte);
        const std::int32_t ahead = sequence_distance(next(), tcp.sequence);
        if (ahead > 0) early_[tcp.sequence] = text;
        if (ahead <= 0) take(tcp.sequence, text);
        for (auto it = early_.begin(); it != early_.end();) {
            take(it->first, it->second);
            it = sequence_distance(next(), it->first) <= 0 ? early_.erase(it) : std::next(it);
        }
        if (random_.below(4) != 0) acknowledge();
    }

    void take(std::uint32_t sequence, const std::string& text) {
        const std::int32_t known = sequence_distance(sequence, next());
        if (known < 0) return;
        const auto had = static_cast<std::size_t>(known);
        const std::size_t again = std::min(had, text.size());
        EXPECT_LE(had, heard_.size() + 1) << "it asks for what comes before the beginning";
        if (had <= heard_.size()) {
            EXPECT_EQ(text.substr(0, again), heard_.substr(heard_.size() - had, again));
        }
        if (had < text.size()) heard_ += text.substr(had);
    }

    void acknowledge() {
        for (const auto& sent : director_.receives(from_client().flags("."))) {
            const auto packet = *Packet::decode(sent.packet);
            const auto& tcp = std::get<test::TcpFields>(packet.transport);
            const std::uint32_t bytes = tcp.acknowledgement - kFirstOfServer;
            ASSERT_LE(bytes, said_.size()) << "of what was never said";
            acknowledged_ = std::max<std::size_t>(acknowledged_, bytes);
        }
    }

    [[nodiscard]] std::uint32_t next() const {
        return kFirstOfServer + static_cast<std::uint32_t>(heard_.size());
    }

    [[nodiscard]] Packet from_client() const {
        return Packet::tcp(kClient, kVip).seq(client_next_).ack(next());
    }

    Random random_;
    Director director_{
        "-A -t 203.0.113.200:21 -s rr\n"
        "-a -t 203.0.113.200:21 -r 10.0.0.11:21 -m"};
    std::uint32_t client_next_ = 1001;
    std::string said_;
    std::string heard_;
    std::size_t acknowledged_ = 0;
    std::map<std::uint32_t, std::string> early_;
};

TEST(FtpStream, IsWholeHoweverItIsCutAndSentAgain) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE(seed);
        Talk talk(seed);
        talk.exchange("USER anonymous\r\n", "230 Login successful.\r\n");
        talk.exchange("PASV\r\n", "227 Entering Passive Mode (10,0,0,11,117,49).\r\n");
        talk.exchange("EPSV\r\n", "229 Entering Extended Passive Mode (|1|10.0.0.11|30002|)\r\n");
        talk.exchange("PASV\r\n", "500 What?\r\n227 Ok (10,0,0,12,117,49)\r\n");
        talk.exchange("NOOP\r\n", "227 =10,0,0,11,117,51\r\n");
        talk.exchange("QUIT\r\n", "221 Goodbye.\r\n");
        EXPECT_EQ(talk.heard(),
                  "230 Login successful.\r\n"
                  "227 Entering Passive Mode (203,0,113,200,117,49).\r\n"
                  "229 Entering Extended Passive Mode (|||30002|)\r\n"
                  "500 What?\r\n227 Ok (10,0,0,12,117,49)\r\n"
                  "227 =203,0,113,200,117,51\r\n"
                  "221 Goodbye.\r\n");
        EXPECT_THAT(talk.director().connections(), ::testing::SizeIs(4));
        EXPECT_EQ(talk.director().inconsistencies(), "");
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace xvs::engine
