#include "tests/differential/kernel_tables.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "cli/listing.h"
#include "control/proc_text.h"
#include "tests/differential/sockets.h"

namespace xvs::test {
namespace {

using cli::Format;
using cli::Layout;
using control::DestinationStatus;
using control::ServiceStatus;

std::string listed(const cli::ListedService& service, Layout layout) {
    Format format;
    format.layout = layout;
    format.numeric = true;
    format.exact = true;
    format.sorted = false;
    return cli::service_text(service, format);
}

void add_service(Tables& tables, cli::ListedService service) {
    tables.services.push_back(listed(service, Layout::Plain) + listed(service, Layout::Thresholds) +
                              listed(service, Layout::PersistentConnections));
    tables.statistics.push_back(listed(service, Layout::Statistics));
}

// The last column of a line is the time.
ListedConnection connection_of(std::string line) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\n'))
        line.pop_back();
    const std::size_t blank = line.find_last_of(' ');
    ListedConnection connection;
    const char* end = line.data() + line.size();
    std::from_chars(line.data() + blank + 1, end, connection.expires_in_s);
    line.erase(line.find_last_not_of(' ', blank) + 1);
    connection.line = std::move(line);
    return connection;
}

void sort(Tables& tables) {
    std::sort(tables.services.begin(), tables.services.end());
    std::sort(tables.statistics.begin(), tables.statistics.end());
    std::sort(tables.connections.begin(),
              tables.connections.end(),
              [](const ListedConnection& one, const ListedConnection& other) {
                  return one.line < other.line;
              });
}

template <class Value>
Value or_give_up(Result<Value> result, const char* what) {
    if (!result) give_up(what, static_cast<int>(result.error().code));
    return *std::move(result);
}

}  // namespace

Tables read_tables(control::netlink::Client& kernel) {
    Tables tables;
    for (const ServiceStatus& status : or_give_up(kernel.services(), "list the services")) {
        add_service(tables,
                    {.status = status,
                     .destinations = or_give_up(kernel.destinations(status.service.key),
                                                "list the real servers")});
    }
    std::ifstream file("/proc/net/ip_vs_conn");
    std::string line;
    std::getline(file, line);  // the heading
    while (std::getline(file, line))
        tables.connections.push_back(connection_of(std::move(line)));
    sort(tables);
    return tables;
}

Tables read_tables(control::ServiceManager& engine) {
    Tables tables;
    for (const ServiceStatus& status : engine.services()) {
        add_service(tables,
                    {.status = status, .destinations = engine.destinations(status.service.key)});
    }
    std::uint64_t cursor = 0;
    do {
        cursor = engine.for_each_connection(cursor, 64, [&](const model::ConnectionInfo& info) {
            tables.connections.push_back(connection_of(control::proc_connection(info)));
        });
    } while (cursor != 0);
    sort(tables);
    return tables;
}

}  // namespace xvs::test
