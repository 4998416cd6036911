#include "tests/differential/command.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "tests/differential/sockets.h"

namespace xvs::test {
namespace {

UniqueFd memory_file(const char* name) {
    UniqueFd file(::memfd_create(name, 0));
    if (!file.is_open()) give_up(name, errno);
    return file;
}

std::string contents_of(const UniqueFd& file) {
    std::string text;
    std::array<char, 4096> buffer{};
    ::lseek(file.get(), 0, SEEK_SET);
    for (ssize_t size = 0; (size = ::read(file.get(), buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(size));
    return text;
}

}  // namespace

CommandOutput run_command(const std::vector<std::string>& arguments, const std::string& input) {
    const UniqueFd in = memory_file("stdin");
    const UniqueFd out = memory_file("stdout");
    const UniqueFd error = memory_file("stderr");
    if (::write(in.get(), input.data(), input.size()) < 0) give_up("write", errno);
    ::lseek(in.get(), 0, SEEK_SET);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));  // NOLINT: execvp changes nothing
    argv.push_back(nullptr);
    // Not fork(): a user-mode kernel copies the mappings of a large process page by page.
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, error.get(), STDERR_FILENO);
    pid_t child = -1;
    const int failure = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        return CommandOutput{.exit_status = 127,
                             .out = {},
                             .error = arguments.front() + ": " + std::strerror(failure)};
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return CommandOutput{.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128,
                         .out = contents_of(out),
                         .error = contents_of(error)};
}

}  // namespace xvs::test
