// What a director's script is made of: services, real servers and settings, few enough that they
// meet often.
#pragma once

#include <array>
#include <cstdint>

namespace xvs::test {

inline constexpr std::array kServices{"-t 192.0.2.1:80",
                                      "-t 192.0.2.2:80",
                                      "-u 192.0.2.1:53",
                                      "-t [2001:db8::1]:80",
                                      "-u [2001:db8::1]:53",
                                      "-t 192.0.2.1:21",
                                      "-t 192.0.2.2:0",
                                      "--sctp-service 192.0.2.2:80",
                                      "-f 7",
                                      "-f 8 -6"};
inline constexpr std::array kServers{"10.0.0.11", "10.0.0.12", "192.0.2.1", "203.0.113.9"};
inline constexpr std::array kServers6{
    "[2001:db8:2::11]", "[2001:db8:2::12]", "[2001:db8::1]", "[2001:db8:9::9]"};
inline constexpr std::array kSchedulers{
    "rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "dh", "sh", "mh", "twos", "lblc", "lblcr"};
inline constexpr std::array kMethods{
    "-m", "-g", "-i", "-m", "-i --tun-type gue --tun-port 6080", "-i --tun-type gre --tun-csum"};
// What a client and a real server may say to each other by FTP.
inline constexpr std::array kFtpLines{"PASV\r\n",
                                      "EPSV\r\n",
                                      "PORT 198,51,100,7,156,64\r\n",
                                      "227 Entering Passive Mode (10,0,0,11,156,64)\r\n",
                                      "229 Extended (|||40001|)\r\n",
                                      "227 (10,0,0,"};
inline constexpr std::array<std::uint8_t, 8> kChunks{1, 1, 2, 10, 11, 0, 7, 6};
inline constexpr std::array kFlags{"S", "S", "S", ".", "F.", "R", "S.", ""};
inline constexpr std::array kSysctls{"conn_reuse_mode",
                                     "expire_nodest_conn",
                                     "expire_quiescent_template",
                                     "sloppy_tcp",
                                     "sloppy_sctp",
                                     "nat_icmp_send",
                                     "schedule_icmp",
                                     "pmtu_disc",
                                     "cache_bypass",
                                     "drop_entry",
                                     "drop_packet",
                                     "secure_tcp"};

}  // namespace xvs::test
