#!/usr/bin/env bash
# Makes this machine able to build, test and demo millrace. Idempotent; silent and quick when
# nothing is missing. Needs Debian's and npm's registries only.
#
#   tools/setup.sh          build and test needs
#   tools/setup.sh demo     and the demo's access log
set -euo pipefail
cd "$(dirname "$0")/.."
deps=.deps

die() {
	echo "setup: $1" >&2
	[ -z "${2:-}" ] || echo "  hint: $2" >&2
	exit 1
}

check_machine() {
	[ "$(uname -s)" = Linux ] || die "millrace builds on Linux, this is $(uname -s)"
	case "$(uname -m)" in
	x86_64) ;;
	*) die "no pinned libduckdb for $(uname -m)" "add its @duckdb/node-bindings package to tools/npm-packages.lock" ;;
	esac
	command -v dpkg-query >/dev/null || die "setup knows Debian's packages only" \
		"install what tools/debian-packages.txt lists, by your system's names, then: make SETUP=:"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "Debian packages are missing and this is neither root nor has sudo" "as root: apt-get install ${missing[*]}"
	fi
}

apt_updated=
apt_update() {
	[ -n "$apt_updated" ] && return
	as_root apt-get update -qq >&2 || die "apt-get update failed" "is the network up? are the sources in /etc/apt right?"
	apt_updated=yes
}

install_debian() {
	missing=()
	local have
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
	while read -r package; do
		[[ -z $package || $package == \#* ]] && continue
		# Node's own packages bring npm along; then Debian's is not wanted.
		[ "$package" = npm ] && command -v npm >/dev/null && continue
		grep -qx "$package" <<<"$have" || missing+=("$package")
	done <tools/debian-packages.txt
	[ ${#missing[@]} = 0 ] && return
	echo "setup: installing ${missing[*]}" >&2
	apt_update
	DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
		die "apt-get install failed" "its message is above"
}

# fetch NAME VERSION INTEGRITY -> $deps/npm/NAME-VERSION/ unpacked
fetch_npm() {
	local name=$1 version=$2 want=$3 into
	into=$deps/npm/${name//\//_}-$version
	[ -e "$into/.done" ] && return
	command -v npm >/dev/null || die "npm is missing" "apt-get install npm"
	echo "setup: fetching $name $version" >&2
	rm -rf "$into" && mkdir -p "$into/pack"
	npm pack --silent --pack-destination "$into/pack" "$name@$version" >/dev/null 2>"$into/log" ||
		die "npm could not fetch $name@$version: $(tail -n 1 "$into/log")" "is the npm registry reachable?"
	local archive got
	archive=$(ls "$into"/pack/*.tgz)
	got=sha512-$(openssl dgst -sha512 -binary "$archive" | base64 -w0)
	[ "$got" = "$want" ] || die "$name@$version is not what tools/npm-packages.lock pins (got $got)" \
		"do not build with it; look at the registry, or change the lock on purpose"
	tar -xzf "$archive" -C "$into" --strip-components=1
	rm -rf "$into/pack" "$into/log"
	touch "$into/.done"
}

link_duckdb() {
	local lib header
	lib=$(ls -d $deps/npm/@duckdb_node-bindings-*/libduckdb.so)
	header=$(ls $deps/npm/duckdb-*/src/duckdb/src/include/duckdb.h)
	mkdir -p $deps/duckdb
	cmp -s "$lib" $deps/duckdb/libduckdb.so || cp "$lib" $deps/duckdb/libduckdb.so
	cmp -s "$header" $deps/duckdb/duckdb.h || cp "$header" $deps/duckdb/duckdb.h
}

# Under the names that imports use, for esbuild, tsc and node (NODE_PATH).
link_web() {
	mkdir -p $deps/web/node_modules
	local name version rest
	while read -r name version rest; do
		case $name in
		preact | playwright-core | typescript)
			ln -sfn "../../npm/$name-$version" "$deps/web/node_modules/$name"
			;;
		@esbuild/*)
			ln -sfn "../npm/${name//\//_}-$version/bin/esbuild" $deps/web/esbuild
			;;
		esac
	done <tools/npm-packages.lock
}

# The real access log that the demo plays: Debian's logstalgia ships it. The program is not installed.
fetch_demo_log() {
	[ -e $deps/example.log ] && return
	apt_update
	echo "setup: fetching the demo's access log (from Debian's logstalgia package)" >&2
	rm -rf $deps/logstalgia && mkdir -p $deps/logstalgia
	(cd $deps/logstalgia && apt-get download -qq logstalgia >&2) || die "apt-get download logstalgia failed" "or give a log: millrace demo --log FILE"
	dpkg-deb -x $deps/logstalgia/logstalgia_*.deb $deps/logstalgia
	local found
	found=$(find $deps/logstalgia -name 'example.log*' | head -n 1)
	[ -n "$found" ] || die "the logstalgia package has no example.log" "give a log: millrace demo --log FILE"
	case $found in *.gz) gzip -dc "$found" >$deps/example.log.tmp ;; *) cp "$found" $deps/example.log.tmp ;; esac
	mv $deps/example.log.tmp $deps/example.log
	rm -rf $deps/logstalgia
}

check_machine
mkdir -p $deps
# One set-up at a time; a second one waits for the first.
exec 9>$deps/lock && flock 9
install_debian
while read -r name version integrity; do
	[[ -z $name || $name == \#* ]] && continue
	fetch_npm "$name" "$version" "$integrity"
done <tools/npm-packages.lock
link_duckdb
link_web
[ "${1:-}" = demo ] && fetch_demo_log
exit 0
