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

TEST_F(Restore, AddsAccessRulesAmongServices) {
    EXPECT_EQ(restore("-A -t 192.0.2.1:80\n"
                      "--deny 203.0.113.9/24 -t 192.0.2.1:80\n"
                      "--allow 203.0.113.0/24 -t 192.0.2.1:80\n"
                      "--deny 2001:db8::/32\n"
                      "-A -f 4294967295 -6\n"
                      "--allow 2001:db8::7 -f 4294967295 -6\n"),
              0);
    EXPECT_EQ(err(), "The list has this prefix already, allowed or denied; see --list-access\n");
    const std::string listed =
        "--deny 2001:db8::/32\n"
        "--deny 203.0.113.0/24 -t 192.0.2.1:80\n"
        "--allow 2001:db8::7/128 -f 4294967295 -6\n";
    EXPECT_EQ(xvsadm({"--list-access"}), 0);
    EXPECT_EQ(out(), listed);
    EXPECT_EQ(restore("--delete-allow 203.0.113.0/24 -t 192.0.2.1:80\n"
                      "--delete-deny 203.0.113.0/24 -t 192.0.2.1:81\n"),
              kFailed);
    EXPECT_EQ(err(), "No list says so; see --list-access\nService not defined\n");
    EXPECT_EQ(xvsadm({"-D", "-f", "4294967295", "-6"}), 0);
    EXPECT_EQ(xvsadm({"--delete-deny", "203.0.113.0/24", "-t", "192.0.2.1:80"}), 0);
    EXPECT_EQ(xvsadm({"--list-access"}), 0);
    EXPECT_EQ(out(), "--deny 2001:db8::/32\n");
}

TEST_F(Restore, SaysWhatIsWrongWithAnAccessRule) {
    EXPECT_EQ(xvsadm({"--deny"}), kUsage);
    EXPECT_EQ(err(), "xvsadm: --deny wants a prefix of clients, such as 203.0.113.0/24\n");
    EXPECT_EQ(xvsadm({"--allow", "203.0.113.0/33"}), kUsage);
    EXPECT_EQ(err(),
              "xvsadm: --allow: \"203.0.113.0/33\" is no prefix of clients: write "
              "203.0.113.0/24, 2001:db8::/32 or an address\n");
    for (const char* word : {"-r", "-L", "203.0.114.0/24", "-t"}) {
        EXPECT_EQ(xvsadm({"--deny", "203.0.113.0/24", word}), kUsage);
        EXPECT_EQ(err(),
                  "xvsadm: --deny 203.0.113.0/24: what follows the prefix names a service: -t, -u "
                  "or --sctp-service VIP:PORT, or -f MARK [-6]; without it the prefix is for all "
                  "services\n");
    }
    EXPECT_EQ(xvsadm({"--deny", "2001:db8::/32", "-t", "192.0.2.1:80"}), kUsage);
    EXPECT_EQ(err(),
              "xvsadm: cannot deny 2001:db8::/32 for TCP 192.0.2.1:80: it has no clients of that "
              "address family\n");
    EXPECT_EQ(xvsadm({"--list-access", "-n"}), kUsage);
    EXPECT_EQ(err(), "xvsadm: --list-access takes nothing else\n");
    EXPECT_EQ(xvsadm({"--list-access"}), 0);
    EXPECT_EQ(out(), "");
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
