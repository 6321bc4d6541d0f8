# The two commands: `make demo` and `make test`. Both install what is missing, build, and can be
# repeated. The rest is for developers; CONTRIBUTING.md says more.

PRESET ?= release
JOBS ?= $(shell nproc)
BUILD = build/$(PRESET)
DESTDIR ?=
PREFIX ?= /usr

.PHONY: all build demo test faults bench install deps clean check-format fuzz

all: build

deps:
	@tools/install-deps build

build: deps
	@cmake --preset $(PRESET) -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	@cmake --build $(BUILD) -j $(JOBS)

demo:
	@tools/install-deps build demo
	@$(MAKE) --no-print-directory build
	@examples/hello/run $(BUILD)

test:
	@tools/install-deps build test
	@tools/run-tests $(JOBS)

# Every system call of a start fails in turn, by every error; `make test` tries a sample. As root.
faults: build
	@JAILSVC_FAULTS=all $(BUILD)/tests/test-faults

# The peers are for comparison: one that cannot be installed is left out.
bench: build
	@tools/install-deps build test
	-@tools/install-deps bench
	@tests/bench/run $(BUILD)

install: build
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

fuzz:
	@cmake --preset fuzz >/dev/null && cmake --build build/fuzz -j $(JOBS)

check-format:
	@git ls-files '*.cpp' '*.hpp' '*.h' '*.c' | xargs clang-format-19 --dry-run -Werror

clean:
	@rm -rf build
