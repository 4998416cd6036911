#include "testing/entrance.h"

#include "net/ethernet.h"
#include "testing/steering_model.h"

namespace xvs::test {
namespace {

Passage to_passage(const Bytes& frame, std::optional<Judgement> judgement) {
    if (!judgement) return {.way = Passage::Way::Host, .frame = frame};
    return {.way = Passage::Way::Engine,
            .frame = frame,
            .reason = judgement->reason,
            .worker = judgement->worker};
}

}  // namespace

Passage ModelEntrance::admit(const Bytes& frame, Side /*side*/) {
    return to_passage(frame, judge_ingress(director_, without_link_header(frame)));
}

Passage ModelEntrance::release(const Bytes& frame, Side /*side*/) {
    return to_passage(frame, judge_egress(director_, without_link_header(frame)));
}

Bytes without_link_header(const Bytes& frame) {
    return {frame.begin() + net::EthernetView::kHeaderSize, frame.end()};
}

}  // namespace xvs::test
