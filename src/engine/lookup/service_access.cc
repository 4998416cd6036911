// Access lists of all services and of single ones.
#include "engine/lookup/services.h"

namespace xvs::engine {

Status Services::add_access_rule(const model::AccessRule& rule) {
    if (auto valid = model::check_access_rule(rule); !valid) return valid;
    if (!rule.service) return access_.add(access_.all(), nullptr, rule);
    ServiceState* const service = find(model::canonical(*rule.service));
    if (service == nullptr) {
        return fail(ErrorCode::NoSuchService, "no " + rule.service->to_string());
    }
    if (service->access) return access_.add(*service->access, &service->config.key, rule);
    auto list = std::make_unique<AccessList>();
    list->number = XVS_ACCESS_OF_SERVICE(service->index);
    if (auto added = access_.add(*list, &service->config.key, rule); !added) return added;
    end_stock(*service);  // whoever draws is not asked for
    service->access = std::move(list);
    return {};
}

Status Services::remove_access_rule(const model::AccessRule& rule) {
    if (!rule.service) return access_.remove(access_.all(), nullptr, rule);
    ServiceState* const service = find(model::canonical(*rule.service));
    if (service == nullptr) {
        return fail(ErrorCode::NoSuchService, "no " + rule.service->to_string());
    }
    if (!service->access) return fail(ErrorCode::NotFound, "no list says " + rule.to_string());
    if (auto removed = access_.remove(*service->access, &service->config.key, rule); !removed) {
        return removed;
    }
    if (service->access->prefixes == 0) service->access.reset();
    return {};
}

void Services::clear_access(ServiceState& service) {
    if (!service.access) return;
    access_.clear(*service.access, &service.config.key);
    service.access.reset();
}

}  // namespace xvs::engine
