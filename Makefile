# millrace: a thin face over meson. `make demo` and `make test` each do all of their own set-up.
BUILD ?= build
PREFIX ?= /usr/local
SETUP ?= tools/setup.sh
SECONDS ?= 600

.PHONY: all debug release tsan demo test unit torture fuzz fuzz-all lint format bench bench-broker bench-dag bench-delta interop install clean setup

all: release

setup:
	@$(SETUP)

release: setup $(BUILD)/release/build.ninja
	@ninja -C $(BUILD)/release --quiet

debug: setup $(BUILD)/debug/build.ninja
	@ninja -C $(BUILD)/debug --quiet

tsan: setup $(BUILD)/tsan/build.ninja
	@ninja -C $(BUILD)/tsan --quiet

$(BUILD)/release/build.ninja:
	meson setup --buildtype=release -Db_lto=true --prefix=$(PREFIX) $(BUILD)/release >/dev/null

$(BUILD)/debug/build.ninja:
	meson setup -Ddebug=true -Doptimization=1 -Db_sanitize=address,undefined $(BUILD)/debug >/dev/null

$(BUILD)/tsan/build.ninja:
	meson setup -Ddebug=true -Doptimization=1 -Dwerror=false -Db_sanitize=thread $(BUILD)/tsan >/dev/null

demo: release            ## the whole platform on a real access log, in a minute
	@$(SETUP) demo
	@$(BUILD)/release/millrace demo --log .deps/example.log

test: debug release      ## unit, end-to-end and simulation tests; ends with "N passed, N failed"
	@python3 tests/run.py --debug $(BUILD)/debug --release $(BUILD)/release

unit: debug              ## unit tests only: make unit T=log
	@$(BUILD)/debug/tests/unit_tests $(T)

torture: debug release   ## power loss from ten thousand seeds, cuts at every call, kill -9 by the hundred; takes long
	@python3 tests/torture.py --debug $(BUILD)/debug --release $(BUILD)/release

fuzz: setup              ## libFuzzer (clang) on one decoder: make fuzz T=record_batch SECONDS=600
	@test -n "$(T)" || { sed -n 's/^FUZZ(\(.*\))$$/T=\1/p' tests/fuzz/fuzz.def; exit 2; }
	@tests/fuzz/run.sh $(BUILD) $(SECONDS) $(T)

fuzz-all: setup          ## on each of them in turn, SECONDS each
	@tests/fuzz/run.sh $(BUILD) $(SECONDS)

lint: setup              ## layering, formatting, banned calls
	@python3 tools/lint.py

format: setup
	@clang-format -i $$(git ls-files --cached --others --exclude-standard 'src/*.[ch]' 'src/*.cpp' 'tests/*.[ch]' 'bench/*.[ch]')

bench: release           ## figures, as a table and as JSON lines
	@python3 bench/run.py --build $(BUILD)/release

bench-broker: release    ## beside Apache Kafka (Maven), in turn, by the same load generator; prints the marks
	@python3 bench/broker.py --build $(BUILD)/release

bench-dag: release       ## beside Apache Airflow (PyPI) with PostgreSQL (Debian); prints the marks
	@python3 bench/dag.py --build $(BUILD)/release

bench-delta: release     ## Delta tables beside delta-rs and DuckDB (PyPI); prints the marks
	@python3 bench/delta.py --build $(BUILD)/release

interop: release         ## other people's programs against ours (PyPI, Maven, npm, Go): make interop T=kafka
	@python3 tests/interop/run.py --build $(BUILD)/release $(T)

install: release
	@meson install -C $(BUILD)/release --no-rebuild $(if $(DESTDIR),--destdir $(DESTDIR))

clean:
	rm -rf $(BUILD)
