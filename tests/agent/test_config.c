// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration file: every key, and the words for every mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "log.h"
#include "util.h"

#define LEAST "[scheduler]\nurl = file:/x.json\n[dataplane]\ninterface = eth0\n"

static char path[] = "/tmp/nlb-test-config-XXXXXX";
static char err[1024];

static int load(const char *text, struct config *c)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	err[0] = '\0';
	return config_load(path, c, err, sizeof(err));
}

static void test_least(void **state _unused_)
{
	struct config c;

	assert_int_equal(load(LEAST, &c), 0);
	assert_string_equal(c.sched_url, "file:/x.json");
	assert_int_equal(c.n_interfaces, 1);
	assert_string_equal(c.interfaces[0], "eth0");
	assert_string_equal(c.user, "nlb");
	assert_string_equal(c.state_dir, "/var/lib/nlb");
	assert_string_equal(c.nlbd_socket, "/var/run/frr/nlbd-agent.sock");
	assert_true(c.node_name[0] != '\0');
	assert_int_equal(c.max_remove_percent, 50);
	assert_int_equal(c.max_remove_min, 10);
	assert_int_equal(c.hold_down_ms, 5000);
	assert_int_equal(c.echo, 1);
	assert_int_equal(c.xdp_mode, CONFIG_XDP_AUTO);
	assert_false(c.has_source4);
	assert_string_equal(c.results_dir, "");
	assert_int_equal(c.tunnel_mark, 0x4e400000);
	assert_int_equal(c.tunnel_table, 1252);
	assert_int_equal(c.tunnel_priority, 100);
}

static void test_no_scheduler(void **state _unused_)
{
	struct config c;

	assert_int_equal(load("[scheduler]\nurl = none\n[dataplane]\ninterface = eth0\n", &c), 0);
	assert_true(c.sched_none);
	assert_string_equal(c.sched_url, "none");
	assert_int_equal(load(LEAST, &c), 0);
	assert_false(c.sched_none);
}

static void test_all(void **state _unused_)
{
	struct config c;

	assert_int_equal(
		load("# all of it\n[node]\nname = lb1\nstate-dir=/s\nuser =\n"
		     "log-level = debug\n[scheduler]\nurl = https://sched.example:8443/api\n"
		     "ca = /ca.pem\ncert = /c.pem\nkey = /k.pem\nwait = 0\nretry-ms = 50\n"
		     "max-remove-percent = 100\nmax-remove-min = 0\n[dataplane]\n"
		     "interface = eth0\ninterface = eth1\nmode = generic ; comment\n"
		     "bpf-dir = /b\nsource4 = 192.0.2.1\nsource6 = 2001:db8::1\n"
		     "max-vips = 1\nmax-services = 2\nmax-backends = 3\nring-slots = 65536\n"
		     "max-flows = 5000\nflow-idle = 60\n"
		     "hold-down-ms = 0\necho = 0\n[nlbd]\nsocket =\n[api]\nsocket = /a.sock\n"
		     "group = adm\n[health]\nca = /h.pem\ncert = /hc.pem\nkey = /hk.pem\nresults-dir = /r\n"
		     "mass-failure-percent = 100\nmass-failure-min = 1\nmass-failure-max = 60\n"
		     "mass-failure-policy = withdraw\n"
		     "shards = 3\nmax-fds = 99\nstart-rate = 0\nhost-rate = 7\n"
		     "tunnel-mark = 0xfff00000\ntunnel-table = 256\ntunnel-priority = 1\n",
		     &c),
		0);
	assert_string_equal(c.node_name, "lb1");
	assert_string_equal(c.state_dir, "/s");
	assert_string_equal(c.user, "");
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_string_equal(c.sched_url, "https://sched.example:8443/api");
	assert_string_equal(c.sched_ca, "/ca.pem");
	assert_string_equal(c.sched_cert, "/c.pem");
	assert_string_equal(c.sched_key, "/k.pem");
	assert_int_equal(c.sched_wait_s, 0);
	assert_int_equal(c.sched_retry_ms, 50);
	assert_int_equal(c.max_remove_percent, 100);
	assert_int_equal(c.max_remove_min, 0);
	assert_int_equal(c.n_interfaces, 2);
	assert_string_equal(c.interfaces[1], "eth1");
	assert_int_equal(c.xdp_mode, CONFIG_XDP_GENERIC);
	assert_string_equal(c.bpf_dir, "/b");
	assert_true(c.has_source4 && c.has_source6);
	assert_true(addr_is_v4(&c.source4) && !addr_is_v4(&c.source6));
	assert_int_equal(c.max_vips, 1);
	assert_int_equal(c.max_services, 2);
	assert_int_equal(c.max_backends, 3);
	assert_int_equal(c.ring_slots, 65536);
	assert_int_equal(c.max_flows, 5000);
	assert_int_equal(c.flow_idle_s, 60);
	assert_int_equal(c.hold_down_ms, 0);
	assert_int_equal(c.echo, 0);
	assert_string_equal(c.nlbd_socket, "");
	assert_string_equal(c.api_socket, "/a.sock");
	assert_string_equal(c.api_group, "adm");
	assert_string_equal(c.hc_ca, "/h.pem");
	assert_string_equal(c.hc_cert, "/hc.pem");
	assert_string_equal(c.hc_key, "/hk.pem");
	assert_string_equal(c.results_dir, "/r");
	assert_int_equal(c.mass_percent, 100);
	assert_int_equal(c.mass_min, 1);
	assert_int_equal(c.mass_max_s, 60);
	assert_int_equal(c.mass_policy, CONFIG_MASS_WITHDRAW);
	assert_int_equal(c.hc_shards, 3);
	assert_int_equal(c.hc_max_fds, 99);
	assert_int_equal(c.hc_start_rate, 0);
	assert_int_equal(c.hc_host_rate, 7);
	assert_int_equal(c.tunnel_mark, 0xfff00000);
	assert_int_equal(c.tunnel_table, 256);
	assert_int_equal(c.tunnel_priority, 1);
}

