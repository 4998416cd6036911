// Ten thousand netlink messages, valid, half-valid and hostile, from several clients at once: xvsd
// answers each as it should, has what the valid ones made, and needs no more memory than before.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <poll.h>

#include "control/netlink/client.h"
#include "control/netlink/request_handler.h"
#include "control/netlink/socket.h"
#include "control/state_text.h"
#include "testing/fake_service_manager.h"
#include "testing/netlink_requests.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

namespace netlink = control::netlink;
using netlink::Buffer;
using netlink::Bytes;
using netlink::MessageView;

constexpr std::uint8_t kClients = 5;
constexpr std::uint32_t kMessagesEach = 1000;  // in each of two halves
constexpr std::uint32_t kLastQuestion = 0x80000000;
constexpr std::uint8_t kFirstOwner = 16;

// What the kernel's IPVS would have, but for remote checksums of GUE, which XVS refuses.
class Expected final : public testing::FakeServiceManager {
public:
    Status add_destination(const model::ServiceKey& key,
                           const model::Destination& wanted) override {
        if (const Status known = check(key, wanted); !known) return known;
        return FakeServiceManager::add_destination(key, wanted);
    }

    Status edit_destination(const model::ServiceKey& key,
                            const model::Destination& wanted) override {
        if (const Status known = check(key, wanted); !known) return known;
        return FakeServiceManager::edit_destination(key, wanted);
    }

private:
    static Status check(const model::ServiceKey& key, const model::Destination& wanted) {
        if (const Status valid = model::check_destination(key.family(), wanted); !valid)
            return valid;
        const bool is_tunnel = wanted.method == model::ForwardingMethod::Tunnel;
        const bool is_ipip = wanted.tunnel.type == model::TunnelType::Ipip;
        if (is_tunnel && !is_ipip && wanted.tunnel.flags > model::kTunnelChecksum)
            return fail(ErrorCode::NotSupported);
        return {};
    }
};

std::multiset<std::string> lines_of(const model::VirtualService& service,
                                    const std::vector<control::DestinationStatus>& servers) {
    std::multiset<std::string> lines{control::to_text(service)};
    for (const control::DestinationStatus& each : servers)
        lines.insert(control::to_text(service.key, each.destination));
    return lines;
}

// One that says what it likes to the daemon, and the same to what it takes for the truth.
class Talker {
public:
    Talker(netlink::Socket socket, std::uint8_t owner)
        : socket_(std::move(socket)), random_(owner), requests_([this] { return byte(); }, owner) {}

    void talk() {
        for (std::uint32_t i = 0; i < kMessagesEach && problem_.empty(); ++i) {
            const Buffer datagram = next_datagram();
            if (!send(datagram)) continue;
            const Answers answers = answers_of_daemon();
            const Answers wanted = expected_answers(datagram);
            if (answers != wanted)
                problem_ += "answered " + to_text(answers) + " instead of " + to_text(wanted) +
                            " to " + to_text(datagram);
            if (i % 200 == 0) misbehave();
        }
    }

    [[nodiscard]] const std::string& problem() const { return problem_; }

    [[nodiscard]] std::multiset<std::string> expected() const {
        std::multiset<std::string> all;
        for (const control::ServiceStatus& each : services_.services())
            all.merge(lines_of(each.service, services_.destinations(each.service.key)));
        return all;
    }

private:
    using Answers = std::vector<std::pair<std::uint32_t, std::int32_t>>;  // sequence, -errno

    static std::string to_text(const Answers& answers) {
        std::string text;
        for (const auto& [sequence, error] : answers)
            text += "[" + std::to_string(sequence) + "]: " + std::to_string(error) + " ";
        return text;
    }

    static std::string to_text(Bytes bytes) {
        std::string text;
        for (const std::byte each : bytes)
            text += fmt::format("{:02x}", static_cast<unsigned>(each));
        return text;
    }

    unsigned byte() { return static_cast<unsigned>(random_() & 0xff); }

    Buffer next_datagram() {
        Buffer datagram;
        for (unsigned i = byte() % 3; i < 3;) {
            const Buffer message = requests_.next(++sequence_);
            if (!requests_.concerns_owner_alone(message)) continue;
            datagram.insert(datagram.end(), message.begin(), message.end());
            ++i;
            // Behind a damaged length anything may follow.
            const auto header = netlink::MessageHeader::load(message);
            if (!header || header->length != message.size()) break;
        }
        return datagram;
    }

    [[nodiscard]] bool send(const Buffer& datagram) {
        if (datagram.empty()) return false;
        const int error = socket_.send(netlink::kPortId, datagram);
        if (error != 0) problem_ = std::string("cannot send: ") + std::strerror(error);
        return error == 0;
    }

    // Those that end requests, up to the answer to a question that is asked last.
    Answers answers_of_daemon() {
        Buffer question;
        netlink::MessageWriter writer(question);
        writer.begin({.length = 0,
                      .type = netlink::kFamilyId,
                      .flags = netlink::message::kFlagRequest | netlink::message::kFlagAck,
                      .sequence = kLastQuestion,
                      .port = 0});
        writer.put_generic_header(static_cast<std::uint8_t>(netlink::Command::GetInfo), 1);
        writer.end();
        Answers answers;
        if (!send(question)) return answers;
        while (true) {
            pollfd descriptor{.fd = socket_.fd(), .events = POLLIN, .revents = 0};
            if (::poll(&descriptor, 1, 10000) <= 0) {
                problem_ = "no answer within ten seconds";
                return answers;
            }
            const auto received = socket_.receive(storage_);
            if (received.error == EAGAIN) continue;
            if (take(received.datagram, answers)) return answers;
        }
    }

