// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VIPs and services: their entries, and the words of the directories that lead there.
 *
 * A flags or a ring word that is wrong is one store. Any other part of an entry is written while no
 * word leads to it: a packet meanwhile finds no VIP or service, as it did when the key was wrong.
 * Entries whose number is nobody's hold what they last were, and mean nothing.
 */
#include <string.h>

#include "maps_check_int.h"

/* ---- entries ---- */

static const char *vip_str(const struct maps_vip *vip, char buf[static ADDR_STRLEN])
{
	return addr_prefix_str(&vip->addr, vip->plen, buf);
}

/* Writes a whole entry, with its word out of the directory as long. 0 or -errno. */
static int write_entry(struct maps_dir *dir, uint64_t hash, uint32_t number, void *entry,
		       const void *want, size_t len)
{
	bool there = maps_dir_remove(dir, hash, number) == 0;

	memcpy(entry, want, len);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	/* Without a word it is for the part that looks for missing ones. */
	return there ? maps_dir_insert(dir, hash, number) : 0;
}

static void check_vip(struct maps_check *c, const struct maps_vip *vip, struct nlb_vip have)
{
	struct maps_table *t = c->table;
	struct nlb_vip want = maps_table_vip_entry(vip);
	char text[ADDR_STRLEN];
	int r = 0;

	maps_found_looked(&c->found, MSG_CHECK_VIPS);
	if (memcmp(&have, &want, sizeof(want)) == 0)
		return;
	have.flags = want.flags;
	if (memcmp(&have, &want, sizeof(want)) == 0)
		maps_table_vip_flags(t, vip);
	else
		r = write_entry(&t->vip_dir, maps_table_vip_hash(&want), vip->number,
				&t->bpf->vips[vip->number], &want, sizeof(want));
	maps_found_note(&c->found, MSG_CHECK_VIPS, r, "vip=%s number=%u", vip_str(vip, text),
			vip->number);
}

int maps_check_vips(struct maps_check *c)
{
	uint32_t max = c->table->bpf->cfg->max_vips + 1, first = c->pos;
	struct nlb_vip have[MAPS_CHECK_CHUNK];
	int n = maps_check_read(c, c->table->bpf->vips_fd, max, have);

	for (int i = 0; i < n; i++)
		if (c->table->vip_of[first + (uint32_t)i])
			check_vip(c, c->table->vip_of[first + (uint32_t)i], have[i]);
	return n < 0 ? n : c->pos >= max;
}

static void note_svc(struct maps_check *c, enum msg_check_kind kind, int r,
		     const struct maps_svc *svc)
{
	char text[ADDR_STRLEN];

	maps_found_note(&c->found, kind, r, "vip=%s protocol=%u port=%u number=%u",
			vip_str(svc->vip, text), svc->key.protocol, maps_svc_port(&svc->key),
			svc->number);
}

static void check_service(struct maps_check *c, const struct maps_svc *svc, struct nlb_service have)
{
	struct maps_table *t = c->table;
	struct nlb_service want = maps_table_svc_entry(svc);
	int r = 0;

	maps_found_looked(&c->found, MSG_CHECK_SERVICES);
	if (memcmp(&have, &want, sizeof(want)) == 0)
		return;
	have.ring = want.ring;
	if (memcmp(&have, &want, sizeof(want)) == 0)
		maps_table_store_ring(t, svc->number, want.ring);
	else
		r = write_entry(&t->svc_dir, nlb_dir_svc(want.key), svc->number,
				&t->bpf->services[svc->number], &want, sizeof(want));
	note_svc(c, MSG_CHECK_SERVICES, r, svc);
}

int maps_check_services(struct maps_check *c)
{
	uint32_t max = c->table->bpf->cfg->max_services + 1, first = c->pos;
	struct nlb_service have[MAPS_CHECK_CHUNK];
	int n = maps_check_read(c, c->table->bpf->services_fd, max, have);

	for (int i = 0; i < n; i++)
		if (c->table->svc_of[first + (uint32_t)i])
			check_service(c, c->table->svc_of[first + (uint32_t)i], have[i]);
	return n < 0 ? n : c->pos >= max;
}

/* ---- directories ---- */

static uint64_t vip_hash(const struct maps_vip *vip)
{
	struct nlb_vip entry = maps_table_vip_entry(vip);

	return maps_table_vip_hash(&entry);
}

