# SPDX-License-Identifier: GPL-2.0-or-later
# Real packets through the program, over veth: bench/traffic/.

TRAFFIC	    := $(BUILD)/bench/traffic/traffic
TRAFFIC_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %.bpf.c,$(wildcard bench/traffic/*.c)))

.PHONY: bench-traffic

##@ Measuring
bench-traffic: agent xdp $(TRAFFIC) ## packets per second in and out over veth, and what is lost
	$(Q)NLB_BUILD=$(BUILD) $(PYTHON) bench/traffic/ramp.py --json $(BUILD)/bench/traffic.json

# Compiled by the rules of bench.mk.
$(TRAFFIC_OBJ): BENCH_CC += -I$(BUILD)/bench/traffic
$(TRAFFIC_OBJ): | $(BUILD)/bench/traffic/traffic.skel.h

$(TRAFFIC): $(TRAFFIC_OBJ)
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ -lbpf -lelf -lz

check-net: $(TRAFFIC)

bench-build: $(BUILD)/bench/traffic/traffic.bpf.o $(TRAFFIC)
