// PacketWay: one packet followed through a laboratory, hop by hop, there and back.
#pragma once

#include <string>
#include <vector>

#include "lab/capture.h"
#include "lab/laboratory.h"
#include "lab/paint.h"

namespace xvs::lab {

// The SYN of a connection and the SYN,ACK that answers it, in the order of their way:
// what client and real servers send, and what every node receives.
struct PacketWay {
    std::vector<Sighting> request;
    std::vector<Sighting> reply;
};

// Picks the way of the connection that `client` opened out of all that was seen.
[[nodiscard]] PacketWay packet_way(std::vector<Sighting> seen, const net::Endpoint& client);

// As a table of at most 100 columns; a cell that differs from the one above it is marked with *.
// DR shows the frames' MAC addresses, TUN the outer header.
[[nodiscard]] std::string to_table(const PacketWay& way, const Plan& plan, const Paint& paint);

// Captures at every node of a laboratory.
class CaptureEverywhere {
public:
    [[nodiscard]] static Result<CaptureEverywhere> start(const Laboratory& laboratory);
    [[nodiscard]] std::vector<Sighting> take();

private:
    std::vector<Capture> captures_;
};

}  // namespace xvs::lab
