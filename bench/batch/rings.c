// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pinned maps of the agent, read while it writes them. A service's ring is one 64-bit
 * word; to look whether it was switched costs one load, and only those that were not yet are
 * looked at again.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "maglev_ref.h"
#include "rings.h"
#include "util.h"

#define PATH_LEN 512

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* The directory of the maps: "v3-...". */
static int find_layout(const char *bpf_dir, char ret[static PATH_LEN])
{
	_cleanup_(closedirp) DIR *d = opendir(bpf_dir);
	const struct dirent *e;
	int found = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] != 'v')
			continue;
		snprintf(ret, PATH_LEN, "%.*s/%.*s", PATH_LEN / 2 - 1, bpf_dir, PATH_LEN / 2 - 1,
			 e->d_name);
		found++;
	}
	return found == 1 ? 0 : found ? -ENOTUNIQ : -ENOENT;
}

static int pinned(const char *dir, const char *name)
{
	char path[PATH_LEN + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int map_memory(struct rings *r, const char *dir, const char *name, size_t len,
		      const void **ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i = 0;
	int fd = pinned(dir, name);
	void *p;

	if (fd < 0)
		return fd;
	len = (len + page - 1) / page * page;
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -errno;
	while (r->memory[i].at)
		i++;
	r->memory[i].at = p;
	r->memory[i].len = len;
	*ret = p;
	return 0;
}

static int read_layout(const char *dir, struct nlb_layout *ret)
{
	_cleanup_close_ int fd = pinned(dir, "nlb_layout");
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &zero, ret) < 0)
		return -errno;
	return ret->version == NLB_LAYOUT_VERSION ? 0 : -EPROTO;
}

int rings_open(const char *bpf_dir, struct rings *r)
{
	char dir[PATH_LEN];
	int err;

	*r = (struct rings){};
	err = find_layout(bpf_dir, dir);
	if (err == 0)
		err = read_layout(dir, &r->layout);
	if (err == 0)
		err = map_memory(r, dir, "nlb_vips", (r->layout.max_vips + 1) * sizeof(*r->vips),
				 (const void **)&r->vips);
	if (err == 0)
		err = map_memory(r, dir, "nlb_services",
				 (r->layout.max_services + 1) * sizeof(*r->services),
				 (const void **)&r->services);
	if (err == 0)
		err = map_memory(r, dir, "nlb_backends",
				 (r->layout.max_backends + 1) * sizeof(*r->backends),
				 (const void **)&r->backends);
	if (err == 0)
		err = map_memory(r, dir, "nlb_rings", (size_t)r->layout.ring_slots * 4,
				 (const void **)&r->slots);
	if (err < 0)
		rings_close(r);
	return err;
}

void rings_close(struct rings *r)
{
	for (size_t i = 0; i < RINGS_MEMORY; i++)
		if (r->memory[i].at)
			munmap(r->memory[i].at, r->memory[i].len);
	free(r->number);
	free(r->before);
	free(r->waits);
	*r = (struct rings){};
}

/* ---- which service is which ---- */

static uint32_t vip_number(const struct rings *r, const struct addr *vip)
{
	for (uint32_t i = 1; i <= r->layout.max_vips; i++)
		if (memcmp(r->vips[i].addr, vip->b, sizeof(vip->b)) == 0)
			return i;
	return 0;
}

static uint32_t svc_number(const struct rings *r, const struct set_svc *svc)
{
	uint32_t vip = vip_number(r, &svc->vip);
	uint64_t key = nlb_svc_key(vip, svc->protocol, svc->port);

	for (uint32_t i = 1; vip && i <= r->layout.max_services; i++)
		if (r->services[i].key == key)
			return i;
	return 0;
}

static int find_all(struct rings *r, const struct set *s)
{
	free(r->number);
	free(r->before);
	free(r->waits);
	r->number = calloc(s->n_svcs, sizeof(*r->number));
	r->before = calloc(s->n_svcs, sizeof(*r->before));
	r->waits = calloc(s->n_svcs, sizeof(*r->waits));
	if (!r->number || !r->before || !r->waits)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_svcs; i++) {
		r->number[i] = svc_number(r, &s->svcs[i]);
		if (!r->number[i])
			return -ENOENT;
	}
	r->set = s;
	return 0;
}

