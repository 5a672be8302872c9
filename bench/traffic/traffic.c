// SPDX-License-Identifier: GPL-2.0-or-later
/* The program `traffic`: options, then one of the two ends; see traffic.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

static const char usage[] =
	"traffic count INTERFACE VIP\n"
	"traffic send [--flows N] [--size BYTES] [--port N] [--cpu N] [--syn] INTERFACE MAC SOURCE VIP\n";

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > 65536) {
		fprintf(stderr, "traffic: %s: not a number up to 65536\n", text);
		exit(2);
	}
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"flows", required_argument, NULL, 'f'}, {"size", required_argument, NULL, 's'},
		{"port", required_argument, NULL, 'p'},	 {"cpu", required_argument, NULL, 'c'},
		{"syn", no_argument, NULL, 'S'},	 {},
	};
	struct traffic_target t = {.port = 80, .flows = 4096, .size = 60, .cpu = -1};
	int opt, r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'f':
			t.flows = number(optarg);
			break;
		case 's':
			t.size = number(optarg);
			break;
		case 'p':
			t.port = (uint16_t)number(optarg);
			break;
		case 'c':
			t.cpu = (int)number(optarg);
			break;
		case 'S':
			t.syn = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	argv += optind;
	argc -= optind;
	if (argc == 3 && strcmp(argv[0], "count") == 0) {
		r = traffic_count(argv[1], argv[2]);
	} else if (argc == 5 && strcmp(argv[0], "send") == 0) {
		t.ifname = argv[1];
		t.mac = argv[2];
		t.source = argv[3];
		t.vip = argv[4];
		r = traffic_send(&t);
	} else {
		fputs(usage, stderr);
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "traffic: %s\n", strerror(-r));
	return r < 0;
}
