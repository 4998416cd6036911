# What XVS_ONCE makes of test programs, most of what there is to compile: the second compiler judges
# their sources without making code that nobody runs, and reads the headers of others once for all.
# Programs that are installed are built by both compilers all the same.
set(XVS_CHECK_TESTS OFF)
if(XVS_ONCE AND CMAKE_CXX_COMPILER_ID STREQUAL Clang AND NOT XVS_SANITIZE)
    set(XVS_CHECK_TESTS ON)
endif()

# xvs_test_program(TARGET SOURCES ...): an executable, or with XVS_CHECK_TESTS the judgement alone.
function(xvs_test_program target)
    if(XVS_CHECK_TESTS)
        add_library(${target} OBJECT ${ARGN})
        set_target_properties(${target} PROPERTIES
            CXX_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/tools/check_source.sh)
    else()
        add_executable(${target} ${ARGN})
    endif()
    target_compile_options(${target} PRIVATE ${XVS_TEST_OPTIONS})
    if(XVS_CHECK_TESTS)
        target_precompile_headers(${target} REUSE_FROM xvs_precompiled)
    endif()
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()

# The headers of others that most tests include.
function(xvs_precompiled_headers)
    if(NOT XVS_CHECK_TESTS)
        return()
    endif()
    set(source ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cc)
    file(CONFIGURE OUTPUT ${source} CONTENT "int main() {}\n")
    # As test programs are: code that is compiled with other options cannot use them.
    add_library(xvs_precompiled OBJECT ${source})
    target_compile_options(xvs_precompiled PRIVATE ${XVS_TEST_OPTIONS})
    target_link_libraries(xvs_precompiled PRIVATE xvs_warnings GTest::gmock fmt::fmt)
    target_precompile_headers(xvs_precompiled PRIVATE
        <algorithm> <array> <atomic> <bit> <charconv> <chrono> <cstdint> <cstring> <deque> <filesystem>
        <fstream> <functional> <iostream> <map> <memory> <mutex> <optional> <random> <regex> <set> <span>
        <sstream> <string> <string_view> <thread> <tuple> <unordered_map> <utility> <variant> <vector>
        <fmt/format.h> <gmock/gmock.h> <gtest/gtest.h>)
endfunction()
