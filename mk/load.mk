# SPDX-License-Identifier: GPL-2.0-or-later
# The whole agent with very many VIPs: bench/load/.

.PHONY: bench-load

##@ Measuring
bench-load: agent xdp ## 10,000 VIPs with 100,000 backends: seconds and memory
	$(Q)NLB_BUILD=$(BUILD) $(PYTHON) bench/load/load.py --json $(BUILD)/bench/load.json
