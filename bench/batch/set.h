/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of results files (agent/results_file.h), as it is placed whole: the files, and
 * what they say of each service. Every file names all backends of its services.
 */
#ifndef BATCH_SET_H
#define BATCH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define SET_BACKENDS_MAX 64u /* of one service */

struct set_file {
	char *name, *text;
	size_t len;
};

struct set_backend {
	struct addr addr;
	bool down;
};

struct set_svc {
	struct addr vip;
	uint16_t port;
	uint8_t protocol; /* as in IP */
	uint32_t n, n_up;
	struct set_backend b[SET_BACKENDS_MAX];
};

struct set {
	struct set_file *files;
	struct set_svc *svcs;
	size_t n_files, n_svcs;
};

/* Reads all files of a directory. Returns 0 or -errno; *ret needs set_free(). */
int set_load(const char *dir, struct set *ret);
void set_free(struct set *s);

#endif
