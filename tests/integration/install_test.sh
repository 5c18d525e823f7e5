#!/usr/bin/env bash
# Installs a build into an empty prefix and uses it from outside, as a user's own project would:
# through pkg-config (shared and static) and through find_package, also after the tree was moved.
set -euo pipefail

build=$(cd "${1:?usage: tests/integration/install_test.sh BUILD}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND...: counts, and shows what a failing command said.
check()
{
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        printf '[  ok] %s\n' "$name"
    else
        failed=$((failed + 1))
        printf '[FAIL] %s\n' "$name"
        sed 's/^/       /' "$work/log"
    fi
}

install_tree()
{
    cmake --install "$build" --prefix "$work/first"
    # Nobody who uses an installed tree may depend on where it was installed to.
    mv "$work/first" "$prefix"
}

write_program()
{
    mkdir "$work/program"
    cat >"$work/program/main.c" <<'END'
#include <gradfold/gradfold.h>
#include <stdio.h>

int main(void)
{
    gf_client *client = NULL;
    gf_error error;
    const gf_options options = {.size = sizeof options, .connect_timeout_ms = 100};
    gf_code code = gf_connect("127.0.0.1:1", &options, &client, &error);
    printf("%s %s\n", gf_version(), gf_code_name(code));
    return code == GF_CLIENT_UNREACHABLE ? 0 : 1;
}
END
    cat >"$work/program/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C)
find_package(gradfold 0.1 REQUIRED)
add_executable(shared main.c)
target_link_libraries(shared PRIVATE gradfold::gradfold)
add_executable(static main.c)
target_link_libraries(static PRIVATE gradfold::gradfold_static)
END
}

pkg()
{
    PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config "$@" gradfold
}

with_pkg_config_shared()
{
    # shellcheck disable=SC2046 # flags are words
    cc -Wall -Werror -o "$work/a" "$work/program/main.c" $(pkg --cflags --libs) &&
        readelf -d "$work/a" | grep -q 'NEEDED.*libgradfold\.so\.0' &&
        LD_LIBRARY_PATH=$libdir "$work/a"
}

with_pkg_config_static()
{
    # Without the .so beside it, -lgradfold is the archive.
    mkdir -p "$work/static" && cp "$libdir/libgradfold.a" "$work/static/"
    # shellcheck disable=SC2046 # flags are words
    cc -Wall -Werror -o "$work/b" "$work/program/main.c" -L"$work/static" \
        $(pkg --cflags --libs --static | sed "s#-L[^ ]*##") &&
        ! readelf -d "$work/b" | grep -q libgradfold &&
        "$work/b"
}

with_find_package()
{
    cmake -S "$work/program" -B "$work/outside" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$work/outside" && "$work/outside/shared" && "$work/outside/static"
}

version_is_refused()
{
    sed -i 's/gradfold 0.1/gradfold 7.0/' "$work/program/CMakeLists.txt"
    ! cmake -S "$work/program" -B "$work/other" -DCMAKE_PREFIX_PATH="$prefix" 2>"$work/said" &&
        grep -q 'compatible with requested version' "$work/said"
}

# only_gf NM-OPTIONS... FILE: every symbol that FILE defines for others begins with gf_.
only_gf()
{
    local symbols strangers
    symbols=$(nm --defined-only --format=posix "$@" | awk 'NF > 2 {print $1}')
    strangers=$(grep -v '^gf_' <<<"$symbols" || true)
    printf 'strangers: %s\n' "$strangers"
    [[ -z $strangers ]] && grep -q '^gf_push$' <<<"$symbols"
}

soname()
{
    readelf -d "$libdir/libgradfold.so" | grep 'SONAME.*\[libgradfold\.so\.0\]' &&
        [[ $(readlink "$libdir/libgradfold.so") == libgradfold.so.0 ]]
}

server_runs()
{
    "$prefix/bin/gradfoldd" --version | grep -E '[0-9]+\.[0-9]+\.[0-9]+'
}

headers_are_complete()
{
    local header
    for header in "$prefix"/include/gradfold/*.h; do
        cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c -I"$prefix/include" \
            "$header" || return 1
    done
}

no_build_paths()
{
    ! grep -rIl -e "$build" -e "$work/first" "$prefix"
}

manual_pages()
{
    [[ -s $prefix/share/man/man8/gradfoldd.8 && -s $prefix/share/man/man1/gradfold.1 &&
        -s $prefix/share/man/man1/gradfold-push.1 && -s $prefix/share/man/man3/libgradfold.3 ]]
}

# It holds the library, finds the server beside it, and completes where bash-completion looks.
tool_runs()
{
    (cd / && env -u LD_LIBRARY_PATH "$prefix/bin/gradfold" bench --rounds 1 --bytes 64) &&
        [[ -s $prefix/share/bash-completion/completions/gradfold ]]
}

main()
{
    prefix=$work/moved
    write_program
    check "installs" install_tree
    libdir=$(dirname "$(find "$prefix" -name pkgconfig -type d)")
    check "the server runs from its prefix" server_runs
    check "the tool runs from its prefix" tool_runs
    check "pkg-config, shared" with_pkg_config_shared
    check "pkg-config, static" with_pkg_config_static
    check "find_package, shared and static" with_find_package
    check "find_package refuses another version" version_is_refused
    check "libgradfold.so exports gf_ only" only_gf -D "$libdir/libgradfold.so"
    check "libgradfold.a exports gf_ only" only_gf -g "$libdir/libgradfold.a"
    check "SONAME and links" soname
    check "each header compiles alone" headers_are_complete
    check "no path of the build tree" no_build_paths
    check "manual pages" manual_pages
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0))
}

main
