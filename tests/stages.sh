#!/usr/bin/env bash
# Run make targets one after the other, all of them whatever fails, and end with a line for each: stages.sh TARGET...
set -u
summary=()
passed=0
failed=0
for stage in "$@"; do
    printf '\n==== %s ====\n' "$stage"
    start=$SECONDS
    if make --no-print-directory "$stage"; then
        verdict=passed
        passed=$((passed + 1))
    else
        verdict=FAILED
        failed=$((failed + 1))
    fi
    summary+=("$(printf '%-10s %s in %d s' "$stage" "$verdict" $((SECONDS - start)))")
done
printf '\n'
printf '%s\n' "${summary[@]}" "$passed passed, $failed failed"
[ "$failed" = 0 ]
