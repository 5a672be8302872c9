// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is said from outside about the health of backends (results.c reads it).
 *
 * A source (a file) says something of any number of backends, and a backend may
 * be spoken of by several sources. Both ends hang together: a source owns an
 * array of says, and each say is also in the list of what is said of its
 * backend. Of several the first counts, "down" before "up" and then by the
 * sources' names, so that the order in which they came does not matter.
 *
 * A result is health, not admin. One that says "down" takes the backend out
 * whatever our own checks say; "up" leaves the decision to them (without any, a
 * backend is up). Scheduler and operator drain and disable all the same. What is
 * said of a backend that is not configured waits until it is.
 */
#include <stdio.h>
#include <string.h>

#include "core_int.h"

struct core_say {
	struct core_say *next, **link; /* in about->says */
	struct core_about *about;
	struct core_source *source;
	bool down;
	char reason[CORE_RESULT_REASON_LEN];
};

struct core_source {
	UT_hash_handle hh; /* by name */
	size_t n;
	struct core_say *says;
	char name[];
};

/* All that is said of one backend. */
struct core_about {
	UT_hash_handle hh; /* by key */
	struct core_key key;
	struct core_say *says;
	/* What it comes to. */
	bool down;
	char reason[CORE_RESULT_REASON_LEN];
};

static struct core_about *about_find(const struct core *c, const struct core_key *key)
{
	struct core_about *about;

	HASH_FIND(hh, c->abouts, key, sizeof(*key), about);
	return about;
}

static struct core_about *about_get(struct core *c, const struct core_key *key)
{
	struct core_about *about = about_find(c, key);

	if (about)
		return about;
	about = calloc(1, sizeof(*about));
	if (!about)
		return NULL;
	about->key = *key;
	HASH_ADD(hh, c->abouts, key, sizeof(*key), about);
	if (!HASH_ADDED(hh, about)) {
		free(about);
		return NULL;
	}
	return about;
}

static const struct core_say *about_first(const struct core_about *about)
{
	const struct core_say *first = about->says;

	for (const struct core_say *s = first; s; s = s->next) {
		if (s->down != first->down ? s->down
					   : strcmp(s->source->name, first->source->name) < 0)
			first = s;
	}
	return first;
}

/* As core_backend_by_key(). A file mostly speaks of one service, which *last is kept for. */
static struct core_backend *find_backend(const struct core *c, const struct core_key *key,
					 struct core_port **last)
{
	struct core_port *p = *last;

	if (!p || p->conf->port != key->port || p->conf->protocol != key->protocol ||
	    addr_cmp(&p->vip->conf.addr, &key->vip) != 0) {
		struct core_vip *v = core_vip_find(c, &key->vip);

		p = *last = v ? core_port_find(v, key->protocol, key->port) : NULL;
	}
	return p ? core_backend_find(p, &key->backend) : NULL;
}

/* What is said of a backend may have changed; about is freed when nothing is. */
static void about_judge(struct core *c, struct core_about *about, struct core_port **last)
{
	const struct core_say *first = about_first(about);
	bool down = first && first->down;
	const char *reason = "";
	struct core_backend *be;
	size_t len;

	if (down)
		reason = first->reason[0] ? first->reason : first->source->name;
	if (down != about->down || strncmp(reason, about->reason, sizeof(about->reason) - 1) != 0) {
		about->down = down;
		len = strnlen(reason, sizeof(about->reason) - 1);
		memcpy(about->reason, reason, len);
		about->reason[len] = '\0';
		be = find_backend(c, &about->key, last);
		if (be) {
			be->result_down = down;
			be->port->dirty = true;
			be->port->vip->told_dirty = true;
			core_vip_dirty(be->port->vip);
		}
	}
	if (!first) {
		HASH_DELETE(hh, c->abouts, about);
		free(about);
	}
}

static void say_unlink(struct core_say *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
}

static int say_link(struct core *c, struct core_say *s, struct core_source *source,
		    const struct core_result *r)
{
	struct core_about *about = about_get(c, &r->key);

	if (!about)
		return -ENOMEM;
	/* The newest is the first in the list. */
	if (about->says && about->says->source == source)
		return -EEXIST;
	*s = (struct core_say){.about = about, .source = source, .down = r->down};
	memcpy(s->reason, r->reason, sizeof(s->reason));
	s->next = about->says;
	s->link = &about->says;
	if (s->next)
		s->next->link = &s->next;
	about->says = s;
	return 0;
}

