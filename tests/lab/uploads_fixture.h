// Uploads: a host with one network, through which whole files are sent; and what xvsd counts.
#pragma once

#include <csignal>
#include <cstdint>

#include "lab/sha256.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {

inline constexpr std::size_t kTransfer = 20'000'000;

// Bytes that no compression of the test's own mistakes for right.
inline std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (char& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<char>(state >> 24);
    }
    return bytes;
}

inline std::string sha256_of(std::string_view bytes) {
    Sha256 sha;
    sha.update(std::as_bytes(std::span(bytes.data(), bytes.size())));
    return sha.finish();
}

class Uploads : public Xvsd {
protected:
    void SetUp() override {
        Xvsd::SetUp();
        upload_ = log_.string() + ".up";
    }

    void TearDown() override {
        std::filesystem::remove(upload_);
        Xvsd::TearDown();
    }

    // Sends 20 MB from the peer; the server says the sum of what came.
    void expect_upload(const NetworkNamespace& from, const std::string& url) {
        const std::string body = noise(kTransfer);
        std::ofstream(upload_, std::ios::binary) << body;
        RunOptions patience;
        patience.time_limit = std::chrono::seconds(60);
        const auto said =
            from.run_checked({"curl", "-sS", "-m", "50", "-T", upload_, url}, patience);
        ASSERT_TRUE(said) << said.error().context;
        EXPECT_THAT(*said, testing::HasSubstr(sha256_of(body)));
    }

    // A number that xvsd says of what has become of packets.
    std::uint64_t counter(const std::string& name) {
        const std::size_t before = log().size();
        EXPECT_TRUE(daemon_.signal(SIGUSR1));
        std::uint64_t value = 0;
        EXPECT_TRUE(comes_true([&] {
            const std::string text = log().substr(before);
            const auto at = text.find(" " + name + "=");
            if (at == std::string::npos || text.find('\n', at) == std::string::npos) return false;
            value = std::stoull(text.substr(at + name.size() + 2));
            return true;
        }));
        return value;
    }

    std::filesystem::path upload_;
};

}  // namespace xvs::lab
