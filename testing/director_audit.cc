// What must agree in the director's tables at any time, and what must be gone in the end.
#include <map>

#include <fmt/format.h>

#include "testing/director.h"

namespace xvs::test {
namespace {

class Audit {
public:
    explicit Audit(Director& director) : director_(director) {}

    std::string inconsistencies() {
        audit_family<flow::Ipv4>();
        audit_family<flow::Ipv6>();
        audit_servers();
        audit_stocks();
        audit_translations();
        audit_steering();
        audit_assistances();
        return problems_;
    }

    std::string leftovers() {
        expect_equal("live IPv4 entries", tables().flows<flow::Ipv4>().live(), 0);
        expect_equal("live IPv6 entries", tables().flows<flow::Ipv6>().live(), 0);
        expect_equal("IPv4 connections", tables().connections<flow::Ipv4>().size(), 0);
        expect_equal("IPv6 connections", tables().connections<flow::Ipv6>().size(), 0);
        expect_equal("destination records", tables().destinations().size(), 0);
        expect_equal("service records", tables().services().size(), 0);
        const testing::FakeSteering& steering = director_.steering;
        expect_equal("steered services", steering.services.size(), 0);
        expect_equal("steered NAT sources", steering.nat_sources.size(), 0);
        expect_equal("steered addresses", steering.addresses.size(), 0);
        expect_equal("awaited clients", steering.awaits_clients ? 1 : 0, 0);
        expect_equal("lists of services",
                     steering.access_lists.size(),
                     steering.access_lists.count(XVS_ACCESS_OF_ALL));
        for (std::uint32_t i = 0; i < tables().translations().size(); ++i)
            expect_equal(fmt::format("references of translation {}", i), references(i), 0);
        return problems_;
    }

private:
    struct Counts {
        std::uint32_t active = 0;
        std::uint32_t total = 0;
        std::uint32_t templates = 0;
    };

    [[nodiscard]] flow::Tables& tables() const { return *director_.tables; }

    [[nodiscard]] std::uint32_t references(std::uint32_t translation) const {
        return tables().translations().references(translation);
    }

    void report(const std::string& problem) { problems_ += problem + "\n"; }

    void expect_equal(const std::string& what, std::uint64_t actual, std::uint64_t expected) {
        if (actual != expected) report(fmt::format("{}: {}, expected {}", what, actual, expected));
    }

    template <class Ip>
    void audit_family() {
        auto& records = tables().connections<Ip>();
        std::uint32_t live = 0;
        std::uint32_t entries = 0;
        std::map<std::uint32_t, std::uint32_t> controlled;
        for (std::uint32_t i = 0; i < records.capacity(); ++i) {
            if (!records.is_live(i)) continue;
            ++live;
            entries += audit_entries<Ip>(i);
            audit_masks<Ip>(i);
            audit_record(i, records[i]);
            if (records[i].controller != XVS_NONE) ++controlled[records[i].controller];
        }
        for (std::uint32_t i = 0; i < records.capacity(); ++i) {
            const std::uint32_t counted = controlled.contains(i) ? controlled[i] : 0;
            if (records.is_live(i)) {
                expect_equal(fmt::format("controlled by {}", i), records[i].controlled, counted);
            } else if (counted != 0) {
                report(fmt::format("record {} controls others and is free", i));
            }
        }
        expect_equal("live records", records.size(), live);
        expect_equal("live entries", tables().flows<Ip>().live(), entries);
    }

