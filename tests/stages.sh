#!/usr/bin/env bash
# Run make targets, all of them whatever fails, and end with a line for each: stages.sh TARGET[+TARGET...]...
# Those joined by + run at once, as one alone would leave a processor idle; the others come one after the other.
set -u
results=$(mktemp --directory)
trap 'rm -rf "$results"' EXIT

run() {
    local start=$SECONDS verdict=passed
    make --no-print-directory "$1" || verdict=FAILED
    printf '%-10s %s in %d s\n' "$1" "$verdict" $((SECONDS - start)) >>"$results/summary"
}

for group in "$@"; do
    IFS=+ read -ra stages <<<"$group"
    for stage in "${stages[@]:1}"; do run "$stage" >"$results/$stage.log" 2>&1 & done
    printf '\n==== %s ====\n' "${stages[0]}"
    run "${stages[0]}"
    wait
    for stage in "${stages[@]:1}"; do
        printf '\n==== %s ====\n' "$stage"
        cat "$results/$stage.log"
    done
done

printf '\n'
cat "$results/summary"
failed=$(grep --count FAILED "$results/summary")
printf '%d passed, %d failed\n' "$(grep --count passed "$results/summary")" "$failed"
[ "$failed" = 0 ]
