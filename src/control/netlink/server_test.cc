#include "control/netlink/server.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "control/netlink/client.h"
#include "testing/fake_service_manager.h"

namespace xvs::control::netlink {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using namespace std::chrono_literals;

model::VirtualService service_on(std::uint16_t port) {
    model::VirtualService service;
    service.key.address = *net::IpAddress::parse("192.0.2.1");
    service.key.port = net::Port{port};
    return service;
}

// Serves on a port of this process's own, so that tests may run beside each other and an xvsd.
class ServerTest : public ::testing::Test {
protected:
    void SetUp() override {
        port_ = 0xff000000U | static_cast<std::uint32_t>(::getpid());
        auto server = Server::open(handler_, clock_, port_);
        ASSERT_TRUE(server) << server.error().context;
        server_ = *std::move(server);
        // Sending to another program's netlink port takes CAP_NET_ADMIN.
        if (socket_->send(port_, {}) == EPERM) GTEST_SKIP() << "needs CAP_NET_ADMIN";
    }

    void TearDown() override { stop(); }

    void run() {
        running_ = true;
        thread_ = std::thread([this] {
            while (running_) {
                pollfd descriptor{.fd = server_->fd(), .events = POLLIN, .revents = 0};
                ::poll(&descriptor, 1, server_->next_deadline() ? 1 : 10);
                server_->on_readable();
                server_->on_timer();
            }
        });
    }

    void stop() {
        running_ = false;
        if (thread_.joinable()) thread_.join();
    }

    Client client(std::chrono::milliseconds patience = 5s) {
        auto connected = Client::connect(port_, patience);
        EXPECT_TRUE(connected) << connected.error().context;
        return *std::move(connected);
    }

    static Buffer request(Command command, std::uint16_t flags) {
        Buffer datagram;
        MessageWriter writer(datagram);
        writer.begin({.length = 0, .type = kFamilyId, .flags = flags, .sequence = 1, .port = 0});
        writer.put_generic_header(static_cast<std::uint8_t>(command), 1);
        writer.end();
        return datagram;
    }

