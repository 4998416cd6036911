# How tests are registered, so that tools/run_tests.py can name every one that did not run.
#
# Labels: unit, scenario, property, fuzz-smoke and lint need no privilege; lab tests send packets
# through network namespaces, as root. bench tests look at ratios and counts of instructions.
# A test that cannot run here exits with 77, and its last line of output says why:
#     echo "no BPF in this kernel (CONFIG_BPF_SYSCALL)"; exit 77
# A GoogleTest test does the same by GTEST_SKIP() << "why", case by case.
# Every test finds XVS_BIN_DIR in its environment: the directory of xvsd, xvsadm and xvs.
set(XVS_SKIPPED 77)

# Internal: what all kinds of tests share.
function(xvs_test_properties name labels timeout)
    set(environment XVS_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    list(APPEND environment GTEST_OUTPUT=xml:${CMAKE_BINARY_DIR}/reports/${name}.xml)
    set_tests_properties(${name} PROPERTIES
        LABELS "${labels}"
        TIMEOUT ${timeout}
        SKIP_RETURN_CODE ${XVS_SKIPPED}
        ENVIRONMENT "${environment}")
    # Lab tests wait for the most part, each in namespaces of its own: some run side by side, and they
    # start first. What a benchmark measures it has the machine for.
    if(lab IN_LIST labels)
        set_tests_properties(${name} PROPERTIES COST 100)
    elseif(bench IN_LIST labels)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# xvs_gtest(NAME LABEL label SOURCES ... DEPS ...): a GoogleTest program and its test, named
# NAME. Built in the tests/ folder of the build, apart from what is installed.
function(xvs_gtest name)
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT;TARGET" "SOURCES;DEPS" ${ARGN})
    if(NOT ARG_TARGET)
        string(REPLACE "." "_" ARG_TARGET xvs_${name})
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    xvs_test_program(${ARG_TARGET} ${ARG_SOURCES})
    # Warnings first: what a dependency takes back comes after them.
    target_link_libraries(${ARG_TARGET} PRIVATE xvs_warnings ${ARG_DEPS}
        GTest::gmock GTest::gtest_main)
    target_include_directories(${ARG_TARGET} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
    add_test(NAME ${name} COMMAND ${ARG_TARGET} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    xvs_test_properties(${name} "${ARG_LABEL}" ${ARG_TIMEOUT})
endfunction()

# xvs_test(NAME LABEL label COMMAND ...): any other program as a test; exit 0 passes, 77 skips.
function(xvs_test name)
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "COMMAND" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    add_test(NAME ${name} COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    xvs_test_properties(${name} "${ARG_LABEL}" ${ARG_TIMEOUT})
endfunction()

# xvs_lab_test(NAME COMMAND ... [TIMEOUT seconds] [SLOTS count]): a test through real network
# namespaces. It needs root: where it cannot run it exits with 77 as above. tools/run_tests.py has two
# slots a CPU; a test that sends without a pause takes several.
function(xvs_lab_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT;SLOTS" "COMMAND" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    if(NOT ARG_SLOTS)
        set(ARG_SLOTS 1)
    endif()
    xvs_test(${name} LABEL lab TIMEOUT ${ARG_TIMEOUT} COMMAND ${ARG_COMMAND})
    set_tests_properties(${name} PROPERTIES PROCESSORS ${ARG_SLOTS})
endfunction()
