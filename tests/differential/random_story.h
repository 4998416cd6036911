// Story: services, edits and packets out of a seed, to be lived through by two directors.
//
// What differs from IPVS by decision is left out, each for a reason that stands in the code:
// fragments (ADR-0004), replies of DR and TUN (ADR-0007), errors about tunnels (ADR-0008) and UDP
// datagrams without a checksum (ADR-0009); a real server keeps its method (ADR-0023), but changes
// its tunnel. So is what FTP needs, whose commands a story would have to say (tests/scenario/ftp
// does), what is
// random in the kernel itself (twos, drop_packet, drop_entry), and what kernel and engine do by
// clocks of their own (garbage collection of lblc and lblcr, rates).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace xvs::test {

struct StoryStep {
    enum class Kind : std::uint8_t {
        Line,    // of a scenario, as it stands
        Answer,  // by the real server that got the flow's last packet: `text` are its flags,
                 // `chunks` those of SCTP
        Error,   // ICMP, named `text`, by that real server about that packet
        Wait,    // until everything with a timeout of a second has ended
    };

    static constexpr unsigned kNoFlow = ~0U;

    Kind kind = Kind::Line;
    unsigned flow = kNoFlow;
    std::string text;
    std::vector<std::uint8_t> chunks{};
    unsigned length = 0;
};

using Story = std::vector<StoryStep>;

// How many stories may be told to one director one after the other, since each of as many
// consecutive seeds has ports and marks of its own.
inline constexpr std::uint64_t kStoriesApart = 32;

[[nodiscard]] Story make_story(std::uint64_t seed);

// The mark rules of all stories that may be told to one director, as `--add-mark` takes them.
[[nodiscard]] std::vector<std::string> all_mark_rules();

// The UDP ports that the director's own stack may be sent datagrams for.
[[nodiscard]] std::vector<std::uint16_t> udp_ports(std::uint64_t seed);

}  // namespace xvs::test
