// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl against a scripted server: which requests its commands make, what
 * they print, and their exit statuses.
 */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http_fixture.h"
#include "nlbctl.h"
#include "temp_dir.h"
#include "util.h"

#define ARGS_MAX 12

struct fx {
	char *dir, socket[256];
	struct http_fx *h;
	char *out, *err; /* of the last run */
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->dir = temp_dir_new();
	snprintf(fx->socket, sizeof(fx->socket), "%s", temp_dir_path(fx->dir, "api.sock"));
	fx->h = http_fx_new(fx->socket, NULL, NULL);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	if (fx->h)
		http_fx_free(fx->h);
	temp_dir_free(fx->dir);
	free(fx->out);
	free(fx->err);
	free(fx);
	return 0;
}

/* A descriptor's target for the length of a run. */
static int divert(int fd, const char *path)
{
	FILE *f = fopen(path, "we");
	int saved = dup(fd);

	assert_non_null(f);
	assert_true(saved >= 0 && dup2(fileno(f), fd) == fd);
	fclose(f);
	return saved;
}

static void restore(int fd, int saved)
{
	dup2(saved, fd);
	close(saved);
}

/* Runs "nlbctl -s SOCKET WORDS"; returns its status. */
static int run(struct fx *fx, const char *words)
{
	char *copy = strdup(words), *save = NULL, name[] = "nlbctl", option[] = "-s";
	char *argv[ARGS_MAX + 1] = {name, option, fx->socket};
	int argc = 3, out, err, status;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = w;
	}
	fflush(stdout);
	out = divert(STDOUT_FILENO, temp_dir_path(fx->dir, "out"));
	err = divert(STDERR_FILENO, temp_dir_path(fx->dir, "err"));
	optind = 0;
	status = nlbctl_run(argc, argv);
	fflush(stdout);
	fflush(stderr);
	restore(STDOUT_FILENO, out);
	restore(STDERR_FILENO, err);
	free(fx->out);
	free(fx->err);
	fx->out = temp_dir_read(fx->dir, "out");
	fx->err = temp_dir_read(fx->dir, "err");
	free(copy);
	return status;
}

static void test_requests(void **state)
{
	static const struct {
		const char *words, *request;
	} t[] = {
		{"status", "GET /v1/status\n"},
		{"vips", "GET /v1/vips\n"},
		{"vip 192.0.2.1", "GET /v1/vips/192.0.2.1\n"},
		{"vip 2001:db8::1", "GET /v1/vips/2001:db8::1\n"},
		{"vip 192.0.2.0/28", "GET /v1/vips/192.0.2.0\n"},
		{"vip 2001:db8::/64", "GET /v1/vips/2001:db8::\n"},
		{"backends 192.0.2.1 tcp any", "GET /v1/vips/192.0.2.1/ports/tcp/0/backends\n"},
		{"backends 192.0.2.1 tcp 80", "GET /v1/vips/192.0.2.1/ports/tcp/80/backends\n"},
		{"enable 192.0.2.1 tcp 80 10.0.0.1",
		 "PATCH /v1/vips/192.0.2.1/ports/tcp/80/backends/10.0.0.1\n{\"admin\":\"up\"}"},
		{"drain 192.0.2.1 tcp 80 10.0.0.1",
		 "PATCH /v1/vips/192.0.2.1/ports/tcp/80/backends/10.0.0.1\n{\"admin\":\"drain\"}"},
		{"disable 192.0.2.1 tcp 80 10.0.0.1",
		 "PATCH /v1/vips/192.0.2.1/ports/tcp/80/backends/10.0.0.1\n{\"admin\":\"down\"}"},
		{"reset 192.0.2.1 tcp 80 10.0.0.1",
		 "PATCH /v1/vips/192.0.2.1/ports/tcp/80/backends/10.0.0.1\n{\"admin\":null}"},
		{"stats", "GET /v1/stats\n"},
		{"health", "GET /v1/health\n"},
		{"health 2001:db8::/64", "GET /v1/health/conditions?vip=2001:db8::&limit=65536\n"},
		{"health 192.0.2.1 any",
		 "GET /v1/health/conditions?vip=192.0.2.1&limit=65536&port=0\n"},
		{"health release", "POST /v1/health/release\n{}"},
		{"accept", "POST /v1/sync/accept\n{}"},
		{"vip get 192.0.2.0/28", "GET /v1/vips/192.0.2.0?view=config\n"},
		{"vip delete 192.0.2.1", "DELETE /v1/vips/192.0.2.1\n"},
	};
	struct fx *fx = *state;

	http_fx_answer(fx->h, 200, NULL, "{}");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *request;

		/* An answer that lacks everything is no reason to die. */
		assert_int_equal(run(fx, t[i].words), 0);
		request = http_fx_request(fx->h, i);
		assert_string_equal(request, t[i].request);
		free(request);
	}
}

