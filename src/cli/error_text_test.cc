#include "cli/error_text.h"

#include <gtest/gtest.h>

namespace xvs::cli {
namespace {

TEST(ErrorText, SaysWhatToDoAboutARemoteChecksum) {
    for (const Operation operation : {Operation::AddDestination, Operation::EditDestination}) {
        EXPECT_EQ(error_text(operation, {.code = ErrorCode::NotSupported, .context = {}}),
                  "A tunnel with --tun-remcsum is not supported; use --tun-csum or --tun-nocsum");
    }
    EXPECT_EQ(error_text(Operation::AddService, {.code = ErrorCode::NotSupported, .context = {}}),
              "Operation not supported with IPv6")
        << "what ipvsadm says";
}

}  // namespace
}  // namespace xvs::cli
