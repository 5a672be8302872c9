// SPDX-License-Identifier: GPL-2.0-or-later
/* One request to the agent's local API, over its unix socket. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "util.h"
#include "way.h"

#define ANSWER_S 30

static void write_svc(FILE *out, const struct set_svc *svc, const char *before)
{
	char text[ADDR_STRLEN];

	fprintf(out, "%s{\"vip\": \"%s\", \"protocol\": \"%s\", \"port\": %u, \"backends\": [",
		before, addr_str(&svc->vip, text), svc->protocol == IPPROTO_UDP ? "udp" : "tcp",
		svc->port);
	for (uint32_t i = 0; i < svc->n; i++)
		fprintf(out, "%s{\"address\": \"%s\", \"admin\": %s}", i ? ", " : "",
			addr_str(&svc->b[i].addr, text), svc->b[i].down ? "\"down\"" : "null");
	fprintf(out, "]}");
}

static int make_body(const struct set *s, char **ret, size_t *ret_len)
{
	FILE *out = open_memstream(ret, ret_len);

	if (!out)
		return -errno;
	fprintf(out, "{\"services\": [");
	for (size_t i = 0; i < s->n_svcs; i++)
		write_svc(out, &s->svcs[i], i ? ", " : "");
	fprintf(out, "]}");
	return fclose(out) ? -errno : 0;
}

int post_prepare(const struct set *s, struct post *p)
{
	_cleanup_free_ char *body = NULL;
	size_t len = 0;
	FILE *out;
	int r;

	*p = (struct post){.fd = -1};
	r = make_body(s, &body, &len);
	if (r < 0)
		return r;
	out = open_memstream(&p->text, &p->len);
	if (!out)
		return -errno;
	fprintf(out,
		"POST /v1/backends HTTP/1.1\r\nHost: agent\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n\r\n",
		len);
	fwrite(body, 1, len, out);
	return fclose(out) ? -errno : 0;
}

int post_now(struct post *p, const char *socket_path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t sent = 0;

	if (strlen(socket_path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, socket_path, strlen(socket_path) + 1);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	while (sent < p->len) {
		ssize_t n = send(p->fd, p->text + sent, p->len - sent, MSG_NOSIGNAL);

		/* A server that answers before it has read all has refused it. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int post_answer(struct post *p, bool wait)
{
	const struct timeval patience = {.tv_sec = ANSWER_S};
	static const char good[] = "HTTP/1.1 200";
	char text[512];
	ssize_t n;

	setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recv(p->fd, text, sizeof(text) - 1, MSG_PEEK | (wait ? 0 : MSG_DONTWAIT));
	if (n < 0)
		return errno == EAGAIN && wait ? -ETIMEDOUT : -errno;
	if ((size_t)n >= sizeof(good) - 1 && memcmp(text, good, sizeof(good) - 1) == 0)
		return 0;
	fprintf(stderr, "batch: the API answers: %.*s\n", (int)n, text);
	return -EREMOTEIO;
}

void post_free(struct post *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->text);
	*p = (struct post){.fd = -1};
}
