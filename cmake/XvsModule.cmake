# xvs_module(NAME SOURCES ... HEADERS ... DEPS ... TESTS ...): one folder of src/ as a static library
# xvs_NAME (alias xvs::NAME), with the unit tests that stand beside its code as xvs_NAME_test.
function(xvs_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;DEPS;TESTS;TEST_DEPS" ${ARGN})
    set(target xvs_${name})
    set(scope PUBLIC)
    if(ARG_SOURCES)
        add_library(${target} STATIC ${ARG_SOURCES})
        target_link_libraries(${target} PRIVATE xvs_warnings)
    else()
        add_library(${target} INTERFACE)
        set(scope INTERFACE)
    endif()
    add_library(xvs::${name} ALIAS ${target})
    # A header must stand alone. One whose own source begins with it is seen to by that source.
    set(with_source "")
    foreach(header IN LISTS ARG_HEADERS)
        string(REGEX REPLACE "\\.h$" ".cc" source ${header})
        if(source IN_LIST ARG_SOURCES)
            list(APPEND with_source ${header})
        endif()
    endforeach()
    list(REMOVE_ITEM ARG_HEADERS ${with_source})
    target_sources(${target} ${scope}
        FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${ARG_HEADERS}
        FILE_SET with_source TYPE HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${with_source})
    target_include_directories(${target} ${scope} ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} ${scope} ${ARG_DEPS})
    set_target_properties(${target} PROPERTIES
        VERIFY_INTERFACE_HEADER_SETS ON INTERFACE_HEADER_SETS_TO_VERIFY HEADERS)
    if(ARG_TESTS)
        xvs_gtest(unit.${name} TARGET ${target}_test LABEL unit
            SOURCES ${ARG_TESTS} DEPS ${target} ${ARG_TEST_DEPS})
    endif()
endfunction()
