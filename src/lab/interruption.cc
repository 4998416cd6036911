#include "lab/interruption.h"

#include <csignal>
#include <cstdio>

#include <pthread.h>
#include <unistd.h>

#include "lab/registry.h"

namespace xvs::lab {

namespace {

sigset_t watched_signals() {
    sigset_t set{};
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
        ::sigaddset(&set, signal);
    return set;
}

void watch() {
    const sigset_t set = watched_signals();
    int signal = 0;
    ::sigwait(&set, &signal);
    if (signal == SIGUSR1) return;  // the destructor's
    const ProcessId self = ProcessId::self();
    for (const Record& record : all_records()) {
        if (record.owner == self) {
            (void)std::fprintf(stderr, "\nTaking the laboratory %s down.\n", record.name.c_str());
            take_down(record.name);
        }
    }
    // What the main thread may have been making meanwhile is the reaper's.
    ::signal(signal, SIG_DFL);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ::raise(signal);
}

}  // namespace

Interruption::Interruption() {
    const sigset_t set = watched_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    watcher_ = std::thread(watch);
}

Interruption::~Interruption() {
    ::pthread_kill(watcher_.native_handle(), SIGUSR1);
    watcher_.join();
}

}  // namespace xvs::lab
