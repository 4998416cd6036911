#include "control/state_file.h"

#include <chrono>
#include <ctime>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "control/state_saver.h"
#include "control/state_text.h"
#include "testing/fake_service_manager.h"

namespace xvs::control {
namespace {

std::string service_text(const model::VirtualService& service,
                         const std::vector<DestinationStatus>& newest_first) {
    std::string text = to_text(service);
    for (auto each = newest_first.rbegin(); each != newest_first.rend(); ++each)
        text += to_text(service.key, each->destination);
    return text;
}

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

#if defined(_GLIBCXX_ASSERTIONS) || !defined(NDEBUG)
constexpr std::chrono::seconds kPatience{20};  // sanitizers and unoptimized code are slow
#else
constexpr std::chrono::seconds kPatience{2};
#endif

model::VirtualService service(std::string_view endpoint) {
    const auto parsed = *net::Endpoint::parse(endpoint);
    model::VirtualService result;
    result.key = {.address = parsed.address, .port = parsed.port};
    if (parsed.address.family() == net::Family::Ipv6) result.persistence_mask = 128;
    return result;
}

model::Destination destination(std::string_view endpoint) {
    model::Destination result;
    result.real = *net::Endpoint::parse(endpoint);
    return result;
}

class StateFileTest : public ::testing::Test {
protected:
    ~StateFileTest() override { std::filesystem::remove_all(directory_); }

    static std::string text_of(const ServiceManager& services, const SyncDaemons& daemons) {
        std::string text(kStateFirstLine);
        text += to_text(services.timeouts());
        for (const auto& daemon : daemons.running())
            text += to_text(daemon);
        for (const auto& value : model::changed_sysctls(services.sysctls()))
            text += to_text(value);
        for (const auto& status : services.services())
            text += service_text(status.service, services.destinations(status.service.key));
        return text.append(kStateLastLine);
    }

    void put(std::string_view text) const { std::ofstream(file_.path()) << text; }

    [[nodiscard]] std::string contents() const {
        std::ostringstream text;
        text << std::ifstream(file_.path()).rdbuf();
        return text.str();
    }

    static std::filesystem::path make_directory() {
        std::string pattern = std::filesystem::temp_directory_path() / "xvs-state-XXXXXX";
        return ::mkdtemp(pattern.data());
    }