    // Returns how many entries the record has.
    template <class Ip>
    std::uint32_t audit_entries(std::uint32_t index) {
        auto& flows = tables().flows<Ip>();
        const xvs_connection& record = tables().connections<Ip>()[index];
        std::uint32_t count = 0;
        for (const std::uint32_t slot : {record.inbound, record.outbound}) {
            if (slot == XVS_NONE) continue;
            ++count;
            if (!flow::is_live_state(flows.state_word(slot)))
                report(fmt::format("record {}: its entry {} is not live", index, slot));
            if (flows.connection(slot) != index)
                report(fmt::format("record {}: its entry {} is another's", index, slot));
            const bool is_outbound = (flows.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0;
            if (is_outbound != (slot == record.outbound))
                report(fmt::format("record {}: entry {} of the wrong direction", index, slot));
            if (flows.owner(slot) != owner_of<Ip>(record))
                report(fmt::format("record {}: entry {} of the wrong worker", index, slot));
            const std::uint32_t translation = flows.entry(slot).translation;
            if (translation != XVS_NONE) ++references_[translation];
        }
        return count;
    }

    // A template is of the worker that made it, what a connection announced is of that one's.
    template <class Ip>
    [[nodiscard]] std::uint8_t owner_of(const xvs_connection& record) const {
        if ((record.flags & engine::kConnectionTemplate) != 0) return record.owner;
        if (record.role == XVS_ROLE_PASSIVE_DATA || record.role == XVS_ROLE_ACTIVE_DATA)
            return record.owner;
        const flow::FlowKey<Ip> inbound = tables().flows<Ip>().key(record.inbound);
        return tables().worker_of(inbound.source, inbound.source_port);
    }

    // What programs in the kernel may do with the connection's packets follows from its state.
    template <class Ip>
    void audit_masks(std::uint32_t index) {
        using engine::TcpDirection;
        auto& flows = tables().flows<Ip>();
        const xvs_connection& record = tables().connections<Ip>()[index];
        const bool is_tcp = record.protocol == static_cast<std::uint8_t>(model::Protocol::Tcp);
        const auto state = static_cast<engine::TcpState>(record.protocol_state);
        // A template is no packet's; a connection that was never followed is the engine's alone.
        const bool is_template = (record.flags & engine::kConnectionTemplate) != 0;
        const bool is_let_go = record.inbound == XVS_NONE;
        const bool is_unfollowed = (record.flags & engine::kConnectionUnfollowed) != 0 ||
                                   (is_tcp && state == engine::TcpState::None);
        // Without a service all is the engine's once every connection was visited.
        if (is_template || is_let_go || is_unfollowed || !is_served<Ip>()) return;
        if (engine::is_sctp(record)) return audit_sctp_masks<Ip>(index);
        const bool is_half_seen = (record.flags & engine::kConnectionNoOutput) != 0;
        const auto inbound = is_half_seen ? TcpDirection::InboundOnly : TcpDirection::Inbound;
        const auto expect = [&](flow::SlotIndex slot, unsigned punt, TcpDirection direction) {
            const auto& entry = flows.entry(slot);
            const unsigned report = is_tcp ? engine::tcp_events_to_report(direction, state) : 0;
            // Nothing that is not TCP has a SYN.
            const unsigned told = is_tcp ? entry.punt : entry.punt & ~XVS_EVENT_SYN;
            // A template may have been assured by another connection meanwhile.
            const bool may_assure = !is_tcp && record.controller != XVS_NONE &&
                                    direction == TcpDirection::Outbound &&
                                    entry.report == XVS_EVENT_NONE;
            const bool is_right =
                (entry.report == report || may_assure) && (told == punt || punt == XVS_EVENT_ANY);
            if (!is_right) report_masks(index, slot);
        };
        const auto method =
            static_cast<model::ForwardingMethod>(record.flags & engine::kConnectionMethodMask);
        const bool is_watched =
            record.role == XVS_ROLE_FTP ||
            (record.flags & (engine::kConnectionNoClientPort | engine::kConnectionOwnClient)) != 0;
        // The way of what was announced is looked up when it comes.
        const std::uint32_t way = flows.entry(record.inbound).translation;
        const bool is_unknown = way == XVS_NONE || tables().translations()[way].tunnel != 0;
        const bool is_engines = is_watched || is_unknown ||
                                (method == model::ForwardingMethod::Tunnel &&
                                 director_.engine.sysctls().pmtu_disc == 0);
        const unsigned closed =
            may_be_replaced(record) ? XVS_PUNT_CLOSED | unsigned{XVS_EVENT_SYN} : 0;
        expect(record.inbound,
               is_engines ? XVS_EVENT_ANY
               : is_tcp   ? closed | XVS_EVENT_SYN
                          : 0,
               inbound);
        if (record.outbound == XVS_NONE) return;
        // What comes for a client on the director is the engine's.
        const std::uint32_t back = flows.entry(record.outbound).translation;
        const bool is_resolved =
            back != XVS_NONE && (tables().translations()[back].rewrite & XVS_TO_HOST) == 0;
        expect(record.outbound,
               is_resolved && !is_watched ? closed : XVS_EVENT_ANY,
               TcpDirection::Outbound);
    }

    template <class Ip>
    [[nodiscard]] bool is_served() const {
        const auto& services = tables().services();
        for (std::uint32_t index = 0; index < services.used(); ++index) {
            const bool is_of_family =
                services[index].family == static_cast<std::uint8_t>(Ip::kFamily);
            if (services.is_used(index) && is_of_family) return true;
        }
        return false;
    }

    // Whether a program that draws may begin another connection with its five fields.
    [[nodiscard]] bool may_be_replaced(const xvs_connection& record) const {
        using engine::TcpState;
        const auto state = static_cast<TcpState>(record.protocol_state);
        const std::int32_t mode = director_.engine.sysctls().conn_reuse_mode;
        const bool is_half_seen = (record.flags & engine::kConnectionNoOutput) != 0;
        const bool is_over = state == TcpState::TimeWait || state == TcpState::Close ||
                             (state == TcpState::FinWait && is_half_seen && (mode & 2) != 0);
        return director_.tables->has_open_stocks() && engine::is_tcp(record) && mode != 0 &&
               is_over && record.controller == XVS_NONE && record.role == XVS_ROLE_NONE;
    }

    // Whatever leads from state to state is the engine's, and so is what takes a new checksum.
    template <class Ip>
    void audit_sctp_masks(std::uint32_t index) {
        const auto& flows = tables().flows<Ip>();
        const xvs_connection& record = tables().connections<Ip>()[index];
        const auto state = static_cast<engine::SctpState>(record.protocol_state);
        for (const flow::SlotIndex slot : {record.inbound, record.outbound}) {
            if (slot == XVS_NONE) continue;
            const auto& entry = flows.entry(slot);
            unsigned wanted = XVS_EVENT_CHUNK;
            if (engine::follows_sctp_data(state)) wanted |= XVS_EVENT_NONE;
            if (entry.translation == XVS_NONE || rewrites_port(entry.translation))
                wanted |= XVS_EVENT_NONE;
            if ((entry.punt & wanted) != wanted || entry.report != 0) report_masks(index, slot);
        }
    }

    [[nodiscard]] bool rewrites_port(std::uint32_t translation) const {
        const std::uint8_t rewrite = tables().translations()[translation].rewrite;
        return (rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0 &&
               (rewrite & XVS_KEEP_PORT) == 0;
    }

    void report_masks(std::uint32_t index, flow::SlotIndex slot) {
        report(fmt::format("record {}: entry {} has the masks of another state", index, slot));
    }

    void audit_record(std::uint32_t index, const xvs_connection& record) {
        if (!tables().destinations().is_used(record.destination)) {
            report(fmt::format(
                "record {} names destination {}, which is free", index, record.destination));
            return;
        }
        Counts& counts = counts_[record.destination];
        if ((record.flags & engine::kConnectionTemplate) != 0) {
            ++counts.templates;
            return;
        }
        ++counts.total;
        if ((record.flags & engine::kConnectionInactive) == 0) ++counts.active;
    }

    void audit_servers() {
        for (std::uint32_t i = 0; i < director_.sizes.destinations; ++i) {
            if (!tables().destinations().is_used(i)) continue;
            const engine::DestinationState& state = director_.engine.services().destination(i);
            const Counts counts = counts_[i];
            const std::string name = state.config.real.to_string();
            expect_equal(name + " active", state.active_connections, counts.active);
            expect_equal(name + " total", state.total_connections, counts.total);
            expect_equal(name + " templates", state.persistent_connections, counts.templates);
            for (const std::uint32_t each : {state.translation, state.reply_translation}) {
                if (each != XVS_NONE) ++references_[each];
            }
        }
    }

    // Decisions that nobody has drawn have references, and are counted.
    void audit_stocks() {
        flow::StockTable& stocks = tables().stocks();
        std::map<std::uint8_t, std::uint32_t> left;
        for (const engine::ServiceState* service : director_.engine.services().in_order()) {
            if (!service->stock.is_open()) continue;
            std::uint32_t count = 0;
            service->stock.for_each_ring([&](std::uint32_t ring) {
                const std::uint32_t left_here = stocks.left(ring);
                count += left_here;
                for (std::uint32_t i = 0; i < left_here; ++i) {
                    const xvs_decision& decision = stocks.at(ring, stocks.drawn(ring) + i);
                    for (const std::uint32_t each : {decision.inbound, decision.outbound}) {
                        if (each != XVS_NONE) ++references_[each];
                    }
                }
            });
            left[static_cast<std::uint8_t>(service->config.key.family())] += count;
            std::uint32_t stocked = 0;
            for (const auto* each = service->destinations.first(); each != nullptr;
                 each = each->next)
                stocked += each->stocked_connections;
            expect_equal(service->config.key.to_string() + " stocked", stocked, count);
        }
        for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}})
            expect_equal("outstanding decisions", stocks.outstanding().of(family), left[family]);
    }

