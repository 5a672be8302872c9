# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzing for a bounded time: the loaded program against its oracle, the local API by
# random requests, and the parsers by libFuzzer. The corpora below tests/fuzz/corpus/ are replayed by `make test`.

FUZZ_SECONDS ?= 60
FUZZ	     := $(BUILD)/fuzz
FUZZ_SAN     := -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_PARSERS := hc_http hc_icmp model results
FUZZ_BIN     := $(FUZZ)/fuzz_packet $(FUZZ)/fuzz_api $(FUZZ_PARSERS:%=$(FUZZ)/fuzz_%)

FUZZ_SRC_hc_http := tests/fuzz/fuzz_hc_http.c agent/hc_http_parse.c agent/hc_check.c agent/addr.c
FUZZ_SRC_hc_icmp := tests/fuzz/fuzz_hc_icmp.c agent/hc_icmp_wire.c
FUZZ_SRC_model	 := tests/fuzz/fuzz_model.c $(filter agent/model%,$(AGENT_SRC)) \
	agent/jget.c agent/jput.c agent/addr.c
FUZZ_SRC_results := tests/fuzz/fuzz_results.c agent/results_file.c \
	$(filter agent/model%,$(AGENT_SRC)) agent/jget.c agent/jput.c agent/addr.c

.PHONY: fuzz

##@ Fuzzing
fuzz: $(FUZZ_BIN) ## each fuzzer for FUZZ_SECONDS (60); needs root for packets
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_OUT=$(FUZZ) $(FUZZ)/fuzz_packet
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) $(FUZZ)/fuzz_api
	$(Q)for f in $(FUZZ_PARSERS); do mkdir -p $(FUZZ)/corpus/$$f; \
		$(FUZZ)/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=$(FUZZ)/ $(FUZZ)/corpus/$$f tests/fuzz/corpus/$$f || exit 1; done

$(FUZZ)/fuzz_packet: $(BUILD)/asan/tests/fuzz/fuzz_packet.o $(BUILD)/asan/tests/fuzz/packet_gen.o \
		$(TEST_LIB) $(BUILD)/asan/libagent.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_SAN) -o $@ $^ $(AGENT_LIBS) -lcmocka

$(FUZZ)/fuzz_api: $(BUILD)/asan/tests/fuzz/fuzz_api.o $(TEST_LIB) $(BUILD)/asan/libagent.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_SAN) -o $@ $^ $(AGENT_LIBS) -lcmocka

$(FUZZ_PARSERS:%=$(FUZZ)/fuzz_%): $(FUZZ)/fuzz_%: tests/fuzz/fuzz_%.c $(AGENT_SRC) \
		$(wildcard agent/*.h) mk/fuzz.mk | $(BUILD)/stamp/packages
	$(say) FUZZ $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS_ALL) -Itests/lib $(FUZZ_SAN) -o $@ $(FUZZ_SRC_$*) $(AGENT_LIBS)
