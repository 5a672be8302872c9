# SPDX-License-Identifier: GPL-2.0-or-later
# Our C: the BPF programs, the agent, nlbctl; each a second time under ASan + UBSan for the tests.

WARN	 := -Wall -Wextra -Wshadow -Wmissing-prototypes -Werror
CSTD	 := -std=gnu11 -D_GNU_SOURCE
CPPFLAGS_ALL := $(CSTD) -I. -iquote agent -I$(BUILD)/xdp
CFLAGS_REL := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 $(WARN)
CFLAGS_SAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined $(WARN)
AGENT_LIBS := -lbpf -lelf -lz -ljson-c -lcurl -lmicrohttpd -lssl -lcrypto -lcap -linih -lmnl -lnghttp2 -lunistring -lpthread

BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wshadow -Werror \
	-I/usr/include/$(shell uname -m)-linux-gnu -Ixdp

# main.c and nlbctl_main.c hold only main(); all the rest is one library, of
# which the linker takes what a program or test needs.
AGENT_SRC := $(filter-out agent/main.c agent/nlbctl_main.c,$(wildcard agent/*.c))
AGENT_OBJ := $(AGENT_SRC:%.c=$(BUILD)/%.o)
ASAN_OBJ  := $(AGENT_SRC:%.c=$(BUILD)/asan/%.o)
BPF_SRC	  := $(wildcard xdp/*.bpf.c)
BPF_OBJ	  := $(BPF_SRC:%.c=$(BUILD)/%.o)
BPF_SKEL  := $(BPF_SRC:%.bpf.c=$(BUILD)/%.skel.h)

.PHONY: agent xdp

xdp: $(BPF_OBJ) $(BPF_SKEL) ## the BPF programs
agent: $(BUILD)/nlb-agent $(BUILD)/nlbctl ## nlb-agent and nlbctl

$(BUILD)/xdp/%.bpf.o: xdp/%.bpf.c mk/c.mk | $(BUILD)/stamp/packages
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/xdp/%.skel.h: $(BUILD)/xdp/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

$(BUILD)/agent/%.o: agent/%.c mk/c.mk | $(BPF_SKEL) $(BUILD)/stamp/packages
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_REL) -MMD -MP -c $< -o $@

# Copying a kept ring is worth vector instructions, which gcc 12 makes sparingly at -O2.
$(BUILD)/agent/maglev_keep.o: CFLAGS_REL += -O3

$(BUILD)/asan/%.o: %.c mk/c.mk | $(BPF_SKEL) $(BUILD)/stamp/packages
	$(say) CC-SAN $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_SAN) -Itests/lib -MMD -MP -c $< -o $@

$(BUILD)/agent/libagent.a: $(AGENT_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/asan/libagent.a: $(ASAN_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/nlb-agent: $(BUILD)/agent/main.o $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(AGENT_LIBS)

$(BUILD)/nlbctl: $(BUILD)/agent/nlbctl_main.o $(BUILD)/agent/libagent.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(AGENT_LIBS)

# The same under ASan + UBSan, for tests that run the whole agent.
$(BUILD)/asan/nlb-agent: $(BUILD)/asan/agent/main.o $(BUILD)/asan/libagent.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS_SAN) -o $@ $^ $(AGENT_LIBS)

$(BUILD)/stamp/packages: scripts/packages.txt
	$(Q)scripts/setup.sh packages

-include $(wildcard $(BUILD)/agent/*.d $(BUILD)/xdp/*.d $(BUILD)/asan/*/*.d $(BUILD)/asan/*/*/*.d)
