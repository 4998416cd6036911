// xvsadm: manages a running xvsd in ipvsadm's words.
#include <iostream>

#include "cli/program.h"

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    xvs::cli::Program program(argc > 0 ? argv[0] : "xvsadm",
                              {.in = std::cin, .out = std::cout, .err = std::cerr},
                              [] { return xvs::control::netlink::Client::connect(); });
    return program.run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
