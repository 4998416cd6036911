// Interruption: Ctrl-C, SIGTERM and SIGHUP take this program's laboratories down before they end
// it.
#pragma once

#include <thread>

namespace xvs::lab {

// REQUIRES: made in main() before other threads.
class Interruption {
public:
    Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    ~Interruption();

private:
    std::thread watcher_;
};

}  // namespace xvs::lab
