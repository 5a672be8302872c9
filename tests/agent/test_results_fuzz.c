// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays the corpus of tests/fuzz/fuzz_results.c, every cut of it, and a
 * thousand mutations of each: the entry aborts when something is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz_corpus.h"

#include "../fuzz/fuzz_results.c"

#define MUTATIONS 1000

static void torture(uint8_t *data, size_t len)
{
	static const char likely[] = "{}[]\",:\\0129-.eutfn \xc3";

	for (size_t cut = 0; cut <= len; cut++)
		fuzz_corpus_feed(LLVMFuzzerTestOneInput, data, cut);
	for (unsigned int i = 0; len && i < MUTATIONS; i++) {
		size_t at = (size_t)rand() % len;
		uint8_t was = data[at];

		if (i % 2)
			data[at] = (uint8_t)likely[(size_t)rand() % (sizeof(likely) - 1)];
		else
			data[at] = (uint8_t)rand();
		fuzz_corpus_feed(LLVMFuzzerTestOneInput, data, len);
		if (i % 8)
			data[at] = was;
	}
}

static void test_corpus(void **state)
{
	(void)state;
	fuzz_corpus_replay("tests/fuzz/corpus/results", 8, torture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
