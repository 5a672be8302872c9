// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of the numbers in xdp/nlb_shared.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "reason.h"
#include "xdp/nlb_shared.h"

static void test_reasons(void **state)
{
	uint32_t n;

	(void)state;
	assert_string_equal(reason_str(NLB_R_TX), "tx");
	assert_string_equal(reason_str(NLB_R_TX_TOO_BIG), "tx_too_big");
	assert_string_equal(reason_str(NLB_R_COUNT), "unknown");
	assert_string_equal(reason_str(UINT32_MAX), "unknown");
	for (uint32_t i = 0; i < NLB_R_COUNT; i++) {
		assert_int_equal(reason_parse(reason_str(i), &n), 0);
		assert_int_equal(n, i);
		assert_string_not_equal(reason_verdict_str(i), "unknown");
	}
	assert_int_equal(reason_parse("", &n), -EINVAL);
	assert_int_equal(reason_parse("unknown", &n), -EINVAL);
	assert_int_equal(reason_parse("tx ", &n), -EINVAL);
}

static void test_verdicts(void **state)
{
	(void)state;
	assert_string_equal(reason_verdict_str(NLB_R_TX_REDIRECT), "sent");
	assert_string_equal(reason_verdict_str(NLB_R_NOT_VIP), "passed");
	assert_string_equal(reason_verdict_str(NLB_R_NO_BACKEND), "dropped");
	assert_string_equal(reason_verdict_str(NLB_R_TX_REPLY), "answered");
	assert_string_equal(reason_verdict_str(NLB_R_TX_TOO_BIG), "sender told");
	assert_string_equal(reason_verdict_str(NLB_R_COUNT), "unknown");
}

static void test_others(void **state)
{
	(void)state;
	assert_string_equal(reason_event_str(NLB_E_SAMPLE_LOST), "sample_lost");
	assert_string_equal(reason_event_str(NLB_E_COUNT), "unknown");
	assert_string_equal(reason_mode_str(0), "stable");
	assert_string_equal(reason_mode_str(2), "linger");
	assert_string_equal(reason_mode_str(3), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