/* ---- waiting ---- */

static uint64_t ring_word(const struct rings *r, size_t svc)
{
	const void *word = &r->services[r->number[svc]].ring;

	return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

static struct nlb_ring ring_of(uint64_t word)
{
	struct nlb_ring ring;

	memcpy(&ring, &word, sizeof(ring));
	return ring;
}

static bool switched(const struct rings *r, size_t svc)
{
	uint64_t word = ring_word(r, svc);

	if (!r->set->svcs[svc].n_up)
		return ring_of(word).size == 0;
	return ring_of(word).size && word != r->before[svc];
}

int rings_begin(struct rings *r, const struct set *s)
{
	int err = find_all(r, s);

	if (err < 0)
		return err;
	for (size_t i = 0; i < s->n_svcs; i++) {
		r->before[i] = ring_word(r, i);
		r->waits[i] = (uint32_t)i;
		if (switched(r, i))
			return -EALREADY;
	}
	r->n_waits = s->n_svcs;
	return 0;
}

size_t rings_left(struct rings *r)
{
	size_t left = 0;

	for (size_t i = 0; i < r->n_waits; i++)
		if (!switched(r, r->waits[i]))
			r->waits[left++] = r->waits[i];
	r->n_waits = left;
	return left;
}

/* ---- what is in them ---- */

/* The backends that are up; returns how many. */
static size_t backends_up(const struct set_svc *svc,
			  struct maglev_backend ret[static SET_BACKENDS_MAX])
{
	size_t n = 0;

	for (uint32_t i = 0; i < svc->n; i++)
		if (!svc->b[i].down)
			ret[n++] = (struct maglev_backend){.addr = svc->b[i].addr, .weight = 1};
	return n;
}

static bool is_backend(const struct rings *r, uint32_t slot, const struct addr *a)
{
	uint32_t number = slot & NLB_SLOT_BACKEND;

	return number && number <= r->layout.max_backends &&
	       memcmp(r->backends[number].addr, a->b, sizeof(a->b)) == 0;
}

static bool set_is_right(const struct rings *r, struct nlb_ring ring,
			 const struct maglev_backend *up, size_t n)
{
	bool seen[SET_BACKENDS_MAX] = {};
	uint32_t last = 0;
	size_t at = 0, distinct = 0;

	for (uint32_t i = 0; i < ring.size; i++) {
		uint32_t slot = r->slots[ring.base + i];

		if (i && (slot & NLB_SLOT_BACKEND) == last && at < n)
			continue;
		for (at = 0; at < n && !is_backend(r, slot, &up[at].addr);)
			at++;
		if (at == n)
			return false;
		distinct += !seen[at];
		seen[at] = true;
		last = slot & NLB_SLOT_BACKEND;
	}
	return distinct == n;
}

static bool slots_are_right(const struct rings *r, struct nlb_ring ring,
			    const struct maglev_backend *up, size_t n)
{
	_cleanup_free_ uint32_t *want = calloc(ring.size, sizeof(*want));

	if (!want || maglev_ref_build(up, n, ring.size, want) < 0)
		return false;
	for (uint32_t i = 0; i < ring.size; i++)
		if (!is_backend(r, r->slots[ring.base + i], &up[want[i]].addr))
			return false;
	return true;
}

bool rings_right(const struct rings *r, bool slots)
{
	for (size_t i = 0; i < r->set->n_svcs; i++) {
		struct nlb_ring ring = ring_of(ring_word(r, i));
		struct maglev_backend up[SET_BACKENDS_MAX];
		size_t n = backends_up(&r->set->svcs[i], up);

		if (!n && ring.size)
			return false;
		if (!n)
			continue;
		if (!ring.size || ring.base % 2 ||
		    (uint64_t)ring.base + ring.size > r->layout.ring_slots)
			return false;
		if (!(slots ? slots_are_right : set_is_right)(r, ring, up, n))
			return false;
	}
	return true;
}
