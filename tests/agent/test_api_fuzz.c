// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A short run of the API's fuzzer (tests/lib/api_torture.h) from a fixed seed;
 * `make fuzz` runs it for longer. NLB_SEED is another seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "api_torture.h"

#define REQUESTS 6000

static void test_random_requests(void **state)
{
	struct api_torture t = {.rnd = {rnd_seed()}};
	struct api_fx *fx = *state;

	fx->core->cfg.max_vips = 4;
	fx->core->cfg.max_services = 8;
	fx->core->cfg.max_backends = 12;
	for (int i = 0; i < REQUESTS; i++)
		api_torture_once(&t, fx);
	/* It was about something: all methods did something, and much was refused. */
	assert_true(t.good > REQUESTS / 10 && t.refused > REQUESTS / 10);
	assert_true(t.by_method[API_PUT] > 50 && t.by_method[API_PATCH] > 50);
	assert_true(t.by_method[API_POST] > 20 && t.by_method[API_DELETE] > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_requests, api_fx_setup,
						api_fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
