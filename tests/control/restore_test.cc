#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/control/served_director.h"

namespace xvs::cli {
namespace {

using ::testing::SizeIs;

constexpr std::uint32_t kServices = 300;  // more than are sent ahead at once

class Restore : public ServedDirector {
protected:
    int restore(const std::string& lines) { return xvsadm({"-R"}, lines); }

    static std::string many_services() {
        std::string lines;
        for (std::uint32_t port = 1; port <= kServices; ++port)
            lines += fmt::format("-A -t 192.0.2.1:{0}\n-a -t 192.0.2.1:{0} -r 10.0.0.1 -m\n", port);
        return lines;
    }
};

TEST_F(Restore, DoesEveryLineAndSavesByTheBatch) {
    EXPECT_EQ(restore(many_services()), 0);
    EXPECT_EQ(err(), "");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(kServices));
    EXPECT_THAT(services_.destinations(services_.services().back().service.key), SizeIs(1));
    EXPECT_LE(saves_, 20);
}

TEST_F(Restore, SaysWhatFailedInTheOrderOfLinesAndGoesOn) {
    const std::string wrong = "-a -t 192.0.2.9:80 -r 10.0.0.1 -m\n-D -u 192.0.2.9:80\n";
    EXPECT_EQ(restore(wrong + many_services() + wrong + "-A -t 192.0.2.1:7\n"), kFailed);
    const std::string refused = "Service not defined\nNo such service\n";
    EXPECT_EQ(err(), refused + refused + "Service already exists\n");
    EXPECT_EQ(restore("-A -t 192.0.2.1:7\n-E -t 192.0.2.1:7\n"), 0) << "the last line's";
    EXPECT_EQ(err(), "Service already exists\n");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(kServices));
}

TEST_F(Restore, AnswersALineInBetweenWhenThoseBeforeItAreDone) {
    EXPECT_EQ(restore("-A -t 192.0.2.1:80\n"
                      "-S -n\n"
                      "-A -t 192.0.2.1:80\n"
                      "-A --bad\n"
                      "-A -t 192.0.2.1:81\n"),
              0);
    EXPECT_EQ(out(), "-A -t 192.0.2.1:80 -s wlc\n");
    EXPECT_EQ(err(), "Service already exists\n--bad: unknown option\n");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(2));
}

TEST_F(Restore, AddsMarkRulesAmongServices) {
    const std::string rule = "7 --proto udp --dst 2001:db8::/32 --dport 53";
    EXPECT_EQ(restore("-A -f 7 -6\n--add-mark " + rule + "\n--add-mark " + rule + "\n"), kFailed);
    EXPECT_EQ(err(), "Mark rule already exists\n");
    EXPECT_EQ(xvsadm({"-S", "-n"}), 0);
    EXPECT_EQ(out(), "-A -f 7 -6 -s wlc\n--add-mark " + rule + "\n");
    EXPECT_EQ(restore("--delete-mark " + rule + "\n--list-marks\n--delete-mark " + rule + "\n"),
              kFailed);
    EXPECT_EQ(out(), "");
    EXPECT_EQ(err(), "No such mark rule\n");
    EXPECT_EQ(xvsadm({"--add-mark", "7"}), kUsage);
    EXPECT_EQ(err(),
              "xvsadm: --add-mark: a rule for all packets would take the host's own, too: say "
              "which\n");
}

TEST_F(Restore, SetsSettingsAmongServices) {
    EXPECT_EQ(restore("-A -t 192.0.2.1:80\n--sysctl conn_reuse_mode=0\n-A -t 192.0.2.1:80\n"),
              kFailed);
    EXPECT_EQ(err(), "Service already exists\n");
    EXPECT_EQ(restore("--sysctl conn_reuse_mode\n"), 0);
    EXPECT_EQ(out(), "net.ipv4.vs.conn_reuse_mode = 0\n");
}

TEST_F(Restore, EndsWithALineThatMakesNoSenseAndKeepsWhatCameBefore) {
    EXPECT_EQ(restore("-D -t 192.0.2.1:80\n-A -t 192.0.2.1:80\n-A\n-A -t 192.0.2.1:81\n"), kUsage);
    EXPECT_EQ(err(),
              "No such service\n"
              "You need to supply the 'service-address' option for the 'add-service' command\n");
    stop();
    EXPECT_THAT(services_.services(), SizeIs(1));
}

}  // namespace
}  // namespace xvs::cli
