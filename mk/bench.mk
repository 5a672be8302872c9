# SPDX-License-Identifier: GPL-2.0-or-later
# What the programs cost: bench/. The programs under test are the ones that ship.

BENCH_XDP := $(BUILD)/bench/bench_xdp
BENCH_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %.bpf.c,$(wildcard bench/xdp/*.c))) \
	$(BUILD)/bench/lib/pkt.o $(BUILD)/bench/lib/xdp_net.o \
	$(BUILD)/bench/lib/nlb_fill.o
BENCH_SKEL := $(BUILD)/bench/xdp/wrap.skel.h $(BUILD)/bench/xdp/floor.skel.h $(BUILD)/bench/xdp/stages.skel.h
BENCH_CC = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_REL) -I$(BUILD)/bench/xdp -Itests/lib -MMD -MP

.PHONY: bench-build bench-xdp

##@ Measuring
bench-xdp: xdp $(BENCH_XDP) ## ns per packet of the XDP program, and of the least that one can do
	$(Q)$(BENCH_XDP) --json $(BUILD)/bench/xdp.json

bench-build: $(BENCH_SKEL:%.skel.h=%.bpf.o) $(BENCH_SKEL) $(BENCH_XDP)

$(BUILD)/bench/%.bpf.o: bench/%.bpf.c mk/c.mk mk/bench.mk | $(BUILD)/stamp/packages
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

# floor() is the C library's.
$(BUILD)/bench/%.skel.h: $(BUILD)/bench/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst floor,floor_bpf,$(notdir $*)) > $@

$(BUILD)/bench/%.o: bench/%.c mk/c.mk mk/bench.mk | $(BPF_SKEL) $(BENCH_SKEL) $(BUILD)/stamp/packages
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(BENCH_CC) -c $< -o $@

$(BUILD)/bench/lib/%.o: tests/lib/%.c mk/c.mk mk/bench.mk | $(BPF_SKEL) $(BUILD)/stamp/packages
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(BENCH_CC) -c $< -o $@

$(BENCH_XDP): $(BENCH_OBJ) $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(AGENT_LIBS)

-include $(wildcard $(BUILD)/bench/*/*.d)