/* A document from a file, sent as it is. */
static void test_documents(void **state)
{
	static const char vip[] = "{\"address\":\"192.0.2.0/28\",\"ports\":[]}";
	struct fx *fx = *state;
	char words[512], *request;

	http_fx_answer(fx->h, 200, NULL, "{\"status\":\"created\",\"changed\":3}");
	temp_dir_write(fx->dir, "vip.json", vip);
	snprintf(words, sizeof(words), "vip set %s", temp_dir_path(fx->dir, "vip.json"));
	assert_int_equal(run(fx, words), 0);
	request = http_fx_request(fx->h, 0);
	assert_non_null(strstr(request, "PUT /v1/vips/192.0.2.0\n{\"address\""));
	free(request);
	snprintf(words, sizeof(words), "backends %s", temp_dir_path(fx->dir, "vip.json"));
	assert_int_equal(run(fx, words), 0);
	assert_string_equal(fx->out, "ok, 3 changed\n");
	request = http_fx_request(fx->h, 1);
	assert_non_null(strstr(request, "POST /v1/backends\n{\"address\""));
	free(request);
	/* An error in a document says where. */
	http_fx_answer(fx->h, 400, NULL, "{\"error\":\"bad\",\"field\":\"services[3].vip\"}");
	http_fx_post_status(fx->h, 400);
	assert_int_equal(run(fx, words), 1);
	assert_string_equal(fx->err, "nlbctl: services[3].vip: bad\n");
	/* What cannot be sent. */
	temp_dir_write(fx->dir, "vip.json", "{\"ports\":[]}");
	snprintf(words, sizeof(words), "vip set %s", temp_dir_path(fx->dir, "vip.json"));
	assert_int_equal(run(fx, words), 1);
	assert_non_null(strstr(fx->err, "vip.json: address is missing\n"));
	temp_dir_write(fx->dir, "vip.json", "{");
	assert_int_equal(run(fx, words), 1);
	assert_non_null(strstr(fx->err, "the JSON text is cut off\n"));
	assert_int_equal(run(fx, "vip set /nonexistent"), 1);
	assert_non_null(strstr(fx->err, "/nonexistent: No such file or directory\n"));
	assert_int_equal(run(fx, "vip get x"), 2);
	assert_int_equal(run(fx, "vip put x"), 2);
}

