# xvs_warnings: the warning set that every target of ours is built with.
add_library(xvs_warnings INTERFACE)
target_compile_options(xvs_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-align -Wcast-qual
    -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion -Wundef -Wvla
    $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi
        -Wmissing-declarations>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wduplicated-cond -Wduplicated-branches
        -Wlogical-op -Wuseless-cast -Wsuggest-override>
    $<$<CXX_COMPILER_ID:Clang>:-Wimplicit-int-conversion -Wunreachable-code -Wcomma -Wloop-analysis
        -Wnewline-eof>)
if(XVS_WERROR)
    target_compile_options(xvs_warnings INTERFACE -Werror)
endif()