    void audit_translations() {
        for (std::uint32_t i = 0; i < tables().translations().size(); ++i)
            expect_equal(fmt::format("references of translation {}", i),
                         references(i),
                         references_.contains(i) ? references_[i] : 0);
    }

    // Of prefixes and lists the steering has what the engine has.
    void audit_access() {
        const testing::FakeSteering& steering = director_.steering;
        const engine::Services& known = director_.engine.services();
        std::map<std::uint32_t, std::uint32_t> prefixes;
        for (const auto& [key, action] : steering.access_prefixes)
            ++prefixes[key.list];
        std::uint32_t of_services = 0;
        for (const engine::ServiceState* service : known.in_order()) {
            if (!service->access) continue;
            const std::uint32_t number = XVS_ACCESS_OF_SERVICE(service->index);
            expect_equal("prefixes of a service", prefixes[number], service->access->prefixes);
            expect_equal("a service's list", steering.access_lists.count(number), 1);
            of_services += service->access->prefixes;
        }
        const std::uint32_t of_all = prefixes[XVS_ACCESS_OF_ALL];
        expect_equal("all prefixes", known.access_lists().prefixes(), of_services + of_all);
        expect_equal("steered prefixes", steering.access_prefixes.size(), of_services + of_all);
        expect_equal("the list for all",
                     steering.access_lists.count(XVS_ACCESS_OF_ALL),
                     of_all != 0 ? 1 : 0);
    }