    std::filesystem::path directory_ = make_directory();
    StateFile file_{directory_ / "state"};
    testing::FakeServiceManager services_;
    SyncDaemons daemons_{[](const std::string&) {
        return 1500U;
    }};
};

TEST_F(StateFileTest, RestoresAllThatAnAdministratorCanSay) {
    auto web = service("192.0.2.1:80");
    web.scheduler = "sh";
    web.flags = model::kServicePersistent | model::kServiceScheduler1 | model::kServiceScheduler3;
    web.persistence_timeout_s = 600;
    web.persistence_mask = 0xffffff00;
    web.clamps_mss = true;
    auto six = service("[2001:db8::1]:5060");
    six.key.protocol = model::Protocol::Udp;
    six.flags = model::kServiceOnePacket | model::kServicePersistent;
    six.persistence_engine = "sip";
    six.persistence_mask = 64;
    model::VirtualService marked;
    marked.key = {.address = net::Ipv6Address(), .fwmark = 4294967295};
    marked.persistence_mask = 128;
    model::VirtualService odd = service("192.0.2.1:0");
    odd.key.protocol = model::Protocol{47};
    for (const auto& each : {web, six, marked, odd})
        ASSERT_TRUE(services_.add_service(each));
    auto limited = destination("10.0.0.11:8080");
    limited.method = model::ForwardingMethod::Masquerade;
    limited.weight = 0;
    limited.upper_threshold = 100;
    limited.lower_threshold = 50;
    auto gue = destination("[2001:db8::11]:80");
    gue.method = model::ForwardingMethod::Tunnel;
    gue.tunnel = {.type = model::TunnelType::Gue, .port = net::Port{6080}, .flags = 2};
    for (const auto& each : {limited, gue, destination("10.0.0.13:80")})
        ASSERT_TRUE(services_.add_destination(web.key, each));
    ASSERT_TRUE(services_.add_destination(marked.key, destination("[2001:db8::12]:0")));
    services_.set_timeouts({.tcp_s = 1, .tcp_fin_s = 2, .udp_s = 3});
    ASSERT_TRUE(services_.set_sysctl({"sloppy_tcp", "1"}));
    ASSERT_TRUE(services_.set_sysctl({"sync_threshold", "4 60"}));
    model::SyncDaemon backup;
    backup.role = model::SyncRole::Backup;
    backup.interface = "eth0";
    ASSERT_TRUE(daemons_.start(backup));
    const std::string text = text_of(services_, daemons_);
    ASSERT_TRUE(file_.write(text));

    testing::FakeServiceManager again;
    SyncDaemons daemons_again([](const std::string&) { return 1500U; });
    const auto restored = file_.restore(again, daemons_again);
    ASSERT_TRUE(restored) << restored.error().context;
    EXPECT_THAT(restored->problems, IsEmpty());
    EXPECT_EQ(restored->services, 4U);
    EXPECT_EQ(restored->destinations, 4U);
    EXPECT_EQ(text_of(again, daemons_again), text);
    EXPECT_EQ(again.sysctls(), services_.sysctls());
    EXPECT_EQ(again.destinations(web.key)[1].destination, gue);
    EXPECT_EQ(again.destinations(web.key)[2].destination, limited);
}

TEST_F(StateFileTest, TakesNoFileForNoServices) {
    const auto restored = file_.restore(services_, daemons_);
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->services, 0U);
}

TEST_F(StateFileTest, KeepsABrokenFileAsideAndTakesNothingOfIt) {
    ASSERT_TRUE(file_.write("# xvs services 1\n-A -t 192.0.2.1:80 -s rr\n-A -t nonsense\n# end\n"));
    const auto restored = file_.restore(services_, daemons_);
    ASSERT_FALSE(restored);
    EXPECT_THAT(restored.error().context, HasSubstr("line 3: \"nonsense\""));
    EXPECT_THAT(restored.error().context, HasSubstr("services.broken-1"));
    EXPECT_TRUE(std::filesystem::exists(directory_ / "state" / "services.broken-1"));
    EXPECT_FALSE(std::filesystem::exists(file_.path()));
    EXPECT_THAT(services_.services(), IsEmpty());
}

TEST_F(StateFileTest, NoticesAFileWithoutItsEndAndOneThatIsNotIts) {
    for (const char* text : {"# xvs services 1\n-A -t 192.0.2.1:80 -s rr\n",
                             "# xvs services 2\n# end\n",
                             "",
                             "# end\n",
                             "\x7f"
                             "ELF"}) {
        ASSERT_TRUE(file_.write(""));
        put(text);
        EXPECT_FALSE(file_.restore(services_, daemons_)) << text;
    }
}

TEST_F(StateFileTest, NamesWhatNoLineMayHold) {
    for (const char* line : {"-A",
                             "-A -t",
                             "-A -t 192.0.2.1:80 -s rr -p",
                             "-A -t 192.0.2.1:80 -p 99999999999",
                             "-A -t [2001:db8::1]:80 -p 1 -M 129",
                             "-A -t 192.0.2.1:80 -p 1 -M 2001:db8::1",
                             "-A -t 192.0.2.1:80 -b flag-4",
                             "-a -t 192.0.2.1:80 -r 10.0.0.1:80",
                             "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:81 -r 10.0.0.1:80",
                             "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 10.0.0.1",
                             "--set 1 2",
                             "--set 1 2 3 4",
                             "--start-daemon both",
                             "-C"}) {
        EXPECT_FALSE(parse_state(fmt::format("{}{}\n{}", kStateFirstLine, line, kStateLastLine)))
            << line;
    }
    EXPECT_TRUE(parse_state("# xvs services 1\n\n# mine\n-A -t 192.0.2.1:80 -s rr\n# end\n"));
}

TEST_F(StateFileTest, KeepsACopyWhenSomethingDoesNotComeBack) {
    ASSERT_TRUE(
        file_.write("# xvs services 1\n"
                    "-A -t 192.0.2.1:80 -s nosuch\n"
                    "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m -w 1\n"
                    "-A -t 192.0.2.2:80 -s rr\n# end\n"));
    const auto restored = file_.restore(services_, daemons_);
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->services, 1U);
    EXPECT_THAT(restored->problems,
                ElementsAre(HasSubstr("no scheduler \"nosuch\""), HasSubstr("services.broken-1")));
}

TEST_F(StateFileTest, SaysWhereItCannotWrite) {
    std::ofstream(directory_ / "state") << "a file where the directory should be";
    const auto status = file_.write("text");
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().context, HasSubstr((directory_ / "state").string()));
}

TEST_F(StateFileTest, RestoresTenThousandServicesQuickly) {
    std::string text(kStateFirstLine);
    for (unsigned i = 0; i < 10000; ++i) {
        const auto vip = service(fmt::format("10.{}.{}.1:80", i / 250, i % 250));
        std::vector<DestinationStatus> reals(10);
        for (unsigned j = 0; j < reals.size(); ++j)
            reals[j].destination = destination(fmt::format("10.200.{}.{}:80", j, i % 250 + 1));
        text += service_text(vip, reals);
    }
    text += kStateLastLine;
    ASSERT_TRUE(file_.write(text));
    // Of the processor: what else the machine does is nobody's fault.
    const std::clock_t start = std::clock();
    const auto restored = file_.restore(services_, daemons_);
    const std::chrono::seconds took((std::clock() - start) / CLOCKS_PER_SEC);
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->destinations, 100000U);
    EXPECT_LT(took, kPatience);
}

