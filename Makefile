# A thin front of Meson and Ninja: what people type. Missing Debian packages are installed by tools/need.
CC ?= gcc
ifeq ($(origin CC),default)
CC = gcc
endif
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
NINJA = ninja -j $(JOBS)
SANITIZE = --buildtype=debugoptimized -Dhardening=false -Darena_debug=true -Db_lundef=false

.PHONY: all release debug demo test lint asan tsan soak soak-tsan fuzz fuzz-smoke bench bench-quick cover docs install clean clang-build
all: release

# One directory per kind of build; CC is fixed when it is made.
build/release/build.ninja:
	@tools/need build
	CC=$(CC) meson setup build/release --buildtype=debugoptimized -Dwhole_program=true --prefix=$(PREFIX)
build/debug/build.ninja:
	@tools/need build
	CC=$(CC) meson setup build/debug --buildtype=debug -Dhardening=false -Darena_debug=true
build/asan/build.ninja:
	@tools/need build sanitize
	CC=clang CC_LD=lld meson setup build/asan $(SANITIZE) -Db_sanitize=address,undefined
build/tsan/build.ninja:
	@tools/need build sanitize
	CC=clang CC_LD=lld meson setup build/tsan $(SANITIZE) -Db_sanitize=thread
build/fuzz/build.ninja:
	@tools/need build sanitize
	CC=clang CC_LD=lld meson setup build/fuzz $(SANITIZE) -Db_sanitize=address,undefined -Dfuzz=true
build/clang/build.ninja:
	@tools/need build lint
	CC=clang CC_LD=lld meson setup build/clang --buildtype=debug -Dhardening=false
build/cover/build.ninja:
	@tools/need build
	CC=gcc meson setup build/cover --buildtype=debug -Dhardening=false -Db_coverage=true

# The program: build/release/sallyport
release: build/release/build.ninja
	@$(NINJA) -C build/release sallyport
debug: build/debug/build.ninja
	@$(NINJA) -C build/debug
clang-build: build/clang/build.ninja
	@$(NINJA) -C build/clang

demo: release
	@tools/need demo
	@build/release/sallyport dev

# Packages of the end-to-end tests, by the lock file.
tests/e2e/node_modules/.package-lock.json: tests/e2e/package-lock.json
	@tools/need test
	cd tests/e2e && npm ci --no-audit --no-fund
	@touch $@
npm = $(if $(wildcard tests/e2e/package-lock.json),tests/e2e/node_modules/.package-lock.json)

test: build/release/build.ninja $(npm)
	@tools/need test
	@$(NINJA) -C build/release
	@tests/run --build build/release

asan: build/asan/build.ninja $(npm)
	@tools/need test
	@$(NINJA) -C build/asan
	@tests/run --build build/asan --sanitizer asan

tsan: build/tsan/build.ninja $(npm)
	@tools/need test
	@$(NINJA) -C build/tsan
	@tests/run --build build/tsan --sanitizer tsan

# Honest and hostile clients for SECONDS (900), under AddressSanitizer or ThreadSanitizer; a short form is in `make test`.
soak: build/asan/build.ninja $(npm)
	@tools/need test
	@$(NINJA) -C build/asan sallyport
	@SALLYPORT_SOAK_SECONDS=$(or $(SECONDS),900) tests/run --build build/asan --sanitizer asan --show soak/
soak-tsan: build/tsan/build.ninja $(npm)
	@tools/need test
	@$(NINJA) -C build/tsan sallyport
	@SALLYPORT_SOAK_SECONDS=$(or $(SECONDS),900) tests/run --build build/tsan --sanitizer tsan --show soak/

# Each target for SECONDS (1200), one after the other; fuzz-smoke: for a few, two at a time.
fuzz: build/fuzz/build.ninja
	@$(NINJA) -C build/fuzz fuzz-targets
	@tools/fuzz --seconds $(or $(SECONDS),1200) $(TARGETS)
fuzz-smoke: build/fuzz/build.ninja
	@$(NINJA) -C build/fuzz fuzz-targets
	@tools/fuzz --seconds $(or $(SECONDS),5) --jobs $(JOBS)

lint: build/clang/build.ninja
	@tools/lint

bench: release
	@tools/need bench
	@bench/run
bench-quick: release
	@tools/need bench
	@bench/run --quick

cover: build/cover/build.ninja $(npm)
	@tools/need test cover
	@$(NINJA) -C build/cover
	@# As root the gateway process is another user, and writes its counts too.
	@find build/cover -name '*.gcda' -delete
	@find build/cover -type d -exec chmod a+rwx {} +
	@umask 0 && tests/run --build build/cover
	@# What fuzzing has found on this machine reaches as far as it did then.
	@for corpus in build/fuzz/corpus/*; do [ ! -d "$$corpus" ] || build/cover/tests/fuzz/replay_$${corpus##*/} "$$corpus" >/dev/null; done
	@gcovr --root . --object-directory build/cover --filter src/ --print-summary --html-details build/cover/coverage.html

# What is generated from the tables of fields and kept in the repository.
docs: release
	build/release/sallyport docs reference >docs/configuration.md
	build/release/sallyport docs schema >docs/configuration.schema.json
	build/release/sallyport docs reasons >docs/reasons.md
	build/release/sallyport docs openapi >docs/admin-api.openapi.json

install: release
	meson install -C build/release --no-rebuild

clean:
	rm -rf build
