# xvs_fuzz_target(NAME SOURCES ... DEPS ... CORPUS directory): LLVMFuzzerTestOneInput() in SOURCES,
# built as NAME_fuzz. With XVS_FUZZ it is a libFuzzer program, which `make fuzz` runs. In every other
# build it replays the files of CORPUS (fuzz/corpus/NAME unless given) as test fuzz-smoke.NAME.
# The target fuzz_targets builds all of them and nothing else.
add_custom_target(fuzz_targets)

function(xvs_fuzz_target name)
    cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;DEPS" ${ARGN})
    if(NOT ARG_CORPUS)
        set(ARG_CORPUS ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
    endif()
    get_filename_component(corpus ${ARG_CORPUS} ABSOLUTE)
    set(target ${name}_fuzz)
    add_executable(${target} ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE ${ARG_DEPS} xvs_warnings)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
    # The fuzzer's entry point has no declaration anywhere.
    target_compile_options(${target} PRIVATE -Wno-missing-declarations)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    add_dependencies(fuzz_targets ${target})
    if(XVS_FUZZ)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/fuzz/replay_main.cc)
        target_link_libraries(${target} PRIVATE fmt::fmt)
        xvs_test(fuzz-smoke.${name} LABEL fuzz-smoke COMMAND ${target} ${corpus})
    endif()
endfunction()
