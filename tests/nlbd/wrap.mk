# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of nlbd: one cmocka binary for each file, linked with the pure part of the daemon
# (nothing that opens a socket) compiled under ASan + UBSan, and with FRR's own libfrr. FRR's two
# warning switches stay off, as in FRR: its callbacks and initialisers trip them.

NLBD_PURE   := nlb nlb_config nlb_debug nlb_feed nlb_feed_print nlb_info nlb_memory nlb_orphan nlb_prefix nlb_vip
NLBD_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DHAVE_CONFIG_H -include string.h -fms-extensions $(CFLAGS_SAN) \
	-Wno-unused-parameter -Wno-missing-field-initializers -Ifrr-nlbd -Itests/nlbd \
	-isystem $(BUILD)/frr -isystem $(BUILD)/frr/lib -isystem $(BUILD)/frr/include \
	-isystem $(PREFIX)/include
NLBD_LIBS   := -L$(PREFIX)/lib -Wl,-rpath,$(abspath $(PREFIX))/lib -lfrr -lyang -ljson-c -lcmocka
NLBD_OBJ    := $(NLBD_PURE:%=$(BUILD)/asan/nlbd/%.o) $(BUILD)/asan/tests/nlbd/core_fixture.o

.SECONDARY: $(NLBD_OBJ)

$(BUILD)/asan/nlbd/%.o: frr-nlbd/nlbd/%.c tests/nlbd/wrap.mk | nlbd
	$(say) CC-SAN $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NLBD_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/asan/tests/nlbd/%.o: tests/nlbd/%.c tests/nlbd/wrap.mk | nlbd
	$(say) CC-SAN $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NLBD_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/nlbd/%: $(BUILD)/asan/tests/nlbd/%.o $(NLBD_OBJ)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_SAN) -o $@ $^ $(NLBD_LIBS)

-include $(wildcard $(BUILD)/asan/nlbd/*.d $(BUILD)/asan/tests/nlbd/*.d)
