// HttpClient: one HTTP connection that stays open between requests.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "net/address.h"

namespace xvs::lab {

class HttpClient {
public:
    [[nodiscard]] static Result<HttpClient> open(const NetworkNamespace& client,
                                                 const net::Endpoint& server);

    // Returns the body of the answer, without a line's end.
    [[nodiscard]] Result<std::string> get(const std::string& path);

private:
    explicit HttpClient(UniqueFd socket) : socket_(std::move(socket)) {}

    Status receive();

    UniqueFd socket_;
    std::string unread_;
};

}  // namespace xvs::lab
