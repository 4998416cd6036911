#include "lab/drawing.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::HasSubstr;

std::string drawing_of(ForwardingMethod method, unsigned real_servers) {
    PlanOptions options;
    options.method = method;
    options.real_servers = real_servers;
    return draw(make_plan(options).value());
}

TEST(Drawing, ShowsNat) {
    EXPECT_EQ(drawing_of(ForwardingMethod::Masquerade, 2),
              "  +--------------+         +---------------+         +---------------------+\n"
              "  | client       |         | director      |    +----| rs1       10.0.0.11 |\n"
              "  | 198.51.100.7 |---------| VIP 192.0.2.1 |----+    +---------------------+\n"
              "  |              |         | DIP 10.0.0.1  |    +----| rs2       10.0.0.12 |\n"
              "  +--------------+         +---------------+         +---------------------+\n");
}

TEST(Drawing, NamesEveryHostAndFitsATerminal) {
    for (const auto method :
         {ForwardingMethod::Masquerade, ForwardingMethod::DirectRoute, ForwardingMethod::Tunnel}) {
        for (const unsigned count : {1U, 2U, 3U, 4U, 9U, kMaxRealServers}) {
            const std::string drawing = drawing_of(method, count);
            EXPECT_THAT(drawing, HasSubstr("198.51.100.7"));
            EXPECT_THAT(drawing, HasSubstr("VIP 192.0.2.1"));
            for (unsigned i = 0; i < count; ++i)
                EXPECT_THAT(drawing, HasSubstr("| " + Plan::real_server_name(i) + " "));
            std::istringstream lines(drawing);
            for (std::string line; std::getline(lines, line);)
                ASSERT_LE(line.size(), 100U) << line;
        }
    }
}

}  // namespace
}  // namespace xvs::lab