static void test_tables(void **state)
{
	struct fx *fx = *state;

	http_fx_answer(fx->h, 200, NULL,
		       "{\"vips\":[{\"address\":\"192.0.2.1\",\"state\":\"announced\",\"route\":"
		       "\"installed\",\"enabled\":1,\"total\":2,\"ports\":[{}]},{\"address\":"
		       "\"2001:db8::1\",\"state\":\"down\",\"route\":\"withdrawn\",\"enabled\":0,"
		       "\"total\":3,\"ports\":[{},{}],\"reason\":\"no\\u001b[31mbackend\"}]}");
	assert_int_equal(run(fx, "vips"), 0);
	assert_string_equal(fx->out,
			    "VIP          STATE      ROUTE      ENABLED  PORTS  REASON\n"
			    "192.0.2.1    announced  installed  1/2      1      -\n"
			    "2001:db8::1  down       withdrawn  0/3      2      no?[31mbackend\n");
	http_fx_answer(
		fx->h, 200, NULL,
		"{\"backends\":[{\"address\":\"10.0.0.1\",\"weight\":1,\"state\":\"up\","
		"\"health\":\"up\",\"admin\":\"up\",\"in_ring\":true},{\"address\":"
		"\"10.0.0.2\",\"weight\":5,\"state\":\"drain\",\"health\":\"up\",\"admin\":"
		"\"up\",\"override\":\"drain\",\"in_ring\":false,\"reason\":\"by the operator\""
		"}]}");
	assert_int_equal(run(fx, "backends 192.0.2.1 tcp 80"), 0);
	assert_non_null(strstr(fx->out, "10.0.0.2  drain  5       up      drain (operator)  no   "
					"    by the operator\n"));
	http_fx_answer(
		fx->h, 200, NULL,
		"{\"address\":\"192.0.2.0/28\",\"unknown\":\"pass\",\"ports\":[{\"protocol\":"
		"\"udp\",\"port\":0,\"enabled\":1,\"total\":2,\"draining\":1,\"affinity\":"
		"\"source\",\"quic\":{\"config_id\":2,\"server_id_length\":3},\"ring\":{"
		"\"state\":\"proven\",\"size\":13313,\"generation\":4}}]}");
	assert_int_equal(run(fx, "vip 192.0.2.0/28"), 0);
	assert_non_null(strstr(fx->out, "VIP         192.0.2.0/28\n"));
	assert_non_null(strstr(fx->out, "no service  pass\n"));
	assert_non_null(strstr(fx->out, "udp/any      enabled 1/2, ring proven (13313 slots, "
					"generation 4), 1 draining, by source address, by QUIC "
					"server id (config 2, 3 octets)\n"));
	http_fx_answer(fx->h, 200, NULL,
		       "{\"reasons\":{\"tx\":5,\"no_backend\":0},\"vips\":[{\"address\":"
		       "\"192.0.2.1\",\"packets\":5,\"bytes\":500,\"flows\":1,\"dropped\":2}],"
		       "\"services\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\",\"port\":80,"
		       "\"packets\":6,\"bytes\":600,\"flows\":1,\"dropped\":3}],\"backends\":[{"
		       "\"address\":\"10.0.0.1\",\"packets\":7,\"bytes\":700,\"flows\":2,"
		       "\"dropped\":4,\"errors\":9}],\"events\":{\"flow_new\":8}}");
	assert_int_equal(run(fx, "stats"), 0);
	assert_non_null(strstr(fx->out, "192.0.2.1  5        500    1      2\n"));
	assert_non_null(strstr(fx->out, "192.0.2.1  tcp    80    6        600    1      3\n"));
	assert_non_null(strstr(fx->out, "10.0.0.1  7        700    2      4        9\n"));
	assert_non_null(strstr(fx->out, "tx          5\n"));
	assert_non_null(strstr(fx->out, "flow_new  8\n"));
	http_fx_answer(
		fx->h, 200, NULL,
		"{\"node\":\"lb1\",\"uptime_s\":7,\"dataplane\":{\"state\":\"ok\",\"mode\":"
		"\"native\"},\"nlbd\":{\"connected\":false,\"error\":\"gone\"},\"scheduler\":{"
		"\"ok\":false,\"error\":\"status 500\",\"url\":\"http://x\",\"revision\":4,"
		"\"held\":{\"revision\":5,\"reason\":\"removes too many\"}},\"results\":{"
		"\"dir\":\"/r\",\"ok\":false,\"error\":\"gone\",\"files\":3,\"results\":40,"
		"\"unknown\":1,\"bad\":2,\"last_bad\":{\"file\":\"f\",\"reason\":\"line 1\"}},"
		"\"refused\":[{"
		"\"address\":\"x\",\"reason\":\"bad\"}]}");
	assert_int_equal(run(fx, "status"), 0);
	assert_non_null(strstr(fx->out, "nlbd        not connected: gone\n"));
	assert_non_null(strstr(fx->out, "scheduler   failing, revision 4, http://x: status 500\n"));
	assert_non_null(strstr(fx->out, "HELD        revision 5: removes too many;"));
	assert_non_null(strstr(fx->out, "results     failing: /r: gone\n"));
	assert_non_null(strstr(fx->out, "results     3 files, 40 results, 1 of unknown backends, "
					"2 files refused\n"));
	assert_non_null(strstr(fx->out, "refused     f: line 1\n"));
	assert_non_null(strstr(fx->out, "refused     x: bad\n"));
}

