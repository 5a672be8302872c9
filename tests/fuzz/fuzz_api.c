// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random requests to the local API (tests/lib/api_torture.h) for FUZZ_SECONDS, each run of
 * them on a fresh core and from a seed of its own, which a failure names: NLB_SEED=N
 * build/tests/agent/test_api_fuzz starts with the same requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "api_torture.h"

#define REQUESTS 6000

static uint64_t end_ns;
static struct api_torture total;

static void test_seed(void **state)
{
	struct api_fx *fx = *state;

	fx->core->cfg.max_vips = 4;
	fx->core->cfg.max_services = 8;
	fx->core->cfg.max_backends = 12;
	for (int i = 0; i < REQUESTS && util_now_ns() < end_ns; i++)
		api_torture_once(&total, fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_seed, api_fx_setup, api_fx_teardown),
	};
	const char *text = getenv("FUZZ_SECONDS");
	uint64_t seconds = text ? strtoull(text, NULL, 10) : 60, seed = util_now_ns();

	end_ns = util_now_ns() + seconds * 1000000000ull;
	while (util_now_ns() < end_ns) {
		total.rnd.state = ++seed;
		cmocka_set_message_output(CM_OUTPUT_STDOUT);
		if (cmocka_run_group_tests(tests, NULL, NULL) != 0) {
			fprintf(stderr, "fuzz_api: failed, NLB_SEED=%llu\n",
				(unsigned long long)seed);
			return 1;
		}
	}
	printf("fuzz_api: %lu requests, %lu good, %lu refused\n", total.requests, total.good,
	       total.refused);
	return 0;
}
