// What the lab tests share: a laboratory of a test's own, and Results as assertions.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "lab/laboratory.h"
#include "lab/real_service.h"
#include "lab/registry.h"
#include "lab/traffic.h"

// The value of a Result<T>, or a failed test that says the error's sentence.
#define ASSERT_OK_AND_ASSIGN(declaration, expression)                                              \
    auto declaration##_result = (expression);                                                      \
    ASSERT_TRUE(declaration##_result) << #expression ": " << declaration##_result.error().context; \
    auto& declaration = *declaration##_result

#define ASSERT_OK(expression)                                                    \
    do {                                                                         \
        const auto ok_result = (expression);                                     \
        ASSERT_TRUE(ok_result) << #expression ": " << ok_result.error().context; \
    } while (false)

#define EXPECT_OK(expression)                                                    \
    do {                                                                         \
        const auto ok_result = (expression);                                     \
        EXPECT_TRUE(ok_result) << #expression ": " << ok_result.error().context; \
    } while (false)

namespace xvs::lab {

inline constexpr model::ForwardingMethod kMethods[] = {model::ForwardingMethod::Masquerade,
                                                       model::ForwardingMethod::DirectRoute,
                                                       model::ForwardingMethod::Tunnel};

// xvs, xvsd and xvsadm of this build.
inline Programs programs() {
    const char* directory = std::getenv("XVS_BIN_DIR");  // NOLINT(concurrency-mt-unsafe)
    if (directory != nullptr) return Programs::in(directory);
    return Programs::in(Programs::beside_this().xvs.parent_path().parent_path() / "bin");
}

inline std::string unique_name(std::string_view what) {
    static int count = 0;
    return "test-" + std::to_string(::getpid()) + "-" + std::string(what) + "-" +
           std::to_string(++count);
}

// A topology with its real servers' services, without xvsd.
inline Result<Laboratory> build_bare(PlanOptions plan) {
    LaboratoryOptions options;
    options.name = unique_name(method_word(plan.method));
    options.plan = plan;
    return Laboratory::build(options, programs());
}

inline Result<Laboratory> build_bare(model::ForwardingMethod method, unsigned real_servers = 2) {
    PlanOptions plan;
    plan.method = method;
    plan.real_servers = real_servers;
    return build_bare(plan);
}

// Who forwards the packets of established connections: what is told of xvsd is told both ways.
enum class FastPath : bool { Off, On };

inline std::vector<std::string> arguments_of(FastPath fast_path) {
    if (fast_path == FastPath::On) return {};
    return {"--no-fast-path"};
}

// Of a test's parameter.
inline std::string name_of_way(FastPath fast_path) {
    return fast_path == FastPath::On ? "fast_path" : "engine_only";
}

// With xvsd, and the plan's services of both families.
inline Result<Laboratory> build_balanced(model::ForwardingMethod method,
                                         unsigned real_servers = 2,
                                         FastPath fast_path = FastPath::On) {
    auto lab = build_bare(method, real_servers);
    if (!lab) return lab;
    if (auto started = lab->start_director(arguments_of(fast_path)); !started)
        return fail(started.error());
    for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
        if (auto configured = lab->configure(family); !configured) return fail(configured.error());
    }
    return lab;
}

// A directory for files that go with the laboratory.
inline std::filesystem::path directory_of_test(const Laboratory& lab) {
    return directory_of(lab.name());
}

inline net::IpAddress address(std::string_view text) {
    return net::IpAddress::parse(text).value();
}

inline net::Endpoint endpoint(const net::IpAddress& where, std::uint16_t port) {
    return {where, net::Port{port}};
}

}  // namespace xvs::lab