static void test_route(void **state)
{
	static const char *const lines[] = {
		"route 192.0.2.7:40000 192.0.2.1:80/tcp",
		"route --established 192.0.2.7:40000 192.0.2.1:80/tcp",
		"route 192.0.2.7:40000 192.0.2.1:80/tcp --interface eth0.5",
	};
	struct fx *fx = *state;
	char *request;

	http_fx_answer(fx->h, 200, NULL,
		       "{\"flow\":{\"src\":\"2001:db8::7\",\"sport\":40000,\"dst\":\"2001:db8::1\","
		       "\"dport\":80,\"protocol\":\"tcp\",\"established\":false,\"interface\":"
		       "\"eth0\"},\"verdict\":\"sent\",\"reason\":\"tx_redirect\",\"vip\":"
		       "\"2001:db8::1\",\"service\":{\"protocol\":\"tcp\",\"port\":0},\"backend\":"
		       "\"10.0.0.1\",\"slot\":17,\"mode\":\"stable\",\"outer\":{\"source\":"
		       "\"10.0.0.254\",\"destination\":\"10.0.0.1\",\"ttl\":64},\"egress\":{"
		       "\"interface\":\"eth1\",\"mac\":\"02:00:00:00:00:01\",\"vlans\":[5]},"
		       "\"why\":[\"one\",\"two\"]}");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(run(fx, lines[i]), 0);
		request = http_fx_request(fx->h, i);
		assert_non_null(strstr(request, "GET /v1/route"));
		free(request);
	}
	assert_string_equal(
		fx->out,
		"flow       [2001:db8::7]:40000 -> [2001:db8::1]:80 tcp (new), in by eth0\n"
		"verdict    sent: tx_redirect\n"
		"VIP        2001:db8::1\n"
		"service    tcp/all ports\n"
		"backend    10.0.0.1, slot 17 (stable)\n"
		"outer      10.0.0.254 -> 10.0.0.1, TTL 64\n"
		"egress     eth1 to 02:00:00:00:00:01, VLAN 5\n"
		"because    one\n"
		"because    two\n");
	assert_int_equal(run(fx, "route [2001:db8::7]:1 [2001:db8::1]:2/udp --json"), 0);
	assert_int_equal(strncmp(fx->out, "{\"flow\"", 7), 0);
	http_fx_answer(fx->h, 409, NULL, "{\"error\":\"not on this interface\"}");
	assert_int_equal(run(fx, "route 192.0.2.7:40000 192.0.2.1:80/tcp"), 1);
	assert_string_equal(fx->err, "nlbctl: not on this interface\n");
	/* An answer that lacks everything. */
	http_fx_answer(fx->h, 200, NULL, "{}");
	assert_int_equal(run(fx, "route 192.0.2.7:40000 192.0.2.1:80/tcp"), 0);
}