static void test_source_prefixes(void **state _unused_)
{
	struct config c;

	assert_int_equal(load(LEAST "source4 = 10.255.0.0/24\nsource6 = 2001:db8::/96\n", &c), 0);
	assert_true(c.has_source4 && c.has_source6);
	assert_int_equal(c.source4_plen, 24);
	assert_int_equal(c.source4.b[13], 255);
	assert_int_equal(c.source6_plen, 96);
	assert_int_equal(load(LEAST "source4 = 10.0.0.0/8\nsource6 = 2001:db8::1\n", &c), 0);
	assert_int_equal(c.source4_plen, 8);
	assert_int_equal(c.source6_plen, 128);
	assert_int_equal(load(LEAST "source4 = 10.0.0.1/32\nsource6 = 2001:db8::1/128\n", &c), 0);
	assert_int_equal(c.source4_plen, 32);
	assert_int_equal(c.source6_plen, 128);
}

static void test_mistakes(void **state _unused_)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", ":0: [scheduler] lacks url"},
		{"[scheduler]\nurl = file:/x\n", ":2: [dataplane] lacks interface"},
		{"name = x\n", ":1: name stands before the first [section]"},
		{"[nod]\nname = x\n", ":2: unknown section [nod]"},
		{"\n\n[node]\nnme = x\n", ":4: unknown key nme in section [node]"},
		{"[node]\nname\n", ":2: neither [section] nor key = value"},
		{"[node\n", ":1: neither [section] nor key = value"},
		{"[node]\nname = a\nname = b\n", ":3: name is already set in line 2"},
		{"[node]\nname = a/b\n" LEAST, "name must not hold"},
		{"[node]\nname =\n" LEAST, "[node] lacks name"},
		{"[node]\nstate-dir =\n" LEAST, "state-dir must not be empty"},
		{"[node]\nstate-dir = relative\n", ":2: state-dir must be an absolute path"},
		{"[node]\nlog-level = loud\n", ":2: log-level must be err, warning"},
		{"[health]\nmass-failure-policy = x\n", ":2: mass-failure-policy must be hold,"},
		{"[health]\nmass-failure-percent = 0\n",
		 ":2: mass-failure-percent must be a number from 1 to 100"},
		{"[scheduler]\nurl = ftp://x\n", ":2: url must be file:/PATH"},
		{"[scheduler]\nurl = file:x\n", ":2: url must be file:/PATH"},
		{"[scheduler]\nurl = http://\n", ":2: url must be file:/PATH"},
		{"[scheduler]\nwait = 3601\n", ":2: wait must be a number from 0 to 3600"},
		{"[scheduler]\nwait = -1\n", ":2: wait must be a number"},
		{"[scheduler]\nwait = 5s\n", ":2: wait must be a number"},
		{"[scheduler]\nwait =\n", ":2: wait must be a number"},
		{"[scheduler]\nmax-remove-min = 99999999999999999999\n", "must be a number"},
		{"[scheduler]\ncert = /c.pem\n" LEAST, "cert and key go together"},
		{"[health]\nkey = /k.pem\n" LEAST, "[health] cert and key go together"},
		{"[dataplane]\ninterface = a-name-that-is-too-long\n", "is no interface name"},
		{"[dataplane]\ninterface = a/b\n", ":2: interface: \"a/b\" is no interface name"},
		{"[dataplane]\ninterface =\n", "is no interface name"},
		{"[dataplane]\ninterface = a\ninterface = a\n", ":3: interface a is given twice"},
		{"[health]\ntunnel-mark = 0\n", ":2: tunnel-mark must be bits of 0xfff00000"},
		{"[health]\ntunnel-mark = 0x4e480000\n", ":2: tunnel-mark must be bits of"},
		{"[health]\ntunnel-mark = 0x100000000\n", ":2: tunnel-mark must be bits of"},
		{"[health]\ntunnel-mark = 0x100000x\n", ":2: tunnel-mark must be bits of"},
		{"[health]\ntunnel-mark = -0x100000\n", ":2: tunnel-mark must be bits of"},
		{"[health]\ntunnel-table = 255\n", ":2: tunnel-table must be a number from 256"},
		{"[health]\ntunnel-priority = 32766\n", "must be a number from 1 to 32765"},
		{"[dataplane]\nmode = fast\n", ":2: mode must be auto, native or generic"},
		{"[dataplane]\nsource4 = 2001:db8::1\n", ":2: source4 must be an IPv4 address"},
		{"[dataplane]\nsource6 = 192.0.2.1\n", ":2: source6 must be an IPv6 address"},
		{"[dataplane]\nsource4 = 0.0.0.0\n", ":2: source4 must be an IPv4 address"},
		{"[dataplane]\nsource4 = /24\n", ":2: source4 must be an IPv4 address"},
		{"[dataplane]\nsource4 = 10.0.0.0/\n",
		 "source4 must have a prefix length from 8 to 32"},
		{"[dataplane]\nsource4 = 10.0.0.0/7\n", "source4 must have a prefix length from 8"},
		{"[dataplane]\nsource4 = 10.0.0.0/33\n",
		 "source4 must have a prefix length from 8"},
		{"[dataplane]\nsource4 = 10.0.0.0/24/2\n", "source4 must have a prefix length"},
		{"[dataplane]\nsource4 = 10.0.0.1/24\n", ":2: source4 is no prefix: bits behind"},
		{"[dataplane]\nsource4 = 10.0.1.0/8\n", ":2: source4 is no prefix: bits behind"},
		{"[dataplane]\nsource6 = 2001:db8::/95\n",
		 "source6 must have a prefix length from 96"},
		{"[dataplane]\nsource6 = 2001:db8::/129\n",
		 "source6 must have a prefix length from 96"},
		{"[dataplane]\nsource6 = 2001:db8::1:0/104\n", ":2: source6 is no prefix"},
		{"[dataplane]\nring-slots = 65535\n", "ring-slots must be a number from 65536"},
		{"[dataplane]\nmax-backends = 1048576\n",
		 "max-backends must be a number from 1 to 1048575"},
		{"[dataplane]\nmax-flows = 4095\n", "max-flows must be a number from 4096"},
		{"[dataplane]\nflow-idle = 3601\n", "flow-idle must be a number from 60 to 3600"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config c = {.log_level = 4711};

		assert_int_equal(load(bad[i].text, &c), -EINVAL);
		if (strncmp(err, path, strlen(path)) != 0 || !strstr(err, bad[i].why))
			fail_msg("\"%s\": %s", bad[i].text, err);
		assert_int_equal(c.log_level, 4711);
	}
}