static uint64_t svc_hash(const struct maps_svc *svc)
{
	return nlb_dir_svc(maps_table_svc_entry(svc).key);
}

/* A word of a directory, found in this bucket: is it one that should be there, and once? */
static bool word_fits(const struct maps_dir *dir, uint32_t bucket, uint64_t word, uint64_t hash)
{
	return maps_dir_fits(dir, bucket, word, hash, (uint32_t)word) &&
	       maps_dir_count(dir, hash, (uint32_t)word) == 1;
}

static bool vip_word_fits(const struct maps_check *c, uint32_t bucket, uint64_t word)
{
	const struct maps_table *t = c->table;
	uint32_t number = (uint32_t)word;

	return number <= t->bpf->cfg->max_vips && t->vip_of[number] &&
	       word_fits(&t->vip_dir, bucket, word, vip_hash(t->vip_of[number]));
}

static bool svc_word_fits(const struct maps_check *c, uint32_t bucket, uint64_t word)
{
	const struct maps_table *t = c->table;
	uint32_t number = (uint32_t)word;

	return number <= t->bpf->cfg->max_services && t->svc_of[number] &&
	       word_fits(&t->svc_dir, bucket, word, svc_hash(t->svc_of[number]));
}

/* Words that are nobody's go. One that is there twice loses the copy that is met first. */
static int check_dir(struct maps_check *c, struct maps_dir *dir, int fd, enum msg_check_kind kind,
		     bool (*fits)(const struct maps_check *c, uint32_t bucket, uint64_t word))
{
	struct nlb_bucket have[MAPS_CHECK_CHUNK];
	uint32_t first = c->pos;
	int n = maps_check_read(c, fd, dir->mask + 1, have);

	for (int i = 0; i < n * NLB_BUCKET_ENTRIES; i++) {
		uint32_t bucket = first + (uint32_t)i / NLB_BUCKET_ENTRIES;
		uint32_t at = (uint32_t)i % NLB_BUCKET_ENTRIES;
		uint64_t word = have[i / NLB_BUCKET_ENTRIES].entry[at];

		if (!word)
			continue;
		maps_found_looked(&c->found, kind);
		if (fits(c, bucket, word))
			continue;
		maps_dir_clear(dir, bucket, at);
		maps_found_note(&c->found, kind, 0, "what=surplus bucket=%u number=%u", bucket,
				(uint32_t)word);
	}
	return n < 0 ? n : c->pos > dir->mask;
}

int maps_check_vip_dir(struct maps_check *c)
{
	return check_dir(c, &c->table->vip_dir, c->table->bpf->vip_dir_fd, MSG_CHECK_VIP_DIR,
			 vip_word_fits);
}

int maps_check_svc_dir(struct maps_check *c)
{
	return check_dir(c, &c->table->svc_dir, c->table->bpf->svc_dir_fd, MSG_CHECK_SVC_DIR,
			 svc_word_fits);
}

int maps_check_vip_missing(struct maps_check *c)
{
	uint32_t max = c->table->bpf->cfg->max_vips, to = c->pos + MAPS_CHECK_CHUNK;

	for (; c->pos <= max && c->pos < to; c->pos++) {
		const struct maps_vip *vip = c->table->vip_of[c->pos];
		char text[ADDR_STRLEN];
		int r;

		if (!vip || maps_dir_has(&c->table->vip_dir, vip_hash(vip), c->pos))
			continue;
		r = maps_dir_insert(&c->table->vip_dir, vip_hash(vip), c->pos);
		maps_found_note(&c->found, MSG_CHECK_VIP_DIR, r, "what=missing vip=%s number=%u",
				vip_str(vip, text), c->pos);
	}
	return c->pos > max;
}

int maps_check_svc_missing(struct maps_check *c)
{
	uint32_t max = c->table->bpf->cfg->max_services, to = c->pos + MAPS_CHECK_CHUNK;

	for (; c->pos <= max && c->pos < to; c->pos++) {
		const struct maps_svc *svc = c->table->svc_of[c->pos];

		if (!svc || maps_dir_has(&c->table->svc_dir, svc_hash(svc), c->pos))
			continue;
		note_svc(c, MSG_CHECK_SVC_DIR,
			 maps_dir_insert(&c->table->svc_dir, svc_hash(svc), c->pos), svc);
	}
	return c->pos > max;
}