/* All that it said is unlinked, and then looked at. */
static void source_free(struct core *c, struct core_source *source)
{
	struct core_port *last = NULL;

	for (size_t i = 0; i < source->n; i++)
		say_unlink(&source->says[i]);
	for (size_t i = 0; i < source->n; i++)
		about_judge(c, source->says[i].about, &last);
	c->n_results -= source->n;
	free(source->says);
	free(source);
}

static int source_new(struct core *c, const char *name, const struct core_result *r, size_t n,
		      struct core_source **ret)
{
	struct core_source *source = calloc(1, sizeof(*source) + strlen(name) + 1);
	int err = 0;

	if (!source)
		return -ENOMEM;
	memcpy(source->name, name, strlen(name) + 1);
	source->says = calloc(n, sizeof(*source->says));
	if (!source->says)
		err = -ENOMEM;
	while (err == 0 && source->n < n) {
		err = say_link(c, &source->says[source->n], source, &r[source->n]);
		source->n += err == 0;
	}
	c->n_results += source->n;
	if (err < 0) {
		source_free(c, source);
		return err;
	}
	*ret = source;
	return 0;
}

/* The usual case, the same backends in the same order, in place. False: it is another. */
static bool source_update(struct core *c, struct core_source *source, const struct core_result *r,
			  size_t n)
{
	struct core_port *last = NULL;

	if (source->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (memcmp(&source->says[i].about->key, &r[i].key, sizeof(r[i].key)) != 0)
			return false;
	for (size_t i = 0; i < n; i++) {
		struct core_say *s = &source->says[i];

		s->down = r[i].down;
		memcpy(s->reason, r[i].reason, sizeof(s->reason));
		about_judge(c, s->about, &last);
	}
	return true;
}

int core_results_set(struct core *c, const char *name, const struct core_result *r, size_t n,
		     uint64_t now_ns)
{
	struct core_source *source = NULL, *old;
	struct core_port *last = NULL;
	int err;

	c->now = now_ns;
	HASH_FIND_STR(c->sources, name, old);
	if (c->n_results - (old ? old->n : 0) + n > CORE_RESULTS_MAX)
		return -E2BIG;
	if (old && source_update(c, old, r, n))
		return 0;
	/* The new one first: a backend that is down in both is down all the time. */
	if (n) {
		err = source_new(c, name, r, n, &source);
		if (err < 0)
			return err;
	}
	if (source) {
		HASH_ADD_STR(c->sources, name, source);
		if (!HASH_ADDED(hh, source)) {
			source_free(c, source);
			return -ENOMEM;
		}
	}
	if (old) {
		HASH_DELETE(hh, c->sources, old);
		source_free(c, old);
	}
	for (size_t i = 0; source && i < source->n; i++)
		about_judge(c, source->says[i].about, &last);
	return 0;
}

bool core_results_down(const struct core *c, const struct core_key *key)
{
	const struct core_about *about = about_find(c, key);

	return about && about->down;
}

static const struct core_about *about_backend(const struct core_backend *be)
{
	const struct core_port *p = be->port;
	struct core_key key = {
		.vip = p->vip->conf.addr,
		.backend = be->conf.addr,
		.port = p->conf->port,
		.protocol = p->conf->protocol,
	};

	return about_find(p->vip->core, &key);
}

const char *core_results_reason(const struct core_backend *be)
{
	const struct core_about *about = about_backend(be);

	return about ? about->reason : "";
}

void core_results_write(const struct core_backend *be, struct jput b)
{
	const struct core_about *about = about_backend(be);

	if (!about)
		return;
	b = jput_array(b, "results");
	for (const struct core_say *s = about->says; s; s = s->next) {
		struct jput o = jput_object(b, NULL);

		jput_str(o, "file", s->source->name);
		jput_str(o, "state", s->down ? "down" : "up");
		if (s->reason[0])
			jput_str(o, "reason", s->reason);
	}
}

size_t core_results_unknown(const struct core *c)
{
	size_t n = 0;

	for (const struct core_about *about = c->abouts; about; about = about->hh.next)
		n += !core_backend_by_key(c, &about->key);
	return n;
}

void core_results_done(struct core *c)
{
	struct core_source *source;

	while (c->sources) {
		source = c->sources;
		HASH_DELETE(hh, c->sources, source);
		source_free(c, source);
	}
}
