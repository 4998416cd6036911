// xvs demo and xvs lab run: what a newcomer types first.
#include <fstream>
#include <sstream>

#include "lab/process.h"
#include "tests/lab/lab_test.h"

namespace xvs::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kLimit{60};

Completed xvs(const Programs& where, std::string_view arguments) {
    const Command rest = command(arguments);
    Command words{where.xvs};
    words.insert(words.end(), rest.begin(), rest.end());
    return run(words, {.input = "", .time_limit = kLimit}).value();
}

TEST(Demo, ShowsTheThreeMethodsBalancing) {
    const Completed demo = xvs(programs(), "demo");

    EXPECT_EQ(demo.exit_code, 0) << demo.err;
    EXPECT_THAT(demo.out,
                AllOf(HasSubstr("rs3 rs2 rs1 rs3"),
                      // The packet's way: NAT rewrites there and back, DR changes the MAC address
                      // alone, TUN adds an outer header.
                      HasSubstr("198.51.100.7:40001    10.0.0.13:8080*"),
                      HasSubstr("192.0.2.1:80*         198.51.100.7:40001"),
                      HasSubstr("02:00:00:00:00:13 rs3*"),
                      HasSubstr("192.0.2.10 > 10.0.0.13*"),
                      HasSubstr("All three methods balanced.")));
    EXPECT_THAT(demo.out, Not(HasSubstr("\x1b"))) << "colour is for terminals";
    std::istringstream lines(demo.out);
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.size(), 100U) << line;
}

// A director that does not become ready, in place of xvsd.
TEST(Demo, SaysInOneSentenceWhatItLacks) {
    const std::filesystem::path directory =
        std::filesystem::temp_directory_path() / unique_name("bin");
    std::filesystem::create_directories(directory);
    const Programs broken = Programs::in(directory);
    std::filesystem::copy_file(programs().xvs, broken.xvs);
    std::ofstream(broken.xvsd) << "#!/bin/sh\necho no director today\nexit 1\n";
    std::filesystem::permissions(broken.xvsd, std::filesystem::perms::owner_all);

    const Completed demo = xvs(broken, "demo nat");

    EXPECT_EQ(demo.exit_code, 1);
    EXPECT_EQ(demo.err, "xvs: xvsd did not become ready: no director today\n");
    std::filesystem::remove_all(directory);
}

TEST(LabRun, TellsByItsExitCodeThatItBalanced) {
    for (const auto method : kMethods) {
        const Completed done = xvs(programs(), "lab run " + std::string(method_word(method)));
        EXPECT_EQ(done.exit_code, 0) << done.err;
        EXPECT_THAT(done.out, HasSubstr("rs1 2, rs2 2, rs3 2"));
    }
}

TEST(LabRun, LeavesNothingStanding) {
    const std::string name = unique_name("run");
    const Completed done = xvs(programs(), "lab run nat --name " + name);

    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_THAT(xvs(programs(), "lab list").out, Not(HasSubstr(name)));
    EXPECT_TRUE(namespaces_of(name).empty());
}

}  // namespace
}  // namespace xvs::lab
