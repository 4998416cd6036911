// Runs the lab tests where they can run; exits with 77 and the reason where they cannot.
#include <cstdio>

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
    return RUN_ALL_TESTS();
}
