// SPDX-License-Identifier: GPL-2.0-or-later
/* Replaying a fuzzer's corpus: see the header. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fuzz_corpus.h"
#include "guard.h"
#include "util.h"

#define MUTATIONS 1000
#define INPUT_MAX 65536

void fuzz_corpus_feed(int (*entry)(const uint8_t *data, size_t len), const uint8_t *data,
		      size_t len)
{
	uint8_t *in = guard_copy(data, len);

	assert_int_equal(entry(in, len), 0);
	guard_free(in, len);
}

void fuzz_corpus_spoil_text(int (*entry)(const uint8_t *data, size_t len), uint8_t *data,
			    size_t len)
{
	static const char likely[] = "{}[]\",:\\0129-.eutfn \xc3";

	for (size_t cut = 0; cut <= len; cut++)
		fuzz_corpus_feed(entry, data, cut);
	for (unsigned int i = 0; len && i < MUTATIONS; i++) {
		size_t at = (size_t)rand() % len;
		uint8_t was = data[at];

		if (i % 2)
			data[at] = (uint8_t)likely[(size_t)rand() % (sizeof(likely) - 1)];
		else
			data[at] = (uint8_t)rand();
		fuzz_corpus_feed(entry, data, len);
		if (i % 8)
			data[at] = was;
	}
}

void fuzz_corpus_replay(const char *dir, unsigned int min_seeds,
			void (*torture)(uint8_t *data, size_t len))
{
	static uint8_t buf[INPUT_MAX];
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned int n = 0;

	assert_non_null(d);
	srand(1);
	while ((e = readdir(d))) {
		_cleanup_close_ int fd = -1;
		ssize_t len;

		if (e->d_name[0] == '.')
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		len = read(fd, buf, sizeof(buf));
		assert_true(len > 0 && len < INPUT_MAX);
		torture(buf, (size_t)len);
		n++;
	}
	closedir(d);
	assert_true(n >= min_seeds);
}
