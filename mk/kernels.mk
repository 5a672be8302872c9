# SPDX-License-Identifier: GPL-2.0-or-later
# The packet tests with other compilers and on other kernels. They run without sanitizers
# there: a guest whose processor is emulated has no time for them.

COMPILERS ?= clang-14 clang-19
KERNELS	  ?= bookworm trixie
BY	  := $(BUILD)/by

# How many seconds a test program may take in a guest.
GUEST_S	  := 240

# The whole agent, too, with real packets over veth.
GUEST_NET := tests/netns/test_datapath.py tests/netns/test_traffic.py tests/netns/test_tunnel.py

PLAIN_SRC := $(wildcard tests/xdp/test_*.c tests/kernels/test_*.c)
PLAIN_LIB := $(patsubst tests/lib/%.c,$(BUILD)/plain/lib/%.o,$(wildcard tests/lib/*.c))
PLAIN_BIN := $(PLAIN_SRC:tests/%.c=$(BUILD)/plain/%)
PLAIN_RUN := $(PLAIN_SRC:tests/%.c=plain/%)
BY_BUILD  := $(COMPILERS:%=by-%)

.PHONY: plain-tests test-compilers test-kernels setup-kernels $(BY_BUILD)

plain-tests: $(BPF_OBJ) $(PLAIN_BIN)

$(BUILD)/plain/%.o: tests/%.c mk/c.mk mk/kernels.mk | $(BPF_SKEL) $(BUILD)/stamp/packages
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_REL) -Itests/lib -MMD -MP -c $< -o $@

# As a library, for the same reason as the agent's: a test gets what it needs.
$(BUILD)/plain/libtests.a: $(PLAIN_LIB)
	$(Q)rm -f $@ && ar rcs $@ $^

$(PLAIN_BIN): $(BUILD)/plain/%: $(BUILD)/plain/%.o $(BUILD)/plain/libtests.a $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(TEST_LDFLAGS_$(subst /,_,$*)) $(AGENT_LIBS) -lcmocka

# One build for each compiler of BPF objects, with the packet tests in it. A compiler that
# is not installed has none, which the tests report.
$(BY_BUILD): by-%: $(BUILD)/stamp/packages
	$(Q)mkdir -p $(BY)/$*/stamp && cp $(BUILD)/stamp/packages $(BY)/$*/stamp/packages
	+$(Q)if command -v $* >/dev/null; then \
		$(MAKE) --no-print-directory BUILD=$(BY)/$* CLANG=$* plain-tests; \
	else rm -rf $(BY)/$*; fi

##@ Other compilers and kernels
test-compilers: $(BY_BUILD) ## the packet tests with the programs of clang 14 and of clang 19
	$(Q)NLB_COMPILERS="$(COMPILERS)" NLB_BY=$(BY) NLB_TESTS="$(PLAIN_RUN)" \
		$(SUITE) run compilers tests/kernels/compilers.py

setup-kernels: ## install what boots another kernel (qemu)
	$(Q)scripts/setup.sh packages-kernels

test-kernels: setup-kernels $(BY_BUILD) agent xdp $(BUILD)/bench/traffic/traffic ## the same, and the agent, on the kernels of Debian 12 and 13, under qemu (10 min)
	$(Q)status=0; for k in $(KERNELS); do \
		guest=; for c in $(COMPILERS); do for t in $(PLAIN_RUN); do \
			[ ! -x $(BY)/$$c/$$t ] || guest="$$guest $(GUEST_S) $(BY)/$$c $(BY)/$$c/$$t;"; \
		done; done; \
		for t in $(GUEST_NET); do guest="$$guest $(GUEST_S) $(BUILD) $$t;"; done; \
		NLB_KERNEL=$$k NLB_GUEST="$$guest" $(SUITE) run kernel-$$k tests/kernels/boot.py || status=1; \
	done; exit $$status

-include $(wildcard $(BUILD)/plain/*/*.d)
