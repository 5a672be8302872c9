# SPDX-License-Identifier: GPL-2.0-or-later
# How long thousands of backends take to change: bench/batch/.

BATCH	  := $(BUILD)/bench/batch/batch
BATCH_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/batch/*.c)) $(BUILD)/bench/lib/maglev_ref.o

.PHONY: bench-batch

##@ Measuring
bench-batch: setup agent xdp nlbd $(TRAFFIC) $(BATCH) ## ms until 20,000 backends are down, or up, to the last ring and to BGP
	$(Q)NLB_BUILD=$(BUILD) $(PYTHON) bench/batch/batch.py --json $(BUILD)/bench/batch.json
	$(Q)$(MAKE) --no-print-directory bench-load

# Compiled by the rules of bench.mk.
$(BATCH_OBJ): BENCH_CC += -Ibench/batch

$(BATCH): $(BATCH_OBJ) $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(AGENT_LIBS)

bench-build: $(BATCH)

# tests/bench/test_bench_batch.py
check-bpf: agent xdp
