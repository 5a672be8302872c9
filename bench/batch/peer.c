// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a straightforward program does with the same files: one thread; each file is read and
 * parsed (by the agent's parser); each backend whose state changed is written to a map;
 * for each service of which one did, Maglev's table is computed as the paper has it, and
 * written by one bpf_map_update_elem() an entry. A service with no backend up gets a table of zeros.
 * The maps are its own: arrays, not mapped, not pinned.
 *
 * It has no switch: while it writes, packets meet half a ring.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "maglev_ref.h"
#include "modes.h"
#include "results_file.h"
#include "set.h"
#include "util.h"

#define TEXT_MAX (1u << 20)

struct peer_key {
	struct addr vip;
	uint16_t port;
	uint16_t protocol;
};

struct peer_svc {
	UT_hash_handle hh;
	struct peer_key key;
	uint32_t number, n;
	bool changed;
	struct addr b[SET_BACKENDS_MAX];
	bool up[SET_BACKENDS_MAX];
};

struct peer {
	int rings_fd, states_fd;
	uint32_t services_max, ring_size;
	struct peer_svc *svcs;
	struct results_list list;
	uint32_t *table;
	char *text;
	uint64_t updates;
};

static int update(struct peer *p, int fd, uint32_t key, uint32_t value)
{
	p->updates++;
	return bpf_map_update_elem(fd, &key, &value, BPF_ANY) < 0 ? -errno : 0;
}

static struct peer_svc *svc_get(struct peer *p, const struct core_key *key)
{
	struct peer_key k = {.vip = key->vip, .port = key->port, .protocol = key->protocol};
	struct peer_svc *svc;

	HASH_FIND(hh, p->svcs, &k, sizeof(k), svc);
	if (svc)
		return svc;
	if (HASH_COUNT(p->svcs) == p->services_max)
		return NULL;
	svc = calloc(1, sizeof(*svc));
	if (!svc)
		return NULL;
	svc->key = k;
	svc->number = HASH_COUNT(p->svcs);
	HASH_ADD(hh, p->svcs, key, sizeof(svc->key), svc);
	return svc;
}

/* A backend that was never heard of is down. */
static int take_result(struct peer *p, const struct core_result *r)
{
	struct peer_svc *svc = svc_get(p, &r->key);
	uint32_t i = 0;

	if (!svc)
		return -ENOMEM;
	while (i < svc->n && addr_cmp(&svc->b[i], &r->key.backend) != 0)
		i++;
	if (i == SET_BACKENDS_MAX)
		return -E2BIG;
	if (i == svc->n)
		svc->b[svc->n++] = r->key.backend;
	else if (svc->up[i] == !r->down)
		return 0;
	svc->up[i] = !r->down;
	svc->changed = true;
	return update(p, p->states_fd, svc->number * SET_BACKENDS_MAX + i, svc->up[i]);
}

static int take_file(struct peer *p, int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	char why[160];
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	n = read(fd, p->text, TEXT_MAX);
	if (n < 0 || n == TEXT_MAX)
		return n < 0 ? -errno : -EFBIG;
	p->text[n] = '\0';
	r = results_file_parse(&p->list, p->text, (size_t)n, why, sizeof(why));
	for (size_t i = 0; r == 0 && i < p->list.n; i++)
		r = take_result(p, &p->list.r[i]);
	return r;
}

static int write_ring(struct peer *p, struct peer_svc *svc)
{
	struct maglev_backend up[SET_BACKENDS_MAX];
	uint32_t number[SET_BACKENDS_MAX], n = 0;
	int r = 0;

	for (uint32_t i = 0; i < svc->n; i++) {
		if (!svc->up[i])
			continue;
		up[n] = (struct maglev_backend){.addr = svc->b[i], .weight = 1};
		number[n++] = svc->number * SET_BACKENDS_MAX + i + 1;
	}
	if (n)
		r = maglev_ref_build(up, n, p->ring_size, p->table);
	for (uint32_t i = 0; i < p->ring_size && r == 0; i++)
		r = update(p, p->rings_fd, svc->number * p->ring_size + i,
			   n ? number[p->table[i]] : 0);
	return r;
}

static int change(struct peer *p, const char *dir)
{
	uint64_t begin = util_now_ns();
	struct peer_svc *svc;
	struct dirent *e;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d)
		return -errno;
	p->updates = 0;
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = take_file(p, dirfd(d), e->d_name);
	closedir(d);
	for (svc = p->svcs; svc && r == 0; svc = svc->hh.next) {
		if (svc->changed)
			r = write_ring(p, svc);
		svc->changed = false;
	}
	if (r == 0)
		printf("{\"ms\": %.3f, \"updates\": %llu}\n", (double)(util_now_ns() - begin) / 1e6,
		       (unsigned long long)p->updates);
	return r;
}

static int start(struct peer *p)
{
	p->table = calloc(p->ring_size, sizeof(*p->table));
	p->text = malloc(TEXT_MAX + 1);
	if (!p->table || !p->text)
		return -ENOMEM;
	p->rings_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "peer_rings", 4, 4,
				     p->services_max * p->ring_size, NULL);
	if (p->rings_fd < 0)
		return -errno;
	p->states_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "peer_states", 4, 4,
				      p->services_max * SET_BACKENDS_MAX, NULL);
	return p->states_fd < 0 ? -errno : 0;
}

static void stop(struct peer *p)
{
	struct peer_svc *svc, *next;

	HASH_ITER (hh, p->svcs, svc, next) {
		HASH_DEL(p->svcs, svc);
		free(svc);
	}
	results_list_done(&p->list);
	if (p->rings_fd >= 0)
		close(p->rings_fd);
	if (p->states_fd >= 0)
		close(p->states_fd);
	free(p->table);
	free(p->text);
}

int peer_main(unsigned int services_max, unsigned int ring_size)
{
	struct peer p = {
		.rings_fd = -1,
		.states_fd = -1,
		.services_max = services_max,
		.ring_size = ring_size,
	};
	char line[512];
	int r = start(&p);

	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		r = change(&p, line);
	}
	stop(&p);
	return r;
}
