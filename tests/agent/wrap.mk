# SPDX-License-Identifier: GPL-2.0-or-later
# json-c's constructors fail when the test wants them to.

TEST_LDFLAGS_agent_test_jput := -Wl,--wrap=json_object_new_object,--wrap=json_object_new_array \
	-Wl,--wrap=json_object_new_uint64,--wrap=json_object_new_boolean \
	-Wl,--wrap=json_object_new_string
# The reader is to know of grace periods.
TEST_LDFLAGS_agent_test_maps_storm := -Wl,--wrap=maps_grace_wait
