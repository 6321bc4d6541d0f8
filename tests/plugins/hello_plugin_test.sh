#!/bin/sh
# Builds examples/hello_plugin outside the tree with its own two build files, loads it beside the
# shipped plugins, and has units checked and planned with it.
#
# usage: hello_plugin_test.sh SOURCE_DIR BUILD_DIR
set -eu
source=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

fail() {
    echo "hello_plugin: $*" >&2
    exit 1
}
verify() { "$build/bin/jailsvcd" verify --plugins "$work/plugins" "$@" 2>&1; }

cp -r "$source/examples/hello_plugin" "$work/source"
make -s -C "$work/source" JAILSVC_INCLUDE="$source/plugins/abi" CFLAGS='-Wall -Wextra -Werror'
cmake -S "$work/source" -B "$work/cmake" -DJAILSVC_INCLUDE="$source/plugins/abi" >"$work/log"
cmake --build "$work/cmake" >>"$work/log" || { cat "$work/log"; fail "its CMakeLists.txt does not build"; }
[ -e "$work/cmake/hello.so" ] || fail "CMake made no hello.so"

mkdir "$work/plugins"
chmod 755 "$work" "$work/plugins"
install -m 755 "$build"/lib/jailsvc/plugins/*.so "$work/plugins"

unit=$work/greeter.toml
printf '[service]\nexec_start = ["/bin/cat", "/run/hello"]\n[jail.hello]\ntext = "hi"\n' >"$unit"
verify "$unit" >"$work/out" && fail "[jail.hello] is known without the plugin"
grep -q 'jail.hello' "$work/out" || fail "the unknown table is not named: $(cat "$work/out")"

install -m 755 "$work/source/hello.so" "$work/plugins"
verify "$unit" >"$work/out" || fail "refused with the plugin: $(cat "$work/out")"

printf '[service]\nexec_start = ["/bin/true"]\n[jail.hello]\ntext = "%01100d"\n' 1 >"$unit"
verify "$unit" >"$work/out" && fail "a text that is too long passes"
grep -q '\[jail.hello\] text: is longer than 1000 bytes' "$work/out" ||
    fail "the plugin's refusal does not show: $(cat "$work/out")"
