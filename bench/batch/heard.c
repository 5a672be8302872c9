// SPDX-License-Identifier: GPL-2.0-or-later
/* The set of VIPs that have a route, and who waits for how many; see heard.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heard.h"
#include "util.h"

#define LINE_LEN 64

struct waiting {
	bool is;
	uint32_t have;
	uint64_t until_ns;
	char line[LINE_LEN];
	size_t len;
};

void heard_set(struct heard *h, uint32_t address, unsigned int plen, bool has)
{
	uint32_t number = address - HEARD_NET;

	if (plen != 32 || number >= HEARD_MAX || h->has[number] == has)
		return;
	h->has[number] = has;
	h->have += has ? 1 : UINT32_MAX;
	h->last_ns = util_now_ns();
	if (!h->first_ns)
		h->first_ns = h->last_ns;
}

static void answer(struct heard *h, struct waiting *w)
{
	if (!w->is || (h->have != w->have && util_now_ns() < w->until_ns))
		return;
	w->is = false;
	printf("{\"have\": %u, \"first_ns\": %llu, \"last_ns\": %llu}\n", h->have,
	       (unsigned long long)h->first_ns, (unsigned long long)h->last_ns);
	h->first_ns = h->last_ns = 0;
}

/* One command at a time. Returns 0; -ENODATA at the end of input; -errno. */
static int take_command(struct waiting *w)
{
	ssize_t n = read(STDIN_FILENO, w->line + w->len, sizeof(w->line) - w->len - 1);
	unsigned int have;

	if (n <= 0)
		return n < 0 ? -errno : -ENODATA;
	w->len += (size_t)n;
	w->line[w->len] = '\0';
	if (!strchr(w->line, '\n'))
		return w->len + 1 < sizeof(w->line) ? 0 : -E2BIG;
	w->len = 0;
	if (sscanf(w->line, "%u", &have) != 1)
		return -EINVAL;
	w->is = true;
	w->have = have;
	w->until_ns = util_now_ns() + HEARD_S * 1000000000ull;
	return 0;
}

int heard_serve(struct heard *h, int fd, int (*on_readable)(struct heard *h, void *user),
		void *user)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN},
	};
	struct waiting w = {};
	int r = 0;

	while (r == 0) {
		/* Time and again, to see that the time is up. */
		if (poll(fds, ARRAY_SIZE(fds), 1000) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			r = on_readable(h, user);
		if (r == 0 && fds[1].revents)
			r = take_command(&w);
		answer(h, &w);
	}
	return r == -ENODATA ? 0 : r;
}
