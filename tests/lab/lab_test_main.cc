// Runs the lab tests where they can run; exits with 77 and the reason where they cannot.
#include <algorithm>
#include <cstdio>

#include <sys/resource.h>

#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    constexpr int kSkipped = 77;
    if (::geteuid() != 0) {
        std::puts("lab tests make network namespaces, which needs root");
        return kSkipped;
    }
    if (::libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, nullptr) != 1) {
        std::puts("this kernel, or this container, allows no BPF programs at tc");
        return kSkipped;
    }
    // A client of a thousand connections, and their server, which inherits it.
    constexpr rlim_t kFiles = 8192;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kFiles) {
        files = {.rlim_cur = kFiles, .rlim_max = std::max(kFiles, files.rlim_max)};
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &files));
    }
    return RUN_ALL_TESTS();
}
