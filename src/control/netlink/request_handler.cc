#include "control/netlink/request_handler.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "control/netlink/codec.h"
#include "control/netlink/daemon_codec.h"

namespace xvs::control::netlink {

namespace {

// Of CTRL_CMD_GETFAMILY: what may be done with a command (GENL_ADMIN_PERM, GENL_CMD_CAP_*).
constexpr std::uint32_t kForAdministrators = 0x1;
constexpr std::uint32_t kCanDo = 0x2;
constexpr std::uint32_t kCanDump = 0x4;
constexpr std::uint32_t kHasPolicy = 0x8;

struct Operation {
    Command command;
    std::uint32_t abilities;
};

constexpr Operation kOperations[] = {
    {Command::NewService, kCanDo},
    {Command::SetService, kCanDo},
    {Command::DeleteService, kCanDo},
    {Command::GetService, kCanDo | kCanDump},
    {Command::NewDestination, kCanDo},
    {Command::SetDestination, kCanDo},
    {Command::DeleteDestination, kCanDo},
    {Command::GetDestination, kCanDump},
    {Command::NewDaemon, kCanDo},
    {Command::DeleteDaemon, kCanDo},
    {Command::GetDaemon, kCanDump},
    {Command::SetConfig, kCanDo},
    {Command::GetConfig, kCanDo},
    {Command::GetInfo, kCanDo},
    {Command::Zero, kCanDo},
    {Command::Flush, kCanDo},
    {Command::GetConnection, kCanDump},
    {Command::GetSysctl, kCanDump},
    {Command::SetSysctl, kCanDo},
    {Command::NewMarkRule, kCanDo},
    {Command::DeleteMarkRule, kCanDo},
    {Command::GetMarkRule, kCanDump},
    {Command::NewAccessRule, kCanDo},
    {Command::DeleteAccessRule, kCanDo},
    {Command::GetAccessRule, kCanDump},
};

void write_family(MessageWriter& writer) {
    using namespace controller;  // NOLINT(google-build-using-namespace): numbers only
    writer.put_generic_header(kNewFamily, kVersion);
    writer.put_string(kFamilyNameAttribute, kFamilyName);
    writer.put_u16(kFamilyIdAttribute, kFamilyId);
    writer.put_u32(kVersionAttribute, kFamilyVersion);
    writer.put_u32(kHeaderSizeAttribute, 0);
    writer.put_u32(kMaxAttributeAttribute, attribute::kTimeoutUdp);
    const auto operations = writer.begin_nest(kOperationsAttribute);
    std::uint16_t index = 1;
    for (const auto& operation : kOperations) {
        const auto nest = writer.begin_nest(index++);
        writer.put_u32(1, static_cast<std::uint32_t>(operation.command));
        writer.put_u32(2, operation.abilities | kForAdministrators | kHasPolicy);
        writer.end_nest(nest);
    }
    writer.end_nest(operations);
}

}  // namespace

Buffer error_datagram(const MessageView& request, std::uint32_t client, int error_number) {
    const bool whole = error_number != 0 && request.whole.size() <= kMaxDatagramSize / 2;
    Buffer datagram;
    MessageWriter writer(datagram);
    writer.begin({.length = 0,
                  .type = message::kError,
                  .flags = whole ? std::uint16_t{0} : message::kFlagCapped,
                  .sequence = request.header.sequence,
                  .port = client});
    const std::int32_t error = -error_number;
    writer.put_raw(std::as_bytes(std::span(&error, 1)));
    writer.put_raw(whole ? request.whole : request.whole.first(MessageHeader::kSize));
    writer.end();
    return datagram;
}

struct RequestHandler::Request {
    MessageHeader header;
    std::uint32_t client;
    Command command;
    Attributes top;

    [[nodiscard]] bool is_dump() const noexcept { return header.has(message::kFlagDump); }

    [[nodiscard]] MessageHeader reply_header() const noexcept {
        return {.length = 0,
                .type = header.type,
                .flags = 0,
                .sequence = header.sequence,
                .port = client};
    }

    [[nodiscard]] Bytes service() const noexcept { return top.bytes(attribute::kService); }

    // The body is written by `write`.
    template <class Write>
    [[nodiscard]] Answer reply(Write write) const {
        Answer answer;
        MessageWriter writer(answer.datagrams.emplace_back());
        writer.begin(reply_header());
        write(writer);
        writer.end();
        return answer;
    }

