#include "lab/sha256.h"

#include <string_view>

#include <gtest/gtest.h>

namespace xvs::lab {
namespace {

std::string digest(std::string_view text, std::size_t piece = 1000) {
    Sha256 sha;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        const auto part = text.substr(at, piece);
        sha.update(std::as_bytes(std::span(part.data(), part.size())));
    }
    return sha.finish();
}

// FIPS 180-4's own examples.
TEST(Sha256, GivesThePublishedDigests) {
    EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(digest(std::string(1000000, 'a')),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotCareInWhichPiecesTheBytesCome) {
    const std::string text(1000, 'x');
    for (const std::size_t piece : {1U, 3U, 63U, 64U, 65U, 128U})
        EXPECT_EQ(digest(text, piece), digest(text)) << piece;
}

}  // namespace
}  // namespace xvs::lab
