# How everything of ours is compiled, beyond its warnings: hardening, assertions, sanitizers, and
# ccache where it is installed.
option(XVS_WERROR "Treat warnings as errors" OFF)
option(XVS_HARDENING "Build as a distribution does: fortified, stack protector, CET, full RELRO" OFF)
option(XVS_ASSERTIONS "Let the standard library check its own preconditions" OFF)
option(XVS_FUZZ "Build the libFuzzer targets (clang)" OFF)
option(XVS_ONCE "Build for one run of the tests: nothing is kept for a later build, or for a debugger" OFF)
set(XVS_SANITIZE "" CACHE STRING "Sanitizers to build with, such as address,undefined")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C CXX)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

foreach(language C CXX)
    if(XVS_ONCE)
        break()  # An empty cache has nothing, and each file would be preprocessed for it first.
    endif()
    find_program(XVS_CCACHE ccache)
    if(XVS_CCACHE AND NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
        set(CMAKE_${language}_COMPILER_LAUNCHER ${XVS_CCACHE})
    endif()
endforeach()

if(XVS_HARDENING)
    add_compile_options(-fstack-protector-strong)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
        add_compile_options(-fcf-protection)
    endif()
    # It needs optimization to have any effect, and warns without.
    if(NOT CMAKE_BUILD_TYPE STREQUAL Debug)
        add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    endif()
    add_link_options(-Wl,-z,relro,-z,now)
endif()
if(XVS_ASSERTIONS)
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
if(XVS_SANITIZE)
    add_compile_options(-fsanitize=${XVS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${XVS_SANITIZE})
endif()
if(XVS_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
        message(FATAL_ERROR "XVS_FUZZ needs clang, for libFuzzer; use: cmake --preset fuzz")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(XVS_ONCE)
    foreach(language C CXX)
        string(REGEX REPLACE "(^| )-g($| )" " " CMAKE_${language}_FLAGS_RELWITHDEBINFO
            "${CMAKE_${language}_FLAGS_RELWITHDEBINFO}")
        set(CMAKE_${language}_FLAGS_DEBUG "")
    endforeach()
endif()

# Tests are most of what there is to compile, and neither measured nor installed: half the time goes
# into optimizing them and into debug information. The presets dev and asan have both as usual.
# Without the last option g++ 12 sees null pointers, at -O1, where there are none.
set(XVS_TEST_OPTIONS "")
if(CMAKE_BUILD_TYPE STREQUAL RelWithDebInfo AND NOT XVS_SANITIZE)
    set(XVS_TEST_OPTIONS -O1 -g0 -fno-delete-null-pointer-checks)
endif()