#define PACKET                                                                                     \
	"{\"time_ns\":1795392000000000001,\"verdict\":\"sent\",\"reason\":\"tx\",\"vip\":"         \
	"\"192.0.2.1\",\"backend\":\"10.0.0.1\",\"interface\":\"eth0\",\"length\":1500,"           \
	"\"data\":\"01ab00\"}"

/* The first bytes of a file, which may hold zeros. */
static size_t read_bytes(const char *path, char *ret, size_t max)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(ret, 1, max, f);
	fclose(f);
	return n;
}

static void test_capture(void **state)
{
	struct fx *fx = *state;
	char words[256], *request, file[256];

	/* One answer that does for all three requests. */
	http_fx_answer(fx->h, 200, NULL,
		       "{\"id\":7,\"running\":true,\"packets\":[" PACKET "," PACKET
		       "],\"lost\":3}");
	assert_int_equal(run(fx, "capture -c 3 -s 10 --vip 192.0.2.1 --reason tx,not_vip"), 0);
	assert_string_equal(fx->err, "3 packets captured, 3 lost\n");
	assert_non_null(strstr(fx->out,
			       ".000000001 sent     tx               vip 192.0.2.1 backend "
			       "10.0.0.1 in eth0 length 1500\n"));
	request = http_fx_request(fx->h, 0);
	assert_string_equal(request, "POST /v1/capture\n{\"rate\":10,\"vip\":\"192.0.2.1\","
				     "\"reasons\":[\"tx\",\"not_vip\"]}\n");
	free(request);
	request = http_fx_request(fx->h, 3);
	assert_non_null(strstr(request, "DELETE /v1/capture"));
	free(request);
	assert_int_equal(http_fx_count(fx->h), 4);
	assert_int_equal(run(fx, "capture --json -c 1"), 0);
	assert_int_equal(strncmp(fx->out, "{\"time_ns\":1795392000000000001,", 31), 0);
	/* A file: its head, and 16 + 3 bytes a packet. */
	snprintf(words, sizeof(words), "capture -c 2 -w %s/x.pcap", fx->dir);
	assert_int_equal(run(fx, words), 0);
	assert_string_equal(fx->out, "");
	assert_int_equal(read_bytes(temp_dir_path(fx->dir, "x.pcap"), file, sizeof(file)),
			 24 + 2 * (16 + 3));
	assert_memory_equal(file, "\x4d\x3c\xb2\xa1", 4);
	assert_memory_equal(file + 24 + 16, "\x01\xab\x00", 3);
	assert_memory_equal(file + 24 + 16 + 3 + 16, "\x01\xab\x00", 3);
	assert_int_equal(run(fx, "capture -c 1 --pcapng -w -"), 0);
	assert_true(read_bytes(temp_dir_path(fx->dir, "out"), file, sizeof(file)) > 100);
	assert_memory_equal(file, "\x0a\x0d\x0d\x0a", 4);
	/* The agent has ended it. */
	http_fx_answer(fx->h, 200, NULL, "{\"id\":7,\"running\":false,\"packets\":[],\"lost\":0}");
	assert_int_equal(run(fx, "capture"), 0);
	assert_string_equal(fx->err, "0 packets captured, 0 lost\n");
}

static void test_capture_fails(void **state)
{
	struct fx *fx = *state;

	http_fx_answer(fx->h, 200, NULL, "{\"id\":7,\"running\":true,\"packets\":[7]}");
	assert_int_equal(run(fx, "capture"), 1);
	assert_non_null(strstr(fx->err, "makes no sense"));
	http_fx_answer(fx->h, 200, NULL,
		       "{\"id\":7,\"running\":true,\"packets\":[{\"data\":\"0g\"}]}");
	assert_int_equal(run(fx, "capture -w /dev/null"), 1);
	http_fx_answer(fx->h, 200, NULL, "{\"id\":7,\"running\":true,\"packets\":[" PACKET "]}");
	assert_int_equal(run(fx, "capture -w /dev/full"), 1);
	assert_non_null(strstr(fx->err, "cannot write: No space left on device"));
	assert_int_equal(run(fx, "capture -w /nonexistent/x"), 1);
	http_fx_answer(fx->h, 409, NULL, "{\"error\":\"another capture runs\"}");
	http_fx_post_status(fx->h, 409);
	assert_int_equal(run(fx, "capture"), 1);
	assert_string_equal(fx->err, "nlbctl: another capture runs\n");
}

