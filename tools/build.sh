#!/bin/sh
# build.sh PRESET [TARGET...]: configures build/PRESET where that is needed, and builds. With
# XVS_ONCE set a new folder is for one run of the tests: quick to build, and no use to ccache.
set -eu

cd "$(dirname "$(readlink -f "$0")")/.."
preset=$1
shift
directory=build/$preset

for path in build "$directory"; do
    if [ -e "$path" ] && [ ! -w "$path" ]; then
        echo "$path belongs to $(stat -c %U "$path"); type: sudo chown -R $(id -un) build" >&2
        exit 1
    fi
done

# A change of any CMakeLists.txt is seen by ninja itself; one of the presets is not.
if [ ! -e "$directory/build.ninja" ] || [ CMakePresets.json -nt "$directory/build.ninja" ]; then
    cmake --preset "$preset" --log-level=NOTICE ${XVS_ONCE:+-DXVS_ONCE=ON}
    touch "$directory/build.ninja"
fi
if [ $# -gt 0 ]; then
    exec cmake --build "$directory" --target "$@"
fi
exec cmake --build "$directory"
