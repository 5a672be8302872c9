# SPDX-License-Identifier: GPL-2.0-or-later
# How long a ring takes: bench/ring/.

BENCH_RING := $(BUILD)/bench/bench_ring

.PHONY: bench-ring

bench-ring: $(BENCH_RING) ## microseconds per ring: computed plainly, by the agent, and kept
	$(Q)$(BENCH_RING) --json $(BUILD)/bench/ring.json

bench-build: $(BENCH_RING)

$(BENCH_RING): $(BUILD)/bench/ring/bench_ring.o $(BUILD)/bench/lib/maglev_ref.o $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(AGENT_LIBS)
