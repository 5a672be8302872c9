// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories of results files; the header says what is kept of them. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "results_file.h"
#include "set.h"
#include "util.h"

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int read_text(int dirfd, const char *name, struct set_file *f)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	f->name = strdup(name);
	f->text = calloc(1, (size_t)st.st_size + 1);
	if (!f->name || !f->text)
		return -ENOMEM;
	n = read(fd, f->text, (size_t)st.st_size);
	if (n != st.st_size)
		return n < 0 ? -errno : -EIO;
	f->len = (size_t)n;
	return 0;
}

/* The service of a result: the last one, or a new one. */
static struct set_svc *svc_of(struct set *s, const struct core_key *key)
{
	struct set_svc *svc = s->n_svcs ? &s->svcs[s->n_svcs - 1] : NULL;

	if (svc && svc->port == key->port && svc->protocol == key->protocol &&
	    addr_cmp(&svc->vip, &key->vip) == 0)
		return svc;
	svc = reallocarray(s->svcs, s->n_svcs + 1, sizeof(*svc));
	if (!svc)
		return NULL;
	s->svcs = svc;
	svc = &s->svcs[s->n_svcs++];
	*svc = (struct set_svc){.vip = key->vip, .port = key->port, .protocol = key->protocol};
	return svc;
}

static int take_results(struct set *s, const struct results_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct core_result *r = &list->r[i];
		struct set_svc *svc = svc_of(s, &r->key);

		if (!svc)
			return -ENOMEM;
		if (svc->n == SET_BACKENDS_MAX)
			return -E2BIG;
		svc->b[svc->n++] = (struct set_backend){.addr = r->key.backend, .down = r->down};
		svc->n_up += !r->down;
	}
	return 0;
}

static int take_file(struct set *s, int dirfd, const char *name)
{
	_cleanup_(results_list_done) struct results_list list = {};
	_cleanup_free_ char *text = NULL;
	struct set_file *f;
	char why[160];
	int r;

	f = reallocarray(s->files, s->n_files + 1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	s->files = f;
	f = &s->files[s->n_files++];
	*f = (struct set_file){};
	r = read_text(dirfd, name, f);
	if (r < 0)
		return r;
	/* The parser changes what it reads. */
	text = strdup(f->text);
	if (!text)
		return -ENOMEM;
	r = results_file_parse(&list, text, f->len, why, sizeof(why));
	if (r < 0) {
		fprintf(stderr, "batch: %s: %s\n", name, why);
		return r;
	}
	return take_results(s, &list);
}

int set_load(const char *dir, struct set *ret)
{
	_cleanup_(closedirp) DIR *d = opendir(dir);
	struct set s = {};
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = take_file(&s, dirfd(d), e->d_name);
	if (r < 0)
		set_free(&s);
	else
		*ret = s;
	return r;
}

void set_free(struct set *s)
{
	for (size_t i = 0; i < s->n_files; i++) {
		free(s->files[i].name);
		free(s->files[i].text);
	}
	free(s->files);
	free(s->svcs);
	*s = (struct set){};
}
