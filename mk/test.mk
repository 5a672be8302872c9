# SPDX-License-Identifier: GPL-2.0-or-later
# The tests. tests/AREA/test_FILE.c is one cmocka binary for AREA/FILE.c, linked against
# the sanitized library of the agent (of which the linker takes only what the test
# needs) and tests/lib/. `make check T=agent/test_addr` runs one.

TEST_SRC := $(wildcard tests/agent/test_*.c tests/xdp/test_*.c)
TEST_LIB := $(patsubst %.c,$(BUILD)/asan/%.o,$(wildcard tests/lib/*.c))
TEST_BIN := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
UNIT_BIN := $(filter $(BUILD)/tests/agent/%,$(TEST_BIN))
BPF_BIN	 := $(filter $(BUILD)/tests/xdp/%,$(TEST_BIN))
NET_TEST := $(wildcard tests/netns/test_*.sh tests/netns/test_*.py)
RINGWATCH := $(BUILD)/tests/netns/ringwatch
NLBD_TEST := $(wildcard tests/nlbd/test_*.c)
T ?=
SUITE	 := $(PYTHON) scripts/suite.py

.PHONY: test check check-bpf check-net storm check-graft check-nlbd topotest topotest-upstream

##@ Testing
test: setup agent xdp nlbd ## all suites, then the line "N passed, N failed, N skipped"
	$(Q)rm -rf $(BUILD)/results
	$(Q)status=0; for s in check check-bpf test-compilers check-net check-graft check-nlbd topotest topotest-upstream; do \
		$(MAKE) -j$$(nproc) --no-print-directory $$s || status=1; done; \
		$(SUITE) total || status=1; exit $$status

check: $(if $(T),$(BUILD)/tests/$(T),$(UNIT_BIN)) ## unit tests (ASan, UBSan); T=agent/test_addr for one
	$(Q)$(SUITE) run unit $^

check-bpf: $(BPF_BIN) bench-build ## packets through the real program by BPF_PROG_TEST_RUN
	$(Q)NLB_BUILD=$(BUILD) $(SUITE) run bpf $(BPF_BIN) $(wildcard tests/bench/test_*.py)

check-net: agent xdp $(RINGWATCH) ## the data path and the agent in network namespaces
	$(Q)$(SUITE) run netns $(NET_TEST)

storm: agent xdp $(RINGWATCH) $(BUILD)/bench/traffic/traffic ## 1,000 times kill -9 in a storm of changes, under traffic; NLB_SEED=n for another one
	$(Q)NLB_KILLS=1000 $(SUITE) run storm tests/netns/test_storm.py

check-graft: setup ## the places that the graft must reach in FRR
	$(Q)$(SUITE) pytest graft tests/graft

check-nlbd: setup nlbd $(NLBD_TEST:tests/%.c=$(BUILD)/tests/%) ## unit tests of nlbd
	$(Q)$(SUITE) run nlbd $(NLBD_TEST:tests/%.c=$(BUILD)/tests/%)

topotest: setup nlbd ## FRR topotests of nlbd
	$(Q)$(SUITE) junit topotest topotests/run.sh

topotest-upstream: setup nlbd ## topotests of FRR's own, on the grafted FRR
	$(Q)$(SUITE) junit topotest-upstream topotests/run.sh --upstream

$(TEST_BIN): $(BUILD)/tests/%: $(BUILD)/asan/tests/%.o $(TEST_LIB) $(BUILD)/asan/libagent.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_SAN) -o $@ $^ $(TEST_LDFLAGS_$(subst /,_,$*)) $(AGENT_LIBS) -lcmocka

# Reads the rings of a running agent for the tests in namespaces.
$(RINGWATCH): $(BUILD)/asan/tests/netns/ringwatch.o $(BUILD)/asan/tests/lib/ring_walk.o \
		$(BUILD)/asan/tests/lib/maglev_ref.o $(BUILD)/asan/libagent.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_SAN) -o $@ $^ $(AGENT_LIBS)

# A test that replaces a function of another file names it here.
-include tests/*/wrap.mk
