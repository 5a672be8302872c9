// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays the corpus of tests/fuzz/fuzz_model.c, every cut of it, and some
 * hundred mutations of each: the entry aborts when something is wrong.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "util.h"

#include "../fuzz/fuzz_model.c"

#define CORPUS	  "tests/fuzz/corpus/model"
#define INPUT_MAX 65536
#define MUTATIONS 1000

static void feed(const uint8_t *data, size_t len)
{
	uint8_t *in = guard_copy(data, len);

	assert_int_equal(LLVMFuzzerTestOneInput(in, len), 0);
	guard_free(in, len);
}

static void torture(uint8_t *data, size_t len)
{
	static const char likely[] = "{}[]\",:\\0129-.eutfn \xc3";

	for (size_t cut = 0; cut <= len; cut++)
		feed(data, cut);
	for (unsigned int i = 0; len && i < MUTATIONS; i++) {
		size_t at = (size_t)rand() % len;
		uint8_t was = data[at];

		if (i % 2)
			data[at] = (uint8_t)likely[(size_t)rand() % (sizeof(likely) - 1)];
		else
			data[at] = (uint8_t)rand();
		feed(data, len);
		if (i % 8)
			data[at] = was;
	}
}

static void test_corpus(void **state _unused_)
{
	static uint8_t buf[INPUT_MAX];
	DIR *dir = opendir(CORPUS);
	struct dirent *e;
	unsigned int n = 0;

	assert_non_null(dir);
	srand(1);
	while ((e = readdir(dir))) {
		_cleanup_close_ int fd = -1;
		ssize_t len;

		if (e->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		len = read(fd, buf, sizeof(buf));
		assert_true(len > 0 && len < INPUT_MAX);
		torture(buf, (size_t)len);
		n++;
	}
	closedir(dir);
	assert_true(n >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
