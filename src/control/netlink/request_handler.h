// RequestHandler: turns one request of the IPVS generic-netlink family into its answer. It knows
// no socket; server.h feeds it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "control/netlink/dump.h"
#include "control/service_manager.h"
#include "control/sync_daemons.h"

namespace xvs::control::netlink {

// Datagrams to send at once, then, where the request was for a listing, those of `dump`.
struct Answer {
    std::vector<Buffer> datagrams;
    std::optional<Dump> dump;
};

class RequestHandler {
public:
    // `after_edit` is called by finish_edits() after requests that changed services, destinations
    // or settings.
    RequestHandler(ServiceManager& services,
                   SyncDaemons& daemons,
                   std::function<void()> after_edit = {})
        : services_(services), daemons_(daemons), after_edit_(std::move(after_edit)) {}

    // Answers a message that came from the netlink port `client`.
    [[nodiscard]] Answer handle(const MessageView& message, std::uint32_t client);

    // To be called after handle(), once for any number of requests, and before their answers are
    // sent.
    void finish_edits();

private:
    struct Request;

    Result<Answer> controller(const Request& request) const;
    Result<Answer> ipvs(const Request& request);
    Result<Answer> dump(const Request& request) const;
    Result<Answer> get(const Request& request) const;
    Status edit(const Request& request);
    Status edit_rule(const Request& request);
    Status edit_service(const Request& request);
    Status edit_destination(const Request& request);
    Status edit_daemon(const Request& request);
    [[nodiscard]] bool has_mixed_families() const;

    ServiceManager& services_;
    SyncDaemons& daemons_;
    std::function<void()> after_edit_;
    bool has_edited_ = false;
};

// The answer that ends a request: an errno, or 0 for success. An error quotes the request; of a
// long one only its header, so that any client can read it.
[[nodiscard]] Buffer error_datagram(const MessageView& request,
                                    std::uint32_t client,
                                    int error_number);

}  // namespace xvs::control::netlink
