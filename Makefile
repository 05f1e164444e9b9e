# vnetsim - one Makefile, no configure step. `make help` lists the targets.
#
# Objects live in build/obj/MODE/, so that release, asan and fuzz builds never mix.

VERSION := 0.1.0
MODE    ?= release
CC      := gcc
O       := build/obj/$(MODE)
BIN     := $(if $(filter release,$(MODE)),build/vnetsim,build/$(MODE)/vnetsim)

# What building and testing need. tshark reads the captures back as an outsider would.
DEPS       := gcc libc6-dev libpcap-dev libnl-3-dev libnl-route-3-dev uthash-dev libyaml-dev libjansson-dev \
              liblzma-dev libcriterion-dev xz-utils jq tshark
DEPS_DEV   := clang libclang-rt-14-dev clang-format clang-tidy cppcheck gdb valgrind gcovr debootstrap
DEPS_BENCH := libdpdk-dev liburcu-dev libck-dev uthash-dev

# -- flags, grouped with their reasons ------------------------------------------------------------------
WARN := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough \
        -Wredundant-decls -Wnull-dereference -Wdouble-promotion -Wno-missing-field-initializers
STD  := -std=c11 -D_GNU_SOURCE
INC  := -I. -isystem /usr/include/libnl3
OPT_release := -O2 -g
OPT_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_cov     := -O0 -g --coverage
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
               -Wno-implicit-fallthrough -Wno-unknown-warning-option -Wno-gnu-zero-variadic-macro-arguments
ifeq ($(MODE),fuzz)
CC := clang
endif
CFLAGS  = $(STD) $(WARN) $(OPT_$(MODE)) $(INC) -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS = $(filter -fsanitize% --coverage,$(OPT_$(MODE)))
LIBS   := -lpcap -lyaml -ljansson -llzma -lnl-route-3 -lnl-3 -lm

# A line per command; `make V=1` shows them whole.
ifeq ($(V),)
say = @echo "  $(1) $(2)";
else
say =
endif