    MonotonicClock clock_;
    testing::FakeServiceManager services_;
    SyncDaemons daemons_;
    RequestHandler handler_{services_, daemons_};
    std::unique_ptr<Server> server_;
    std::uint32_t port_ = 0;
    Result<Socket> socket_ = Socket::open(0);
    std::atomic<bool> running_ = false;
    std::thread thread_;
};

TEST_F(ServerTest, ServesAClientFromTheFirstServiceToTheLast) {
    run();
    Client admin = client();
    services_.capacity = 65536;
    EXPECT_EQ(admin.info()->table_size, 65536U);
    ASSERT_TRUE(admin.add_service(service_on(80)));
    model::Destination real;
    real.real = *net::Endpoint::parse("[2001:db8::11]:80");
    real.method = model::ForwardingMethod::Tunnel;
    real.tunnel = {.type = model::TunnelType::Gue, .port = net::Port{6080}, .flags = 1};
    real.upper_threshold = 9;
    ASSERT_TRUE(admin.add_destination(service_on(80).key, real));
    EXPECT_EQ(admin.destinations(service_on(80).key)->at(0).destination, real);
    EXPECT_THAT(*admin.services(), SizeIs(1));
    ASSERT_TRUE(admin.flush());
    EXPECT_THAT(*admin.services(), SizeIs(0));
    EXPECT_EQ(admin.remove_service(service_on(80).key).error().code, ErrorCode::NoSuchService);
}

// Asked for many at a time: each answer has to find its service; some have no real server, one
// takes many datagrams, one service is gone.
TEST_F(ServerTest, ListsTheRealServersOfEachOfManyServices) {
    constexpr std::uint16_t kServices = 300;
    const auto servers_of = [](std::size_t index) {
        return index == 150 ? 2000 : index % 4;
    };
    std::vector<model::ServiceKey> keys;
    for (std::uint16_t i = 0; i < kServices; ++i) {
        keys.push_back(service_on(static_cast<std::uint16_t>(i + 1)).key);
        ASSERT_TRUE(services_.add_service(service_on(static_cast<std::uint16_t>(i + 1))));
        model::Destination real;
        for (std::uint32_t j = 0; j < servers_of(i); ++j) {
            real.real.address = net::Ipv4Address((std::uint32_t{i} << 16) + j);
            ASSERT_TRUE(services_.add_destination(keys.back(), real));
        }
    }
    ASSERT_TRUE(services_.remove_service(keys[7]));
    run();
    Client admin = client();
    std::size_t visited = 0;
    const auto check = [&](std::size_t index, const std::vector<DestinationStatus>& found) {
        EXPECT_EQ(index, visited++);
        ASSERT_THAT(found, SizeIs(index == 7 ? 0 : servers_of(index)));
        for (std::size_t j = 0; j < found.size(); ++j) {
            // The last one added comes first.
            const auto number = static_cast<std::uint32_t>((index << 16) + found.size() - 1 - j);
            const net::Ipv4Address wanted(number);
            EXPECT_EQ(found[j].destination.real.address, net::IpAddress(wanted));
        }
    };
    ASSERT_TRUE(admin.destinations_of_each(keys, check));
    EXPECT_EQ(visited, std::size_t{kServices});
}

TEST_F(ServerTest, ListsThousandsOfServicesAndTheirStatistics) {
    for (std::uint16_t port = 1; port <= 5000; ++port)
        ASSERT_TRUE(services_.add_service(service_on(port)));
    services_.statistics(service_on(4999).key) = {.counters = {.connections = 1ULL << 40,
                                                               .packets_in = 2,
                                                               .packets_out = 3,
                                                               .bytes_in = 4,
                                                               .bytes_out = 5},
                                                  .rates = {.connections = 6,
                                                            .packets_in = 7,
                                                            .packets_out = 8,
                                                            .bytes_in = 9,
                                                            .bytes_out = 1ULL << 33}};
    run();
    const auto listed = client().services();
    ASSERT_THAT(*listed, SizeIs(5000));
    EXPECT_EQ((*listed)[4998].statistics.counters.connections, 1ULL << 40);
    EXPECT_EQ((*listed)[4998].statistics.rates.bytes_out, 1ULL << 33);
}

TEST_F(ServerTest, ListsConnectionsAsTheyAre) {
    model::ConnectionInfo connection;
    connection.client = *net::Endpoint::parse("198.51.100.7:40001");
    connection.virtual_endpoint = *net::Endpoint::parse("192.0.2.1:80");
    connection.real = *net::Endpoint::parse("[2001:db8::11]:80");
    connection.state = 1;
    connection.expires_in_s = 899;
    connection.persistence_engine = "sip";
    connection.persistence_data = "call-id";
    services_.connections.assign(1000, connection);
    run();
    std::size_t count = 0;
    ASSERT_TRUE(client().for_each_connection([&](const model::ConnectionInfo& listed) {
        ++count;
        EXPECT_EQ(listed.client, connection.client);
        EXPECT_EQ(listed.virtual_endpoint, connection.virtual_endpoint);
        EXPECT_EQ(listed.real, connection.real);
        EXPECT_EQ(listed.expires_in_s, 899U);
        EXPECT_EQ(listed.persistence_data, "call-id");
    }));
    EXPECT_EQ(count, 1000U);
}

TEST_F(ServerTest, TellsAClientWhoseRequestIsTooLong) {
    run();
    Buffer long_request = request(Command::NewService, 1);
    MessageWriter writer(long_request);
    writer.begin({.length = 0, .type = kFamilyId, .flags = 1, .sequence = 7, .port = 0});
    writer.put_raw(Buffer(Socket::kMaxReceived));
    writer.end();
    ASSERT_EQ(socket_->send(port_, long_request), 0);
    pollfd answered{.fd = socket_->fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&answered, 1, 5000), 1);
    Buffer storage;
    Bytes rest = socket_->receive(storage).datagram;
    const auto answer = MessageView::take(rest);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.type, message::kError);
    EXPECT_EQ(answer->header.sequence, 1U);
    std::int32_t error = 0;
    std::memcpy(&error, answer->body.data(), sizeof error);
    EXPECT_EQ(error, -EMSGSIZE);
    EXPECT_TRUE(services_.configured_services().empty());
}

