# SPDX-License-Identifier: GPL-2.0-or-later
# The health child beside its peers: bench/health/.

HEALTH	    := $(BUILD)/bench/health
HEALTH_BIN  := $(HEALTH)/responder $(HEALTH)/drive $(HEALTH)/bare $(HEALTH)/measure
DRIVE_OBJ   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/health/drive*.c)) $(BUILD)/bench/lib/hc_fixture.o
BARE_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/health/peers/bare*.c))

.PHONY: bench-health

##@ Measuring
bench-health: setup agent $(HEALTH_BIN) $(HEALTH)/prober-rust $(HEALTH)/prober-go ## 140,000 health checks beside Rust, Go, Python and a bare epoll loop (11 min)
	$(Q)NLB_BUILD=$(BUILD) $(PYTHON) bench/health/health.py --json $(BUILD)/bench/health.json

# Compiled by the rules of bench.mk.
$(DRIVE_OBJ) $(BARE_OBJ) $(HEALTH)/responder.o $(HEALTH)/measure.o: BENCH_CC += -Ibench/health

$(HEALTH)/drive: $(DRIVE_OBJ) $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(AGENT_LIBS) -lcmocka

$(HEALTH)/bare: $(BARE_OBJ)
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ -luring

$(HEALTH)/responder $(HEALTH)/measure: $(HEALTH)/%: $(HEALTH)/%.o
	$(say) LD $@
	$(Q)$(CC) -o $@ $^

bench-build: $(HEALTH_BIN)

# The peers in other languages, which only the whole benchmark needs. Debian's compilers, and the
# crates of Debian's packages instead of a registry; a copy, for cargo writes beside its sources.
CARGO := /usr/bin/cargo
GO    := /usr/bin/go

$(HEALTH)/rust/.cargo/config.toml: mk/health.mk
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '[source.crates-io]' 'replace-with = "debian"' '[source.debian]' \
		'directory = "/usr/share/cargo/registry"' > $@

$(HEALTH)/prober-rust: bench/health/peers/rust/Cargo.toml bench/health/peers/rust/src/main.rs \
		$(HEALTH)/rust/.cargo/config.toml | $(BUILD)/stamp/packages-bench
	$(say) CARGO $@
	$(Q)cp -r bench/health/peers/rust/Cargo.toml bench/health/peers/rust/src $(HEALTH)/rust/
	$(Q)cd $(HEALTH)/rust && CARGO_HOME=$$PWD/.cargo RUSTC=/usr/bin/rustc \
		$(CARGO) build --quiet --offline --release
	$(Q)cp $(HEALTH)/rust/target/release/prober $@

$(HEALTH)/prober-go: bench/health/peers/go/main.go bench/health/peers/go/go.mod | $(BUILD)/stamp/packages-bench
	$(say) GO $@
	$(Q)cd bench/health/peers/go && GOCACHE=$(abspath $(HEALTH))/go-cache GOPROXY=off \
		$(GO) build -buildvcs=false -o $(abspath $@)

$(BUILD)/stamp/packages-bench: scripts/packages-bench.txt | $(BUILD)/stamp/packages
	$(Q)scripts/setup.sh packages-bench

-include $(wildcard $(HEALTH)/*.d $(HEALTH)/*/*.d)
