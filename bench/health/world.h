/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs of the health benchmark agree on: which addresses are probed, on which
 * ports, and how a number on the command line is read. All targets are addresses of 127.0.0.0/8,
 * each probed once, so that no two conditions are the same.
 */
#ifndef NLB_BENCH_HEALTH_WORLD_H
#define NLB_BENCH_HEALTH_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WORLD_FIRST  0x7f010000u /* 127.1.0.0: target 0 */
#define WORLD_DOOMED 0x7f800000u /* 127.128.0.0: the same for those that are to die */
#define WORLD_VANISH 0x7fc00000u /* 127.192.0.0: of ICMP; a route takes them away */
#define WORLD_MAX    1000000u	 /* targets */

/* The responder's ports, from its first on: one for each way to die. */
enum world_fate {
	WORLD_LIVES,
	WORLD_REFUSES, /* nobody listens any more */
	WORLD_DROPS,   /* no answer to a SYN */
	WORLD_HANGS,   /* accepts, and says nothing */
	WORLD_FATES
};

static inline struct sockaddr_in world_target(uint32_t first, uint32_t i, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(first + i),
	};
}

/* A number of the command line, or the end of the program. */
static inline uint32_t world_number(const char *text, uint32_t max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno || n > max) {
		fprintf(stderr, "%s: not a number from 0 to %u\n", text, max);
		exit(2);
	}
	return (uint32_t)n;
}

#endif