// Each datagram wakes the client, which costs more than a short listing.
TEST_F(ServerTest, AnswersInOneDatagramWhatCameTogetherInOne) {
    for (std::uint16_t port = 1; port <= 30; ++port)
        ASSERT_TRUE(services_.add_service(service_on(port)));
    constexpr std::uint32_t kRequests = 4;
    Buffer together;
    for (std::uint32_t i = 0; i < kRequests; ++i) {
        const Buffer one = request(Command::GetService, 0x305);
        together.insert(together.end(), one.begin(), one.end());
    }
    ASSERT_EQ(socket_->send(port_, together), 0);
    server_->on_readable();
    const auto count_datagrams = [this](std::size_t& ends) {
        std::size_t datagrams = 0;
        Buffer storage;
        ends = 0;
        for (auto got = socket_->receive(storage); got.error == 0; ++datagrams) {
            for (Bytes rest = got.datagram; const auto message = MessageView::take(rest);)
                ends += static_cast<std::size_t>(message->header.type == message::kDone);
            got = socket_->receive(storage);
        }
        return datagrams;
    };
    std::size_t ends = 0;
    EXPECT_EQ(count_datagrams(ends), 2U) << "45 KB";
    EXPECT_EQ(ends, kRequests);
    // A client that asks for one listing at a time is sent no more than its page at a time.
    ASSERT_EQ(socket_->send(port_, request(Command::GetService, 0x305)), 0);
    server_->on_readable();
    EXPECT_EQ(count_datagrams(ends), 3U);
    EXPECT_EQ(ends, 1U);
}

TEST_F(ServerTest, NamesTheProcessThatHasThePort) {
    const auto second = Server::open(handler_, clock_, port_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::InUse);
    EXPECT_THAT(second.error().context, HasSubstr("pid " + std::to_string(::getpid()) + " ("));
}

TEST_F(ServerTest, TellsAClientThatNobodyServes) {
    const auto nobody = Client::connect(port_ - 1);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, ErrorCode::NotAvailable);
}

TEST_F(ServerTest, LetsAClientGiveUpOnAServerThatDoesNotAnswer) {
    const auto mute = Client::connect(port_, 300ms);
    ASSERT_FALSE(mute);
    EXPECT_EQ(mute.error().code, ErrorCode::TimedOut);
    EXPECT_THAT(mute.error().context, HasSubstr("pid " + std::to_string(::getpid())));
}

TEST_F(ServerTest, LetsAClientNoticeAServerThatDied) {
    std::thread killer([this] {
        std::this_thread::sleep_for(100ms);
        server_.reset();
    });
    const auto orphan = Client::connect(port_, 60s);
    killer.join();
    ASSERT_FALSE(orphan);
    EXPECT_EQ(orphan.error().code, ErrorCode::NotAvailable) << "it waited until its time was up";
}

class StallingClient : public ServerTest {
protected:
    VirtualClock virtual_clock_;
};

TEST_F(StallingClient, LosesItsListingAfterFiveSecondsAndHoldsNobodyUp) {
    server_.reset();
    server_ = *Server::open(handler_, virtual_clock_, port_);
    for (std::uint16_t port = 1; port <= 20000; ++port)
        ASSERT_TRUE(services_.add_service(service_on(port)));
    ASSERT_EQ(socket_->send(port_, request(Command::GetService, 0x305)), 0);
    server_->on_readable();
    // The first lots go to the client's buffer until it is full.
    for (int i = 0; i < 100 && server_->next_deadline(); ++i) {
        virtual_clock_.advance(Server::kLastRetry);
        server_->on_timer();
    }
    ASSERT_TRUE(server_->next_deadline());
    // Another client is answered at once.
    const auto other = Socket::open(0);
    ASSERT_EQ(other->send(port_, request(Command::Flush, 0x5)), 0);
    server_->on_readable();
    Buffer storage;
    EXPECT_EQ(other->receive(storage).error, 0);
    virtual_clock_.advance(Server::kStallLimit);
    server_->on_timer();
    EXPECT_FALSE(server_->next_deadline());
}

TEST_F(ServerTest, ForgetsAClientThatLeftInTheMiddleOfItsListing) {
    for (std::uint16_t port = 1; port <= 20000; ++port)
        ASSERT_TRUE(services_.add_service(service_on(port)));
    ASSERT_EQ(socket_->send(port_, request(Command::GetService, 0x305)), 0);
    server_->on_readable();
    ASSERT_TRUE(server_->next_deadline());
    socket_ = Socket::open(0);
    std::this_thread::sleep_for(Server::kLastRetry);
    server_->on_timer();
    EXPECT_FALSE(server_->next_deadline());
}

TEST_F(ServerTest, DropsAClientThatAsksWithoutListening) {
    for (std::uint16_t port = 1; port <= 20000; ++port)
        ASSERT_TRUE(services_.add_service(service_on(port)));
    for (std::size_t i = 0; i <= Server::kMaxWaitingAnswers; ++i) {
        ASSERT_EQ(socket_->send(port_, request(Command::GetService, 0x305)), 0);
        server_->on_readable();
    }
    EXPECT_FALSE(server_->next_deadline());
}

}  // namespace
}  // namespace xvs::control::netlink
