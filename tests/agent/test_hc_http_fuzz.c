// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays the corpus of tests/fuzz/fuzz_hc_http.c, every cut of it, and
 * 300 mutations of each: the entry aborts when something is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz_corpus.h"

#include "../fuzz/fuzz_hc_http.c"

#define MUTATIONS 300

static void torture(uint8_t *data, size_t len)
{
	for (size_t cut = 0; cut <= len && cut < 400; cut++)
		fuzz_corpus_feed(LLVMFuzzerTestOneInput, data, cut);
	fuzz_corpus_feed(LLVMFuzzerTestOneInput, data, len);
	for (unsigned int i = 0; len && i < MUTATIONS; i++) {
		size_t at = (size_t)rand() % len;
		uint8_t was = data[at];

		data[at] = (uint8_t)rand();
		fuzz_corpus_feed(LLVMFuzzerTestOneInput, data, len);
		if (i % 4)
			data[at] = was;
	}
}

static void test_corpus(void **state)
{
	(void)state;
	fuzz_corpus_replay("tests/fuzz/corpus/hc_http", 20, torture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests_name("hc_http_fuzz", tests, NULL, NULL);
}