    void audit_steering() {
        decltype(testing::FakeSteering::services) services;
        decltype(testing::FakeSteering::nat_sources) nat_sources;
        for (const engine::ServiceState* service : director_.engine.services().in_order()) {
            const model::ServiceKey& key = service->config.key;
            if (key.fwmark == 0) services.insert(key);
            for (const auto* each = service->destinations.first(); each; each = each->next) {
                const bool is_nat = each->config.method == model::ForwardingMethod::Masquerade;
                if (is_nat && !each->is_nat_source) report("a NAT destination is not steered");
            }
        }
        // Those that were NAT destinations among them, as long as connections may need them.
        for (std::uint32_t i = 0; i < tables().destinations().capacity(); ++i) {
            if (!tables().destinations().is_used(i)) continue;
            const engine::DestinationState& each = director_.engine.services().destination(i);
            if (each.is_nat_source) ++nat_sources[{each.service_key.protocol, each.config.real}];
        }
        audit_access();
        if (services != director_.steering.services) report("the steered services differ");
        if (nat_sources != director_.steering.nat_sources) report("the steered NAT sources differ");
    }

    // One for each control connection, but for those of an earlier daemon that said nothing since.
    void audit_assistances() {
        for (const xvs_assistance& each : tables().assistances()) {
            if (each.state == 0) continue;
            const bool is_ipv4 = each.family == static_cast<std::uint8_t>(net::Family::Ipv4);
            const xvs_connection& record =
                is_ipv4 ? tables().connections<flow::Ipv4>()[each.connection]
                        : tables().connections<flow::Ipv6>()[each.connection];
            if (record.state != each.state || record.role != XVS_ROLE_FTP)
                report(fmt::format("connection {} is assisted, and is none", each.connection));
        }
    }

    Director& director_;
    std::string problems_;
    std::map<std::uint32_t, Counts> counts_;             // by destination
    std::map<std::uint32_t, std::uint32_t> references_;  // by translation
};

}  // namespace

std::string Director::inconsistencies() {
    return Audit(*this).inconsistencies();
}

std::string Director::leftovers() {
    return Audit(*this).leftovers();
}

}  // namespace xvs::test
