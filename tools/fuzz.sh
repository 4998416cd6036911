#!/bin/sh
# fuzz.sh BUILD SECONDS: runs every fuzz target of BUILD for SECONDS seconds. New inputs stay in
# BUILD/corpus; what crashes a target is left in BUILD/crashes, to be added to fuzz/corpus/.
set -eu

source=$(dirname "$(readlink -f "$0")")/..
build=$1
seconds=$2
failed=
for target in "$build"/fuzz/*_fuzz; do
    [ -x "$target" ] || { echo "fuzz.sh: no targets in $build/fuzz" >&2; exit 1; }
    name=$(basename "$target" _fuzz)
    mkdir -p "$build/corpus/$name" "$build/crashes"
    echo "== $name: $seconds seconds"
    log=$build/$name.log
    if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$name-" \
        "$build/corpus/$name" "$source/fuzz/corpus/$name" >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */inputs run: /p;
                s/^stat::new_units_added: */new inputs that reached new code: /p' "$log"
    else
        failed="$failed $name"
        tail -n 60 "$log"
    fi
done
[ -z "$failed" ] || { echo "fuzz.sh: failed:$failed (inputs in $build/crashes)" >&2; exit 1; }