    template <class Write>
    [[nodiscard]] Answer reply(Command with, Write write) const {
        return reply([&](MessageWriter& writer) {
            writer.put_generic_header(static_cast<std::uint8_t>(with), kFamilyVersion);
            write(writer);
        });
    }
};

Answer RequestHandler::handle(const MessageView& message, std::uint32_t client) {
    Answer answer;
    int error_number = 0;
    if (message.header.has(message::kFlagRequest) && message.header.type >= message::kFirstFamily) {
        const auto generic = GenericView::parse(message.body);
        Result<Answer> result = fail(ErrorCode::InvalidArgument);
        if (generic) {
            const Request request{.header = message.header,
                                  .client = client,
                                  .command = static_cast<Command>(generic->command),
                                  .top = Attributes(generic->attributes)};
            if (message.header.type == kFamilyId)
                result = ipvs(request);
            else if (message.header.type == kControllerFamilyId)
                result = controller(request);
            else
                result = fail(ErrorCode::NotFound);
        }
        if (result)
            answer = *std::move(result);
        else
            error_number = static_cast<int>(result.error().code);
    }
    // A dump ends with DONE and has no acknowledgement besides.
    if (error_number != 0 || (message.header.has(message::kFlagAck) && !answer.dump)) {
        answer.datagrams.push_back(error_datagram(message, client, error_number));
    }
    return answer;
}

Result<Answer> RequestHandler::controller(const Request& request) const {
    if (static_cast<std::uint8_t>(request.command) != controller::kGetFamily || request.is_dump()) {
        return fail(ErrorCode::NotSupported);
    }
    const auto name = request.top.string(controller::kFamilyNameAttribute, 15);
    const auto number = request.top.u16(controller::kFamilyIdAttribute);
    if (!name && !number) return fail(ErrorCode::InvalidArgument);
    if (name ? *name != kFamilyName : *number != kFamilyId) return fail(ErrorCode::NotFound);
    return request.reply(write_family);
}

Result<Answer> RequestHandler::ipvs(const Request& request) {
    const auto* const operation = std::find_if(
        std::begin(kOperations), std::end(kOperations), [&request](const auto& candidate) {
            return candidate.command == request.command;
        });
    const std::uint32_t needed = request.is_dump() ? kCanDump : kCanDo;
    if (operation == std::end(kOperations) || (operation->abilities & needed) == 0) {
        return fail(ErrorCode::NotSupported);
    }
    if (request.is_dump()) return dump(request);
    switch (request.command) {
        case Command::GetService:
        case Command::GetConfig:
        case Command::GetInfo:
            return get(request);
        default:
            break;
    }
    if (auto status = edit(request); !status) return fail(std::move(status).error());
    return Answer{};
}

Result<Answer> RequestHandler::dump(const Request& request) const {
    std::unique_ptr<DumpSource> source;
    switch (request.command) {
        case Command::GetService:
            source = make_dump(services_.services());
            break;
        case Command::GetDestination: {
            // As the kernel: a service that is not there has no destinations, which is no error.
            const auto key = read_service_key(request.service());
            source =
                make_dump(key ? services_.destinations(*key) : std::vector<DestinationStatus>());
            break;
        }
        case Command::GetDaemon:
            source = make_dump(daemons_.running());
            break;
        case Command::GetMarkRule:
            source = make_dump(services_.mark_rules());
            break;
        case Command::GetAccessRule:
            source = make_access_dump(services_);
            break;
        case Command::GetSysctl:
            source = make_dump(model::list_sysctls(services_.sysctls()));
            break;
        default:
            source = make_connection_dump(services_);
            break;
    }
    Answer answer;
    answer.dump.emplace(std::move(source), request.reply_header());
    return answer;
}

Result<Answer> RequestHandler::get(const Request& request) const {
    if (request.command == Command::GetConfig) {
        return request.reply(Command::SetConfig, [this](MessageWriter& writer) {
            write_timeouts(writer, services_.timeouts());
        });
    }
    if (request.command == Command::GetInfo) {
        return request.reply(Command::SetInfo, [this](MessageWriter& writer) {
            writer.put_u32(attribute::kInfoVersion, kIpvsVersion);
            writer.put_u32(attribute::kInfoTableSize, services_.connection_capacity());
            write_statistics(writer,
                             attribute::kInfoStatistics,
                             attribute::kInfoStatistics64,
                             services_.total());
        });
    }
    const auto key = read_service_key(request.service());
    if (!key) return fail(key.error());
    const auto status = services_.get_service(*key);
    if (!status) return fail(status.error());
    return request.reply(Command::NewService, [&status](MessageWriter& writer) {
        write_service_status(writer, *status);
    });
}

Status RequestHandler::edit(const Request& request) {
    Status status;
    switch (request.command) {
        case Command::NewDaemon:
        case Command::DeleteDaemon:
            status = edit_daemon(request);
            break;
        case Command::Flush:
            services_.flush();
            break;
        case Command::SetConfig: {
            const auto timeouts = read_timeouts(request.top, services_.timeouts());
            if (!timeouts) return fail(timeouts.error());
            services_.set_timeouts(*timeouts);
            break;
        }
        case Command::NewMarkRule:
        case Command::DeleteMarkRule:
        case Command::NewAccessRule:
        case Command::DeleteAccessRule:
            status = edit_rule(request);
            break;
        case Command::SetSysctl: {
            const auto wanted = read_sysctl(request.top.bytes(attribute::kSysctl));
            if (!wanted) return fail(wanted.error());
            status = services_.set_sysctl(*wanted);
            break;
        }
        case Command::Zero:
            if (!request.top.has(attribute::kService)) {
                services_.zero_all();
                return {};
            }
            [[fallthrough]];
        case Command::NewService:
        case Command::SetService:
        case Command::DeleteService:
            status = edit_service(request);
            break;
        default:
            status = edit_destination(request);
            break;
    }
    if (status && request.command != Command::Zero) has_edited_ = true;
    return status;
}

Status RequestHandler::edit_rule(const Request& request) {
    if (request.command == Command::NewMarkRule || request.command == Command::DeleteMarkRule) {
        const auto rule = read_mark_rule(request.top);
        if (!rule) return fail(rule.error());
        return request.command == Command::NewMarkRule ? services_.add_mark_rule(*rule)
                                                       : services_.remove_mark_rule(*rule);
    }
    const auto rule = read_access_rule(request.top);
    if (!rule) return fail(rule.error());
    return request.command == Command::NewAccessRule ? services_.add_access_rule(*rule)
                                                     : services_.remove_access_rule(*rule);
}

void RequestHandler::finish_edits() {
    if (std::exchange(has_edited_, false) && after_edit_) after_edit_();
}

Status RequestHandler::edit_service(const Request& request) {
    const auto key = read_service_key(request.service());
    if (!key) return fail(key.error());
    if (request.command == Command::DeleteService) return services_.remove_service(*key);
    if (request.command == Command::Zero) return services_.zero(*key);
    const auto settings = read_service_settings(request.service(), key->family());
    if (!settings) return fail(settings.error());
    if (request.command == Command::NewService) {
        return services_.add_service(settings->service(*key, {}));
    }
    const auto old = services_.configured_service(*key);
    if (!old) return fail(old.error());
    return services_.edit_service(settings->service(*key, *old));
}

Status RequestHandler::edit_destination(const Request& request) {
    const auto key = read_service_key(request.service());
    if (!key) return fail(key.error());
    if (const auto known = services_.configured_service(*key); !known) return fail(known.error());
    const Bytes attributes = request.top.bytes(attribute::kDestination);
    if (request.command == Command::DeleteDestination) {
        const auto real = read_destination_key(attributes, key->family());
        if (!real) return fail(real.error());
        return services_.remove_destination(*key, *real);
    }
    const auto destination = read_destination(attributes, key->family());
    if (!destination) return fail(destination.error());
    if (destination->real.address.family() != key->family() && daemons_.is_running()) {
        return fail(ErrorCode::InvalidArgument,
                    "a service cannot have servers of both families while connections are synced");
    }
    if (request.command == Command::NewDestination) {
        return services_.add_destination(*key, *destination);
    }
    return services_.edit_destination(*key, *destination);
}

Status RequestHandler::edit_daemon(const Request& request) {
    const Bytes attributes = request.top.bytes(attribute::kDaemon);
    if (request.command == Command::DeleteDaemon) {
        const auto role = read_daemon_role(attributes);
        if (!role) return fail(role.error());
        return daemons_.stop(*role);
    }
    auto daemon = read_daemon(attributes);
    if (!daemon) return fail(daemon.error());
    if (has_mixed_families()) {
        return fail(ErrorCode::InvalidArgument,
                    "connections cannot be synced while a service has servers of both families");
    }
    return daemons_.start(*std::move(daemon));
}

bool RequestHandler::has_mixed_families() const {
    const auto services = services_.services();
    return std::any_of(services.begin(), services.end(), [this](const ServiceStatus& status) {
        const auto& key = status.service.key;
        const auto destinations = services_.destinations(key);
        return std::any_of(destinations.begin(), destinations.end(), [&key](const auto& candidate) {
            return candidate.destination.real.address.family() != key.family();
        });
    });
}

}  // namespace xvs::control::netlink
