#!/bin/sh
# check_source.sh COMPILER OPTIONS...: runs clang for its warnings alone; leaves an empty object, so
# that nothing is done again unless a source changes. XvsOnce.cmake has the build call it.
set -eu

object=
previous=
for word; do
    [ "$previous" != -o ] || object=$word
    previous=$word
done
"$@" -fsyntax-only
: >"$object"