static void test_long_lines(void **state _unused_)
{
	char text[1024] = "[node]\nstate-dir = /";
	struct config c;

	memset(text + strlen(text), 'a', 300);
	assert_int_equal(load(text, &c), -EINVAL);
	assert_non_null(strstr(err, ":2: the line is longer than"));
	/* The longest that is taken, at the end of the file without a newline. */
	snprintf(text, sizeof(text), LEAST "[node]\nstate-dir = /%0176d", 0);
	assert_int_equal(load(text, &c), 0);
	assert_int_equal(strlen(c.state_dir), 177);
}

static void test_many_interfaces(void **state _unused_)
{
	char text[1024] = "[scheduler]\nurl = file:/x\n[dataplane]\n";
	struct config c;

	for (int i = 0; i < CONFIG_INTERFACES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "interface = e%d\n", i);
	assert_int_equal(load(text, &c), 0);
	assert_int_equal(c.n_interfaces, CONFIG_INTERFACES_MAX);
	strcat(text, "interface = more\n");
	assert_int_equal(load(text, &c), -EINVAL);
	assert_non_null(strstr(err, "more than 16 interfaces"));
}

static void test_unreadable(void **state _unused_)
{
	struct config c;

	assert_int_equal(config_load("/nonexistent/agent.conf", &c, err, sizeof(err)), -ENOENT);
	assert_string_equal(err, "/nonexistent/agent.conf: No such file or directory");
	assert_int_equal(config_load("/", &c, err, sizeof(err)), -EIO);
}

static int setup(void **state _unused_)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state _unused_)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_no_scheduler),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_source_prefixes),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_many_interfaces),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