class StateSaverTest : public StateFileTest {
protected:
    void settle() {
        for (int i = 0; i < 60000 && saver_.next_deadline(); ++i) {
            clock_.advance(std::chrono::milliseconds(10));
            turn();
        }
        EXPECT_FALSE(saver_.next_deadline());
    }

    // As an event loop does: first it looks at the clock, then it asks who is due.
    void turn() {
        const Nanoseconds now = clock_.now();
        clock_.advance(std::chrono::microseconds(1));
        if (const auto due = saver_.next_deadline(); due && *due <= now) saver_.on_timer();
        ::usleep(1000);
    }

    VirtualClock clock_;
    std::vector<std::string> failures_;
    StateSaver saver_{file_, services_, daemons_, clock_, [this](const Error& error) {
                          failures_.push_back(error.context);
                      }};
};

// So that whoever comes after a kill finds it.
TEST_F(StateSaverTest, WritesASmallFileBeforeTheEditIsAnswered) {
    ASSERT_TRUE(services_.add_service(service("192.0.2.1:80")));
    saver_.edited();
    EXPECT_EQ(contents(), text_of(services_, daemons_));
    EXPECT_TRUE(saver_.next_deadline()) << "it is not on disk for certain";
    settle();
    ASSERT_TRUE(services_.add_service(service("192.0.2.2:80")));
    saver_.edited();
    EXPECT_EQ(contents(), text_of(services_, daemons_));
}

TEST_F(StateSaverTest, WritesManyEditsOnceAWhileLater) {
    for (unsigned i = 1; i <= 3000; ++i)
        ASSERT_TRUE(services_.add_service(service(fmt::format("192.0.2.3:{}", i))));
    saver_.edited();
    settle();
    ASSERT_GT(contents().size(), StateSaver::kWrittenAtOnce);
    std::filesystem::remove(file_.path());
    ASSERT_TRUE(services_.add_service(service("192.0.2.1:80")));
    saver_.edited();
    const auto due = saver_.next_deadline();
    ASSERT_TRUE(due);
    EXPECT_GE(*due, clock_.now() + StateSaver::kDelay);
    clock_.advance(StateSaver::kDelay / 2);
    ASSERT_TRUE(services_.add_service(service("192.0.2.2:80")));
    saver_.edited();
    EXPECT_EQ(saver_.next_deadline(), due);
    saver_.on_timer();
    EXPECT_FALSE(std::filesystem::exists(file_.path()));
    settle();
    EXPECT_EQ(contents(), text_of(services_, daemons_));
    EXPECT_FALSE(saver_.next_deadline());
}

TEST_F(StateSaverTest, WritesAgainWhatWasEditedInTheMiddle) {
    for (unsigned i = 1; i <= 1000; ++i)
        ASSERT_TRUE(services_.add_service(service(fmt::format("192.0.2.1:{}", i))));
    saver_.edited();
    clock_.advance(StateSaver::kDelay);
    saver_.on_timer();
    ASSERT_TRUE(services_.remove_service(service("192.0.2.1:1").key));
    saver_.edited();
    settle();
    EXPECT_EQ(contents(), text_of(services_, daemons_));
}

// Many times what is put into words at once, and the portions end anywhere.
TEST_F(StateSaverTest, WritesAServiceWithManyRealServersInTheirOrder) {
    for (const char* vip : {"192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"}) {
        ASSERT_TRUE(services_.add_service(service(vip)));
        for (unsigned i = 1; i <= 2500; ++i) {
            ASSERT_TRUE(services_.add_destination(service(vip).key,
                                                  destination(fmt::format("10.0.0.1:{}", i))));
        }
    }
    ASSERT_TRUE(services_.add_service(service("192.0.2.4:80")));
    saver_.edited();
    settle();
    EXPECT_EQ(contents(), text_of(services_, daemons_));
    EXPECT_TRUE(parse_state(contents()));
}

TEST_F(StateSaverTest, WritesAtTheEndWhatIsNotOnDiskYet) {
    EXPECT_TRUE(saver_.save_now());
    EXPECT_FALSE(std::filesystem::exists(file_.path()));
    ASSERT_TRUE(services_.add_service(service("192.0.2.1:80")));
    saver_.edited();
    EXPECT_TRUE(saver_.save_now());
    EXPECT_EQ(contents(), text_of(services_, daemons_));
}

TEST_F(StateSaverTest, ReportsAFailureAndTriesAgain) {
    std::ofstream(directory_ / "state") << "in the way";
    saver_.edited();
    for (int i = 0; i < 1000 && failures_.empty(); ++i) {
        clock_.advance(std::chrono::milliseconds(10));
        turn();
    }
    EXPECT_THAT(failures_, SizeIs(1));
    std::filesystem::remove(directory_ / "state");
    settle();
    EXPECT_EQ(contents(), text_of(services_, daemons_));
}

}  // namespace
}  // namespace xvs::control
