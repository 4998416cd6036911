# xvs_bpf(TARGET PROGRAM.bpf.c): compiles a BPF program for the kernel and offers it to TARGET as
# the skeleton "FOLDER/PROGRAM.skel.h" (FOLDER: that of src/), which holds the object itself: nothing
# is loaded from a file.
find_program(XVS_BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(XVS_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

function(xvs_bpf target source)
    get_filename_component(name ${source} NAME)
    string(REGEX REPLACE "\\.bpf\\.c$" "" name ${name})
    get_filename_component(module ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    set(root ${CMAKE_CURRENT_BINARY_DIR}/bpf)
    set(folder ${root}/${module})
    file(MAKE_DIRECTORY ${folder})
    set(object ${folder}/${name}.bpf.o)
    set(skeleton ${folder}/${name}.skel.h)
    add_custom_command(OUTPUT ${skeleton}
        COMMAND ${XVS_BPF_CLANG} -target bpf -mcpu=v3 -g -O2 -std=gnu11
            -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-declarations
            -I ${PROJECT_SOURCE_DIR}/src -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -MT ${skeleton}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
        COMMAND ${XVS_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
        DEPFILE ${object}.d
        COMMENT "Compiling BPF program ${source}"
        VERBATIM)
    target_sources(${target} PRIVATE ${skeleton})
    # Generated code is not held to our warnings.
    target_include_directories(${target} SYSTEM PRIVATE ${root})
endfunction()