static void test_health(void **state)
{
	struct fx *fx = *state;

	http_fx_answer(
		fx->h, 200, NULL,
		"{\"status\":\"ok\",\"alarm\":{\"kind\":\"mass-failure\",\"policy\":\"hold\","
		"\"failing\":12,\"of\":20,\"held\":11,\"age_s\":7200,\"recovering\":true},"
		"\"conditions\":{\"total\":30,\"unknown\":1,\"up\":20,\"down\":9,\"failing\":10,"
		"\"held\":11},\"backends\":{\"checked\":20,\"failing\":13},\"engine\":{"
		"\"probes_per_s\":6000,\"flying\":5,\"waiting\":4,\"descriptors\":3,\"budget\":9,"
		"\"late_p50_us\":700,\"late_p99_us\":15200,\"late_max_us\":2000000,\"late\":8,"
		"\"ended\":{\"ok\":40,\"timeout\":0,\"status\":2},\"icmp\":{\"sent\":0}}}");
	assert_int_equal(run(fx, "health"), 0);
	assert_string_equal(
		fx->out,
		"ok\n"
		"ALARM       12 of 20 backends fail at once, for 2h00m; this node's uplink is "
		"suspected\n"
		"            policy hold, 11 verdicts held, recovering; \"nlbctl health release\" "
		"ends that\n"
		"conditions  30: 20 up, 9 down, 1 unknown; the last probe of 10 failed, 11 held\n"
		"backends    20 addresses checked, 13 failing\n"
		"probes      6000/s, 5 under way, 4 due and waiting, 3 of 9 descriptors\n"
		"lateness    p50 700 us, p99 15.2 ms, max 2.00 s; 8 more than 100 ms since the start\n"
		"engine      0 shards, 0 hosts, 0 probes put off for their host, 0 got more time\n"
		"ended       ok 40, status 2\n"
		"icmp        none\n");
	http_fx_answer(
		fx->h, 200, NULL,
		"{\"conditions\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\",\"service_port\":80,"
		"\"backend\":\"10.0.0.1\",\"type\":\"http\",\"port\":8080,\"state\":\"up\","
		"\"held\":true,\"since_s\":90000,\"result\":\"status 503\",\"latency_us\":840,"
		"\"failure\":{\"kind\":\"status\",\"reason\":\"status 503\",\"age_s\":5}},"
		"{\"protocol\":\"udp\",\"service_port\":0,\"backend\":\"10.0.0.2\",\"type\":"
		"\"icmp\",\"state\":\"unknown\",\"since_s\":1}],\"total\":9,\"left_out\":7}");
	assert_int_equal(run(fx, "health 192.0.2.1"), 0);
	assert_string_equal(
		fx->out,
		"SERVICE  BACKEND   CHECK      STATE      SINCE  LATENCY  RESULT      LAST FAILURE\n"
		"tcp/80   10.0.0.1  http/8080  up (held)  1d01h  840 us   status 503  5 s ago: status "
		"503\n"
		"udp/any  10.0.0.2  icmp       unknown    1 s    -        -           -\n"
		"7 more\n");
	assert_int_equal(run(fx, "health release"), 0);
	assert_string_equal(fx->out, "ok\n");
	http_fx_post_status(fx->h, 409);
	assert_int_equal(run(fx, "health release"), 1);
}

