#!/usr/bin/env bash
# tests/fuzz/run.sh BUILD SECONDS [TARGET...]: libFuzzer on each target (without one: on all) for so long.
#
# Inputs that reach something new gather in BUILD/fuzz/corpus/TARGET; what breaks a target is left in
# BUILD/fuzz/found/TARGET. Copy it to tests/fuzz/corpus/TARGET, where each ordinary run replays it.
set -euo pipefail
build=$1/fuzz seconds=$2
shift 2
clang=$(command -v clang || compgen -c clang- | grep -xE 'clang-[0-9]+' | sort -V | tail -n 1) || {
	echo "fuzz: clang is missing" >&2
	echo "  hint: apt-get install clang libclang-rt-14-dev" >&2
	exit 1
}
clang=$(basename "$clang")
[ -e "$build/build.ninja" ] ||
	CC=$clang CXX=${clang/clang/clang++} meson setup -Dfuzz=true -Dwerror=false -Ddebug=true -Doptimization=1 \
		-Db_sanitize=address,undefined -Db_lundef=false "$build" >/dev/null
ninja -C "$build" --quiet tests/fuzz_main
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/^FUZZ(\(.*\))$/\1/p' tests/fuzz/fuzz.def)
failed=0
for target in "${@:-${targets[@]}}"; do
	corpus=$build/corpus/$target found=$build/found/$target log=$build/$target.log
	mkdir -p "$corpus" "$found"
	export MR_FUZZ_TARGET=$target
	MR_FUZZ_SEEDS=$corpus "$build/tests/fuzz_main" 2>"$log" || { cat "$log" >&2 && exit 2; }
	if "$build/tests/fuzz_main" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=65536 \
		-artifact_prefix="$found/" "$corpus" >"$log" 2>&1; then
		result=ok
	else
		result=FAILED failed=$((failed + 1))
	fi
	echo "$result $target: $(grep -oE 'Done [0-9]+ runs in [0-9]+ second|SUMMARY: .*' "$log" | tail -n 1)," \
		"$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1), $(ls "$found" | wc -l) found"
done
echo "$failed failed"
[ "$failed" = 0 ]
