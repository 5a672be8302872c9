// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays the corpus of tests/fuzz/fuzz_model.c, every cut of it, and a
 * thousand mutations of each: the entry aborts when something is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz_corpus.h"

#include "../fuzz/fuzz_model.c"

static void torture(uint8_t *data, size_t len)
{
	fuzz_corpus_spoil_text(LLVMFuzzerTestOneInput, data, len);
}

static void test_corpus(void **state)
{
	(void)state;
	fuzz_corpus_replay("tests/fuzz/corpus/model", 10, torture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
