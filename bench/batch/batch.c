// SPDX-License-Identifier: GPL-2.0-or-later
/* The program `batch`: one mode of it; see modes.h. batch.py drives it. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"
#include "util.h"

static const char usage[] = "batch watch BPF_DIR RESULTS_DIR STAGE_DIR API_SOCKET\n"
			    "batch reader RESULTS_DIR STAGE_DIR\n"
			    "batch peer SERVICES RING_SIZE\n"
			    "batch routes\n"
			    "batch speaker LOCAL REMOTE AS\n";

static unsigned int number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 1 || n > 1000000) {
		fprintf(stderr, "batch: %s: not a number from 1 to 1000000\n", text);
		exit(2);
	}
	return (unsigned int)n;
}

static bool is(const char *arg, const char *mode, int argc, int wanted)
{
	return argc == wanted && strcmp(arg, mode) == 0;
}

int main(int argc, char **argv)
{
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && is(argv[1], "watch", argc, 6)) {
		r = watch_main(argv[2], argv[3], argv[4], argv[5]);
	} else if (argc > 1 && is(argv[1], "reader", argc, 4)) {
		r = reader_main(argv[2], argv[3]);
	} else if (argc > 1 && is(argv[1], "peer", argc, 4)) {
		r = peer_main(number(argv[2]), number(argv[3]));
	} else if (argc > 1 && is(argv[1], "routes", argc, 2)) {
		r = routes_main();
	} else if (argc > 1 && is(argv[1], "speaker", argc, 5)) {
		r = speaker_main(argv[2], argv[3], number(argv[4]));
	} else {
		fputs(usage, stderr);
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "batch: %s: %s\n", argv[1], strerror(-r));
	return r < 0;
}
