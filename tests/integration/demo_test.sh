#!/usr/bin/env bash
# The demo, as a test: deploy/demo with the programs of an existing build.
#
#   tests/integration/demo_test.sh BUILD_DIR
#
# It must end with the same weights whatever the delays, survive a killed worker, refuse to count a
# push twice, say so, notice when something is wrong, and leave nothing behind.
set -uo pipefail

if (($# != 1)) || [[ ! -x $1/bin/digits_worker ]]; then
    echo "usage: $0 BUILD_DIR, which has bin/gradfoldd and bin/digits_worker" >&2
    exit 2
fi
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
demo=$here/../../deploy/demo
work=$(mktemp -d "${TMPDIR:-/tmp}/gradfold-demo-test.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
mkdir "$work/tmp" # where the demo puts its own temporary folder
export TMPDIR=$work/tmp
passed=0
failed=0

# check WHAT COMMAND…: a test is a command that succeeds.
check()
{
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then
        passed=$((passed + 1))
        echo "ok - $what"
    else
        failed=$((failed + 1))
        echo "not ok - $what"
    fi
}

# run NAME [OPTION…]: the demo's output goes to $work/NAME, its exit status to $status.
run()
{
    local name=$1
    shift
    status=0
    "$demo" --build-dir "$build" "$@" >"$work/$name" 2>&1 || status=$?
}

sums_of()
{
    sed -n 's/.*SHA-256.*: \([0-9a-f]\{64\}\)$/\1/p' "$work/$1"
}

says()
{
    grep -Eq -- "$2" "$work/$1"
}

last_figure_is_accuracy()
{
    tail -n 1 "$work/$1" | grep -Eq '(^| )(9[5-9]|100)\.[0-9] %$'
}

five_equal_sums()
{
    [[ $(sums_of "$1" | wc -l) == 5 && $(sums_of "$1" | sort -u | wc -l) == 1 ]]
}

killed_in_the_middle()
{
    local round
    round=$(sed -n 's/.*killed (SIGKILL) in round \([0-9]*\);.*/\1/p' "$work/$1")
    ((round > 0 && round < $2))
}

resumed_where_it_was()
{
    local killed back
    killed=$(sed -n 's/.*killed (SIGKILL) in round \([0-9]*\);.*/\1/p' "$work/$1")
    back=$(sed -n 's/.*is back and does round \([0-9]*\) again; its pushes: [A-Z]*, [A-Z]*$/\1/p' \
        "$work/$1")
    [[ -n $back && $back == "$killed" ]]
}

many_orders()
{
    (($(sed -n 's/.*pushed in \([0-9]*\) different orders.*/\1/p' "$work/$1") >= 6))
}

# A pipe gets whole lines, no terminal's control characters.
quiet_progress()
{
    (($(grep -Ec 'round +[0-9]+/[0-9]+ +loss [0-9.]+ +test accuracy +[0-9.]+ % +[0-9]+ rounds/s' \
        "$work/$1") >= 10)) && ! grep -q $'[\r\033]' "$work/$1"
}

# Neither files, nor processes that name this test's folders, nor a server on its port.
nothing_left()
{
    local address
    address=$(sed -n 's/.*through gradfoldd on 127.0.0.1:\([0-9]*\).*/\1/p' "$work/$1")
    [[ -n $address && -z $(ls -A "$TMPDIR") ]] &&
        ! grep -lqs -- "$TMPDIR" /proc/[0-9]*/cmdline &&
        ! (exec 3<>"/dev/tcp/127.0.0.1/$address") 2>/dev/null
}

# -- Twice the same, with other delays --

check "the mean of the single process is the exact one" \
    /usr/bin/python3 "$here/demo_mean_test.py" "$build"

for name in slow fast; do
    if [[ $name == slow ]]; then
        run slow --delay-ms 4
    else
        run fast --delay-ms 1
    fi
    check "$name: exit status 0" test "$status" = 0
    check "$name: four workers and the single process have the same weights" five_equal_sums "$name"
    check "$name: one was killed in the middle" killed_in_the_middle "$name" 900
    check "$name: and went on where it was" resumed_where_it_was "$name"
    check "$name: a push that was accepted is a duplicate" \
        says "$name" 'pushes round 180 again, .*: DUPLICATE$'
    check "$name: the order of arrival changed" many_orders "$name"
    check "$name: progress in a pipe" quiet_progress "$name"
    check "$name: the last figure is the accuracy, above 95 %" last_figure_is_accuracy "$name"
    check "$name: nothing is left" nothing_left "$name"
    ((status == 0)) || cat "$work/$name"
done
check "both runs end with the same weights" \
    test "$(sums_of slow | sort -u)" = "$(sums_of fast | sort -u)"

# -- It notices --

run short --rounds 80
check "too little training: failure" test "$status" = 1
check "too little training: it says so" says short 'the test accuracy is [0-9.]+ %, expected more'
check "too little training: nothing is left" nothing_left short

# Programs as they are, but for a single process that trains a round less.
mkdir -p "$work/wrong/bin"
ln -s "$build"/bin/{gradfoldd,digits_worker,digits_test} "$work/wrong/bin/"
printf '#!/bin/sh\nexec %q/bin/digits_alone "$@" --rounds 79\n' "$build" \
    >"$work/wrong/bin/digits_alone"
chmod +x "$work/wrong/bin/digits_alone"
run differs --build-dir "$work/wrong" --rounds 80
check "other weights: failure" test "$status" = 1
check "other weights: it says so" says differs 'the two trainings differ'

status=0
timeout --preserve-status -s INT 2 "$demo" --build-dir "$build" --delay-ms 50 \
    >"$work/interrupted" 2>&1 || status=$?
check "Ctrl-C: exit status 130" test "$status" = 130
check "Ctrl-C: nothing is left" nothing_left interrupted

echo "$passed passed, $failed failed"
((failed == 0))