# -- what is built from what ------------------------------------------------------------------------------
ROOT_C   := topology/main.c $(wildcard topology/cmd_*.c topology/wire_*.c)
DP_O     := $(patsubst %.c,$(O)/%.o,$(wildcard dataplane/*.c))
PC_O     := $(patsubst %.c,$(O)/%.o,$(wildcard pcaps/*.c))
TP_O     := $(patsubst %.c,$(O)/%.o,$(filter-out $(ROOT_C),$(wildcard topology/*.c)))
ROOT_O   := $(patsubst %.c,$(O)/%.o,$(filter-out topology/main.c,$(wildcard $(ROOT_C))))
MAIN_O   := $(O)/topology/main.o
LIBA     := $(O)/libcmd.a $(O)/libtopology.a $(O)/libpcaps.a $(O)/libdataplane.a
TESTS    := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/test_*.c))
BENCHES  := $(patsubst bench/%.c,$(O)/bench/%,$(wildcard bench/bench_*.c))
# what benchmarks share, and the peers whose headers are installed (make deps-bench)
have      = $(wildcard /usr/include/$(1) /usr/include/*/$(1))
BENCH_C  := $(filter-out bench/bench_% bench/peer_%,$(wildcard bench/*.c)) \
            $(if $(call have,uthash.h),bench/peer_uthash.c) \
            $(if $(call have,dpdk/rte_fib.h),bench/peer_dpdk.c bench/peer_acl.c) \
            $(if $(call have,urcu/rculfhash.h),bench/peer_lfht.c) $(if $(call have,ck_ht.h),bench/peer_ck.c)
BENCH_O  := $(patsubst %.c,$(O)/%.o,$(BENCH_C))
BENCH_L  := $(if $(call have,dpdk/rte_fib.h),-lrte_fib -lrte_lpm -lrte_hash -lrte_acl -lrte_eal) \
            $(if $(call have,urcu/rculfhash.h),-lurcu-qsbr -lurcu-cds) $(if $(call have,ck_ht.h),-lck)
FUZZERS  := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/fuzz_*.c))
# support code shared by test programs: tests/support*.c
TSUP_O   := $(patsubst %.c,$(O)/%.o,$(wildcard tests/support*.c))

.PHONY: all demo test check-tree deps deps-dev deps-bench install asan bench bench-quick fuzz golden help clean
.DEFAULT_GOAL := all
.SECONDARY:

all: $(BIN)  ## build build/vnetsim

$(BIN): $(MAIN_O) $(LIBA)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/libdataplane.a: $(DP_O)
$(O)/libpcaps.a: $(PC_O)
$(O)/libtopology.a: $(TP_O)
$(O)/libcmd.a: $(ROOT_O)
$(O)/%.a:
	$(call say,AR,$@)rm -f $@; ar rcs $@ $^

$(O)/topology/main.o: EXTRA_CFLAGS = -DVNETSIM_VERSION='"$(VERSION)"' \
	-DVNETSIM_BUILD='"$(shell git describe --always --dirty 2>/dev/null || echo unknown)"'

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) -c -o $@ $<

$(O)/tests/test_%: $(O)/tests/test_%.o $(TSUP_O) $(LIBA)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcriterion $(LIBS)

$(O)/tests/test_kernel_routes: $(O)/bench/gen_routes.o

# peers are built as their own makers would for this machine; their headers are not held to our warnings
$(O)/bench/peer_%.o: CFLAGS = $(STD) -O3 -march=native -g -w -I. -isystem /usr/include/dpdk \
	-isystem /usr/include/x86_64-linux-gnu/dpdk -MMD -MP
$(O)/bench/peer_dpdk.o $(O)/bench/peer_acl.o: CFLAGS += -std=gnu11 -include rte_config.h

$(O)/bench/bench_%: $(O)/bench/bench_%.o $(BENCH_O) $(LIBA)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(BENCH_L) $(LIBS)

$(O)/tests/fuzz_%: $(O)/tests/fuzz_%.o $(LIBA)
	$(call say,LD,$@)$(CC) $(LDFLAGS) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer) -o $@ $^ $(LIBS)

demo:  ## install what is missing, build, run the shipped demo scenario
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@tests/demo.sh $(BIN)

test:  ## install what is missing, build, run every test (under two minutes)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@tests/run.sh $(BIN) $(O)/tests

.PHONY: tests
tests: $(TESTS)

deps:  ## install what building and testing need (root or sudo), else print the command
	@tests/deps.sh $(DEPS)

deps-dev:  ## what developing needs besides: clang, fuzzers, valgrind
	@tests/deps.sh $(DEPS) $(DEPS_DEV)

PREFIX ?= /usr/local
install: all  ## install the program into PREFIX (default /usr/local)
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/vnetsim

asan:  ## build with address and undefined-behaviour sanitizers and run every test
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=asan all tests
	@tests/run.sh build/asan/vnetsim build/obj/asan/tests

FEED ?=
BENCH_ARGS = $(if $(FEED),'--feed=$(FEED)')
bench:  ## time each table beside other projects' (make deps-bench installs them), nine rounds, two seeds; FEED=file
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) benches
	@for b in $(BENCHES); do $$b $(BENCH_ARGS) build/bench || exit 1; done

bench-quick:  ## the same with fewer sizes and five rounds, under two minutes
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) benches
	@for b in $(BENCHES); do $$b --quick $(BENCH_ARGS) build/bench || exit 1; done

deps-bench:  ## install the projects that benchmarks compare with
	@tests/deps.sh $(DEPS) $(DEPS_BENCH)

.PHONY: benches fuzzers
benches: $(BENCHES)
fuzzers: $(FUZZERS)

FUZZ_SECONDS ?= 60
fuzz:  ## fuzz each target FUZZ_SECONDS (default 60) with clang's libFuzzer
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=fuzz fuzzers
	@tests/fuzz.sh build/obj/fuzz/tests $(FUZZ_SECONDS)

.PHONY: rules truth-table
rules:  ## how many rules of the model are shown by tests and scenarios, and which are not
	@bash tests/check_coverage.sh --report

truth-table: all  ## what user routes do to private endpoints: policy, length and next hop type
	@bash tests/endpoint_policy_table.sh $(BIN)

golden: all  ## renew one golden file on purpose: make golden NAME=acr-pull
	@tests/golden.sh $(BIN) "$(NAME)"

clean:  ## remove build/
	rm -rf build

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(shell [ -d $(O) ] && find $(O) -name '*.d')
