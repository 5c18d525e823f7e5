# shellcheck shell=bash
# Counting checks, for the scripts of this folder; they set $work, a folder of their own.
: "${work:?}"
passed=0
failed=0

# check WHAT COMMAND...: a test is a command that succeeds. What a failing one said is shown.
check()
{
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        printf '[  ok] %s\n' "$what"
    else
        failed=$((failed + 1))
        printf '[FAIL] %s\n' "$what"
        tail -n 20 "$work/said" | sed 's/^/       /'
    fi
}

# The last line is what tests/run counts.
summary()
{
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0))
}

# skipped WHY: ends the script; nothing was tested, and the last line says so.
skipped()
{
    printf '0 passed, 0 failed: SKIPPED, %s\n' "$*"
    exit 0
}
