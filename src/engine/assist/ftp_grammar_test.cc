#include "engine/assist/ftp_grammar.h"

#include <gtest/gtest.h>

#include "testing/literals.h"

namespace xvs::engine::ftp {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using net::Family;

TEST(FtpGrammar, ReadsTheCommandsOfDataConnections) {
    EXPECT_EQ(parse_command("PASV", Family::Ipv4).kind, CommandKind::Passive);
    EXPECT_EQ(parse_command("pasv ", Family::Ipv4).kind, CommandKind::Passive);
    EXPECT_EQ(parse_command("EPSV", Family::Ipv6).kind, CommandKind::ExtendedPassive);
    EXPECT_EQ(parse_command("EPSV 1", Family::Ipv4).kind, CommandKind::ExtendedPassive);
    EXPECT_EQ(parse_command("PORT 198,51,100,7,195,80", Family::Ipv4).data,
              "198.51.100.7:50000"_ep);
    EXPECT_EQ(parse_command("eprt |1|198.51.100.7|50000|", Family::Ipv4).data,
              "198.51.100.7:50000"_ep);
    EXPECT_EQ(parse_command("EPRT !2!2001:db8:1::7!50000!", Family::Ipv6).data,
              "[2001:db8:1::7]:50000"_ep);
}

TEST(FtpGrammar, WhatIsWrongIsNoCommand) {
    for (const char* line : {"",
                             "PASVX",
                             "PASV now",
                             " PASV",
                             "EPSV 2",
                             "EPSV ALL",
                             "PORT",
                             "PORT 198,51,100,7,195",
                             "PORT 198,51,100,7,195,80,1",
                             "PORT 198,51,100,7,195,",
                             "PORT 198,51,100,256,195,80",
                             "PORT 198,51,100,7,195,999999999999999999999",
                             "PORT 198,51,100,-7,195,80",
                             "EPRT |2|198.51.100.7|50000|",
                             "EPRT |1||50000|",
                             "EPRT |1|198.51.100.7|0|",
                             "EPRT |1|198.51.100.7|65536|",
                             "EPRT |1|198.51.100.7|50000",
                             "EPRT |1|198.51.100.7|50000||",
                             "EPRT |||50000|"}) {
        EXPECT_EQ(parse_command(line, Family::Ipv4).kind, CommandKind::Other) << line;
    }
    EXPECT_EQ(parse_command("PASV", Family::Ipv6).kind, CommandKind::Other);
    EXPECT_EQ(parse_command("PORT 198,51,100,7,195,80", Family::Ipv6).kind, CommandKind::Other);
}

TEST(FtpGrammar, WritesWhatItReads) {
    const auto text = format_host_port(net::Ipv4Address(0xffffffff), net::Port{65535});
    EXPECT_EQ(text.view(), "255,255,255,255,255,255");
    EXPECT_EQ(parse_host_port(text.view()), "255.255.255.255:65535"_ep);
    EXPECT_EQ(format_host_port(net::Ipv4Address(0xc0000201), net::Port{1025}).view(),
              "192,0,2,1,4,1");
}

}  // namespace
}  // namespace xvs::engine::ftp