    // Returns whether the last question's is among them.
    static bool take(Bytes datagram, Answers& answers) {
        while (const auto message = MessageView::take(datagram)) {
            if (message->header.type != netlink::message::kError) continue;
            if (message->header.sequence == kLastQuestion) return true;
            std::int32_t error = 0;
            std::memcpy(&error, message->body.data(), sizeof error);
            answers.emplace_back(message->header.sequence, error);
        }
        return false;
    }

    Answers expected_answers(Bytes datagram) {
        Answers answers;
        while (const auto message = MessageView::take(datagram)) {
            const netlink::Answer answer = handler_.handle(*message, socket_.port());
            for (const Buffer& each : answer.datagrams)
                (void)take(each, answers);
        }
        return answers;
    }

    // One that asks for all and leaves, one that never listens, and more than fits.
    void misbehave() {
        Buffer listing;
        netlink::MessageWriter writer(listing);
        writer.begin({.length = 0,
                      .type = netlink::kFamilyId,
                      .flags = netlink::message::kFlagRequest | netlink::message::kFlagDump,
                      .sequence = 1,
                      .port = 0});
        writer.put_generic_header(static_cast<std::uint8_t>(netlink::Command::GetService), 1);
        writer.end();
        {
            const auto hurried = netlink::Socket::open(0);
            if (hurried) (void)hurried->send(netlink::kPortId, listing);
        }
        if (!deaf_) {
            auto socket = netlink::Socket::open(0);
            if (!socket) return;
            deaf_.emplace(*std::move(socket));
        }
        for (int i = 0; i < 100; ++i)
            (void)deaf_->send(netlink::kPortId, listing);
        const Buffer endless(netlink::Socket::kMaxReceived + 4096, std::byte{0x41});
        (void)deaf_->send(netlink::kPortId, endless);
    }

    netlink::Socket socket_;
    std::mt19937 random_;
    test::NetlinkRequests requests_;
    Expected services_;
    control::SyncDaemons daemons_{[](const std::string&) {
        return std::optional<unsigned>(1500);
    }};
    netlink::RequestHandler handler_{services_, daemons_};
    std::uint32_t sequence_ = 0;
    Buffer storage_;
    std::optional<netlink::Socket> deaf_;
    std::string problem_;
};

class NetlinkFlood : public Xvsd {
protected:
    void connect() {
        const NetworkNamespace::Scope scope(*host_);
        for (std::uint8_t i = 0; i < kClients; ++i) {
            auto socket = netlink::Socket::open(0);
            ASSERT_TRUE(socket) << socket.error().context;
            talkers_.push_back(std::make_unique<Talker>(
                *std::move(socket), static_cast<std::uint8_t>(kFirstOwner + i)));
        }
    }

    void talk_all_at_once() {
        std::vector<std::thread> threads;
        threads.reserve(talkers_.size());
        for (const auto& each : talkers_)
            threads.emplace_back([this, &each] {
                const NetworkNamespace::Scope scope(*host_);
                each->talk();
            });
        for (std::thread& each : threads)
            each.join();
        for (const auto& each : talkers_)
            EXPECT_EQ(each->problem(), "");
    }

    // What the daemon says it has.
    std::multiset<std::string> listed() {
        const NetworkNamespace::Scope scope(*host_);
        std::multiset<std::string> all;
        auto client = netlink::Client::connect();
        EXPECT_TRUE(client) << client.error().context;
        const auto services = client->services();
        EXPECT_TRUE(services) << services.error().context;
        for (const control::ServiceStatus& each : *services) {
            const auto servers = client->destinations(each.service.key);
            EXPECT_TRUE(servers) << servers.error().context;
            all.merge(lines_of(each.service, *servers));
        }
        return all;
    }

    std::multiset<std::string> expected() const {
        std::multiset<std::string> all;
        for (const auto& each : talkers_)
            all.merge(each->expected());
        return all;
    }

    // Of the daemon's own memory, in KiB.
    unsigned long resident() const {
        std::ifstream file("/proc/" + std::to_string(daemon_.pid()) + "/status");
        std::string word;
        while (file >> word) {
            unsigned long value = 0;
            if (word == "RssAnon:" && file >> value) return value;
        }
        return 0;
    }

    std::vector<std::unique_ptr<Talker>> talkers_;
};

TEST_F(NetlinkFlood, LeavesADaemonThatAnswersAndHasWhatTheValidOnesMade) {
    // Of the heap's gaps and of answers that wait for those who do not listen: 2.4 KiB a message.
    constexpr unsigned long kSlackKib = 12 * 1024;
    start();
    connect();
    talk_all_at_once();
    const unsigned long before = resident();
    ASSERT_GT(before, 0U);
    talk_all_at_once();
    EXPECT_TRUE(daemon_.is_running());
    EXPECT_LE(resident(), before + kSlackKib);
    EXPECT_FALSE(expected().empty());
    EXPECT_EQ(listed(), expected());
}

}  // namespace
}  // namespace xvs::lab
