// SPDX-License-Identifier: GPL-2.0-or-later
/* Probes through the tunnel, for tests; see tunnel_fixture.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "tunnel_fixture.h"
#include "util.h"
#include "xdp_net.h"

bool tunnel_fx_possible;
struct maps_host tunnel_fx_host;

int tunnel_fx_probe(const char *vip, uint32_t mark, int *ret_err)
{
	struct sockaddr_storage to;
	struct addr a;
	socklen_t len;
	int fd;

	assert_int_equal(addr_parse(vip, &a), 0);
	len = addr_to_sockaddr(&a, TUNNEL_FX_PORT, &to);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	*ret_err =
		connect(fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS ? 0 : errno;
	return fd;
}

int tunnel_fx_probe_error(const char *vip, uint32_t mark)
{
	int err;

	close(tunnel_fx_probe(vip, mark, &err));
	return err;
}

uint64_t tunnel_fx_count(const char *name)
{
	maps_host_stats(&tunnel_fx_host);
	for (size_t i = 0; i < tunnel_fx_host.n_events; i++)
		if (strcmp(tunnel_fx_host.events[i].name, name) == 0)
			return tunnel_fx_host.events[i].packets;
	fail_msg("no event %s", name);
	return 0;
}

void tunnel_fx_start(void)
{
	maps_host_start(&tunnel_fx_host);
	assert_true(tunnel_fx_host.ready);
	maps_host_vip(&tunnel_fx_host, TUNNEL_FX_VIP4);
	maps_host_vip(&tunnel_fx_host, TUNNEL_FX_VIP6);
}

int tunnel_fx_setup(void **state)
{
	(void)state;
	tunnel_fx_possible = maps_host_init(&tunnel_fx_host);
	if (!tunnel_fx_possible)
		return 0;
	xdp_net_sysctl("ipv4/conf/all/rp_filter", "0");
	xdp_net_sysctl("ipv4/conf/lb0/rp_filter", "0");
	/* As nlbd has them. */
	xdp_net_run("ip route add blackhole " TUNNEL_FX_VIP4);
	xdp_net_run("ip route add blackhole " TUNNEL_FX_VIP6);
	tunnel_fx_start();
	return 0;
}

int tunnel_fx_teardown(void **state)
{
	(void)state;
	if (tunnel_fx_possible && tunnel_fx_host.child)
		assert_int_equal(maps_host_stop(&tunnel_fx_host), 0);
	return 0;
}
