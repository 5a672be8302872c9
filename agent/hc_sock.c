// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of probes. SO_LINGER with a time of zero makes close() send a
 * RST: no FIN handshake, no TIME_WAIT, no port that stays in use for a minute.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "hc_sock.h"
#include "util.h"

int hc_sock_connect(const struct hc_probe *p, int *ret_fd)
{
	static const struct linger rst = {.l_onoff = 1, .l_linger = 0};
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(p->to, p->check->port, &ss);

	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int hc_sock_connected(int fd)
{
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer), err_len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) < 0)
		return -errno;
	if (err)
		return -err;
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return errno == ENOTCONN ? -EINPROGRESS : -errno;
	if (getsockname(fd, (struct sockaddr *)&own, &own_len) < 0)
		return -errno;
	/*
	 * A connect to a port of this very host without a listener can be given that
	 * port as its own, and then meets itself (simultaneous open, RFC 9293, 3.5).
	 */
	if (own_len == peer_len && memcmp(&own, &peer, own_len) == 0)
		return -ECONNREFUSED;
	return 0;
}

enum msg_hc_reason hc_sock_reason(int err, bool sync)
{
	switch (err) {
	case ECONNREFUSED:
		return MSG_HC_REFUSED;
	case ETIMEDOUT:
		return MSG_HC_TIMEOUT;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return MSG_HC_RESET;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		return MSG_HC_UNREACHABLE;
	case ENETDOWN:
	case ENOMEM:
	case ENOBUFS:
		return MSG_HC_LOCAL;
	default:
		return sync ? MSG_HC_LOCAL : MSG_HC_UNREACHABLE;
	}
}

void hc_sock_failed(struct hc_probe *p, int err, bool sync)
{
	enum msg_hc_reason reason = hc_sock_reason(err, sync);
	uint32_t detail = 0;

	if (reason == MSG_HC_UNREACHABLE || reason == MSG_HC_LOCAL)
		detail = (uint32_t)err;
	else if (reason == MSG_HC_TIMEOUT)
		detail = MSG_HC_PHASE_CONNECT;
	hc_done(p, reason, detail);
}