static void test_failures(void **state)
{
	struct fx *fx = *state;

	http_fx_answer(fx->h, 404, NULL, "{\"error\":\"no such VIP\",\"field\":\"vip\"}");
	assert_int_equal(run(fx, "vip 192.0.2.9"), 1);
	assert_string_equal(fx->err, "nlbctl: no such VIP\n");
	http_fx_answer(fx->h, 503, NULL, "{\"status\":\"not ok\",\"reason\":\"detached\"}");
	assert_int_equal(run(fx, "health"), 1);
	assert_string_equal(fx->err, "not ok: detached\n");
	http_fx_answer(fx->h, 200, NULL, "<html>");
	assert_int_equal(run(fx, "status"), 1);
	http_fx_answer(fx->h, 503, NULL, "{\"status\":\"not ok\"}");
	assert_int_equal(run(fx, "--json health"), 1);
	assert_string_equal(fx->out, "{\"status\":\"not ok\"}");
	http_fx_free(TAKE_PTR(fx->h));
	assert_int_equal(run(fx, "status"), 1);
	assert_non_null(strstr(fx->err, "no answer from the agent"));
}

static void test_usage(void **state)
{
	static const char *const bad[] = {
		"",
		"nonsense",
		"vip",
		"vip a b",
		"status x",
		"health x",
		"health 192.0.2.1 80x",
		"health 192.0.2.1 80 x",
		"health --nonsense",
		"--nonsense",
		"enable a b c",
		"vip a/b",
		"vip x?y",
		"check-config",
		"route",
		"route 192.0.2.1:1",
		"route 192.0.2.1 192.0.2.2:80/tcp",
		"route 192.0.2.1:1 192.0.2.2:80",
		"route 192.0.2.1:1 192.0.2.2:80/icmp",
		"route 192.0.2.1:65536 192.0.2.2:80/tcp",
		"route 2001:db8::1:1 [2001:db8::2]:80/tcp",
		"route []:1 [2001:db8::2]:80/tcp",
		"route 192.0.2.1:1 192.0.2.2:80/tcp --interface a&b",
		"route --colour 192.0.2.1:1 192.0.2.2:80/tcp",
		"capture x",
		"capture -c 0",
		"capture -s x",
		"capture --seconds -1",
		"capture -w",
	};
	struct fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (run(fx, bad[i]) != 2)
			fail_msg("%s", bad[i]);
	assert_int_equal(http_fx_count(fx->h), 0);
	assert_int_equal(run(fx, "--help"), 0);
	assert_int_equal(run(fx, "route -h"), 0);
	assert_int_equal(run(fx, "capture -h"), 0);
	assert_int_equal(run(fx, "vips --help"), 0);
}

static void test_check_config(void **state)
{
	struct fx *fx = *state;
	char words[256];

	temp_dir_write(fx->dir, "a.json", "{\"vips\":[]}");
	temp_dir_write(fx->dir, "b.json", "{\"vips\":[{\"address\":\"x\"}]}");
	temp_dir_write(fx->dir, "c.conf", "[scheduler]\nurl = ftp:x\n");
	temp_dir_write(fx->dir, "d.conf",
		       "[scheduler]\nurl = file:/x\n[dataplane]\ninterface = a\n");
	snprintf(words, sizeof(words), "check-config %s/a.json %s/d.conf", fx->dir, fx->dir);
	assert_int_equal(run(fx, words), 0);
	assert_non_null(strstr(fx->out, "/a.json: ok, 0 VIPs\n"));
	snprintf(words, sizeof(words), "check-config %s/b.json", fx->dir);
	assert_int_equal(run(fx, words), 1);
	assert_non_null(strstr(fx->err, "address: not an IPv4 or IPv6 address"));
	snprintf(words, sizeof(words), "check-config %s/c.conf", fx->dir);
	assert_int_equal(run(fx, words), 1);
	assert_non_null(strstr(fx->err, "/c.conf:2: url must be"));
	snprintf(words, sizeof(words), "check-config %s/none.json", fx->dir);
	assert_int_equal(run(fx, words), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_documents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capture, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capture_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_health, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check_config, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
