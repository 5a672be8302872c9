// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The session with nlbd, against a socket of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "feed.h"
#include "sbuf.h"
#include "log.h"
#include "temp_dir.h"

#define V "192.0.2.1"

struct fx {
	char *dir, path[256];
	struct loop *l;
	struct feed *f;
	int listener, conn;
	char got[1 << 20]; /* all that the agent said */
	size_t got_len;
	int ups, downs;
	char routes[4096];
	unsigned int bursts;
	uint64_t asked;
	struct msg_ask ask;
	struct core *core; /* for questions about health */
};

static void on_up(void *user, bool up)
{
	struct fx *fx = user;

	fx->ups += up;
	fx->downs += !up;
}

static void on_route(void *user, const struct addr *vip, uint8_t plen, enum core_route route,
		     const char *reason)
{
	struct fx *fx = user;
	char text[ADDR_STRLEN];

	snprintf(fx->routes + strlen(fx->routes), sizeof(fx->routes) - strlen(fx->routes),
		 "%s %s %s;", addr_prefix_str(vip, plen, text), core_route_str(route), reason);
}

static void on_burst(void *user)
{
	((struct fx *)user)->bursts++;
}

static void on_ask(void *user, uint64_t id, const struct msg_ask *q)
{
	struct fx *fx = user;

	fx->asked = id;
	fx->ask = *q;
}

static void on_health(void *user, uint64_t id, const struct addr *vip)
{
	struct fx *fx = user;

	feed_answer_health(fx->f, id, fx->core, vip);
}

static const struct feed_ops ops = {
	.up = on_up, .route = on_route, .ask = on_ask, .health = on_health, .burst = on_burst};

static void listen_at(struct fx *fx)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	memcpy(sun.sun_path, fx->path, strlen(fx->path) + 1);
	unlink(fx->path);
	fx->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fx->listener >= 0);
	assert_int_equal(bind(fx->listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fx->listener, 5), 0);
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	log_set_level(LOG_CRIT);
	fx->dir = temp_dir_new();
	snprintf(fx->path, sizeof(fx->path), "%s", temp_dir_path(fx->dir, "nlbd.sock"));
	fx->conn = fx->listener = -1;
	assert_int_equal(loop_new(&fx->l), 0);
	assert_int_equal(feed_new(fx->l, fx->path, "lb1", &ops, fx, &fx->f), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	feed_free(fx->f);
	loop_free(fx->l);
	if (fx->conn >= 0)
		close(fx->conn);
	if (fx->listener >= 0)
		close(fx->listener);
	temp_dir_free(fx->dir);
	free(fx);
	return 0;
}

/* Takes a connection and what was said on it, if any. */
static void nlbd_step(struct fx *fx)
{
	ssize_t n;

	if (fx->conn < 0 && fx->listener >= 0)
		fx->conn = accept4(fx->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fx->conn < 0)
		return;
	while ((n = recv(fx->conn, fx->got + fx->got_len, sizeof(fx->got) - 1 - fx->got_len, 0)) >
	       0)
		fx->got_len += (size_t)n;
	fx->got[fx->got_len] = '\0';
}

static void step(struct fx *fx)
{
	assert_int_equal(loop_once(fx->l, 10), 0);
	nlbd_step(fx);
}

/* Runs the loop until cond; fails after ten seconds. */
#define UNTIL(fx, cond)                                                                            \
	do {                                                                                       \
		uint64_t end_ = util_now_ns() + 10000000000ull;                                    \
		while (!(cond)) {                                                                  \
			assert_true(util_now_ns() < end_);                                         \
			step(fx);                                                                  \
		}                                                                                  \
	} while (0)

static void say(struct fx *fx, const char *text)
{
	assert_int_equal(send(fx->conn, text, strlen(text), 0), strlen(text));
}

static void connect_up(struct fx *fx)
{
	int ups = fx->ups;

	UNTIL(fx, strstr(fx->got, "\"hello\""));
	say(fx, "{\"hello\":{\"version\":1,\"daemon\":\"nlbd\"}}\n");
	UNTIL(fx, fx->ups == ups + 1);
	assert_true(feed_is_up(fx->f));
}

static void forget(struct fx *fx)
{
	fx->got_len = 0;
	fx->got[0] = '\0';
	fx->routes[0] = '\0';
}

static void hang_up(struct fx *fx)
{
	close(fx->conn);
	fx->conn = -1;
}

static void test_waits_for_nlbd(void **state)
{
	struct fx *fx = *state;

	for (int i = 0; i < 20; i++)
		step(fx);
	assert_string_equal(feed_error(fx->f), "No such file or directory");
	listen_at(fx);
	UNTIL(fx, strchr(fx->got, '\n'));
	assert_int_equal(strncmp(fx->got, "{\"hello\":{\"version\":1,\"instance\":\"",
				 strlen("{\"hello\":{\"version\":1,\"instance\":\"")),
			 0);
	assert_non_null(strstr(fx->got, "\"node\":\"lb1\"}}\n"));
	/* It is not up before nlbd has answered. */
	assert_int_equal(fx->ups, 0);
	feed_dataplane(fx->f, true);
	connect_up(fx);
	assert_null(strstr(fx->got, "dataplane"));
	assert_string_equal(feed_error(fx->f), "");
}

static void test_lines(void **state)
{
	struct fx *fx = *state;
	struct core_fx *core = core_fx_new();
	struct addr a;

	listen_at(fx);
	connect_up(fx);
	core_fx_model(core, "{'vips':[{'address':'" V "','ports':[{'protocol':'tcp','port':80,"
			    "'backends':[{'address':'10.0.0.1'}]}]}]}");
	core_fx_settle(core);
	forget(fx);
	addr_parse("2001:db8::1", &a);
	feed_dataplane(fx->f, false);
	feed_sync(fx->f, core->core);
	feed_gone(fx->f, &a, ADDR_PLEN_HOST);
	addr_parse("198.51.100.0", &a);
	feed_gone(fx->f, &a, 122);
	feed_vip(fx->f, core_fx_vip(core, V));
	UNTIL(fx, strstr(fx->got, "\"gone\"") && strstr(strstr(fx->got, "\"gone\""), "\"vip\""));
	assert_int_equal(
		strncmp(fx->got, "{\"dataplane\":\"down\"}\n{\"sync\":\"begin\"}\n{\"vip\":{", 42),
		0);
	assert_non_null(strstr(fx->got, "]}]}}\n{\"sync\":\"end\"}\n{\"gone\":{\"address\":"
					"\"2001:db8::1\"}}\n{\"gone\":{\"address\":"
					"\"198.51.100.0/26\"}}\n{\"vip\":"));
	core_fx_free(core);
}

static void test_routes_and_bursts(void **state)
{
	struct fx *fx = *state;
	unsigned int bursts;

	listen_at(fx);
	connect_up(fx);
	bursts = fx->bursts;
	say(fx,
	    "{\"route\":{\"address\":\"" V "\",\"state\":\"installed\"}}\n\n"
	    "{\"news\":{\"of\":\"later\"}}\n"
	    "{\"route\":{\"address\":\"2001:db8::1\",\"state\":\"refused\",\"reason\":\"no pool\"}}"
	    "\n{\"route\":{\"address\":\"2001:db8::/64\",\"state\":\"rejected\"}}"
	    "\n{\"route\":{\"addr");
	UNTIL(fx, strstr(fx->routes, "rejected"));
	assert_string_equal(fx->routes, V " installed ;2001:db8::1 refused no pool;"
					  "2001:db8::/64 rejected ;");
	assert_int_equal(fx->bursts, bursts + 1);
	say(fx, "ess\":\"" V "\",\"state\":\"withdrawn\"}}\n");
	UNTIL(fx, strstr(fx->routes, "withdrawn"));
	assert_int_equal(fx->downs, 0);
}

static void test_questions(void **state)
{
	struct msg_answer ans = {.reason = 3, .ingress = "eth0"};
	struct fx *fx = *state;

	listen_at(fx);
	connect_up(fx);
	say(fx, "{\"ask\":{\"id\":7,\"src\":\"192.0.2.7\",\"sport\":40000,\"vip\":\"" V
		"\",\"dport\":80,\"protocol\":\"tcp\",\"established\":true,\"later\":[1]}}\n");
	UNTIL(fx, fx->asked == 7);
	assert_int_equal(fx->ask.sport, 40000);
	assert_int_equal(fx->ask.dport, 80);
	assert_int_equal(fx->ask.established, 1);
	feed_answer(fx->f, 7, &fx->ask, &ans, NULL);
	UNTIL(fx, strstr(fx->got, "{\"answer\":{\"id\":7,\"flow\":{\"src\":\"192.0.2.7\","));
	UNTIL(fx, strstr(fx->got, "\"verdict\":\"passed\",\"reason\":\"not_vip\""));
	feed_answer(fx->f, 8, NULL, NULL, "not now");
	UNTIL(fx, strstr(fx->got, "{\"answer\":{\"id\":8,\"error\":\"not now\"}}\n"));
	/* One that makes no sense is refused, and that is all. */
	say(fx, "{\"ask\":{\"id\":9,\"src\":\"nonsense\"}}\n{\"ask\":{\"id\":10,\"src\":null}}\n");
	UNTIL(fx,
	      strstr(fx->got, "{\"answer\":{\"id\":9,\"error\":\"src must be an address\"}}\n"));
	UNTIL(fx, strstr(fx->got, "{\"answer\":{\"id\":10,\"error\":\"src is missing\"}}\n"));
	assert_int_equal(fx->asked, 7);
	assert_int_equal(fx->downs, 0);
}

/* How a VIP's backends are, check by check. */
static void test_health_questions(void **state)
{
	struct core_fx *core = core_fx_new();
	struct fx *fx = *state;

	core_fx_model(core, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE("10.0.0.1"))));
	core_fx_verdict(core, "10.0.0.1", MSG_HC_UP);
	core_fx_settle(core);
	fx->core = core->core;
	listen_at(fx);
	connect_up(fx);
	say(fx, "{\"ask\":{\"id\":11,\"health\":\"" V "\"}}\n");
	UNTIL(fx, strstr(fx->got, "{\"answer\":{\"id\":11,\"address\":\"" V "\",\"ports\":["));
	UNTIL(fx, strstr(fx->got, "\"checks\":[{\"type\":\"tcp\",\"port\":80,\"state\":\"up\","));
	UNTIL(fx, strstr(fx->got, "\"left_out\":0}}\n"));
	say(fx, "{\"ask\":{\"id\":12,\"health\":\"192.0.2.254\"}}\n");
	UNTIL(fx, strstr(fx->got, "{\"answer\":{\"id\":12,\"error\":\"no such VIP\"}}\n"));
	assert_int_equal(fx->downs, 0);
	core_fx_free(core);
}

static void test_comes_back(void **state)
{
	struct fx *fx = *state;

	listen_at(fx);
	connect_up(fx);
	for (int i = 1; i <= 3; i++) {
		forget(fx);
		hang_up(fx);
		UNTIL(fx, fx->downs == i);
		assert_string_equal(feed_error(fx->f), "nlbd closed it");
		connect_up(fx);
	}
}

static void test_heartbeat(void **state)
{
	struct fx *fx = *state;

	listen_at(fx);
	connect_up(fx);
	UNTIL(fx, strstr(fx->got, "{\"heartbeat\":{\"seq\":1}}\n"));
	UNTIL(fx, strstr(fx->got, "{\"heartbeat\":{\"seq\":2}}\n"));
}

static void test_broken_rules_end_it(void **state)
{
	static const struct {
		const char *line, *why;
	} bad[] = {
		{"nonsense\n", "not JSON"},
		{"[]\n", "must be an object"},
		{"{\"route\":3}\n", "route must be an object"},
		{"{\"route\":{\"address\":\"x\",\"state\":\"installed\"}}\n", "no address"},
		{"{\"route\":{\"address\":\"" V "\",\"state\":\"lost\"}}\n",
		 "state must be one of"},
		{"{\"ask\":{\"id\":1,\"health\":\"x\"}}\n", "health must be an address"},
		{"{\"ask\":[]}\n", "ask must be an object"},
		{"{\"ask\":{\"src\":\"192.0.2.1\"}}\n", "ask: no id in it"},
		{"{\"hello\":{\"version\":2}}\n", "nlbd speaks version 2, we speak 1"},
		{"{\"error\":{\"reason\":\"go away\"}}\n", "nlbd says: go away"},
	};
	struct fx *fx = *state;

	listen_at(fx);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		forget(fx);
		connect_up(fx);
		say(fx, bad[i].line);
		UNTIL(fx, fx->downs == (int)i + 1);
		if (!strstr(feed_error(fx->f), bad[i].why))
			fail_msg("%s: %s", bad[i].line, feed_error(fx->f));
		hang_up(fx);
	}
}

static void test_endless_line(void **state)
{
	static char line[FEED_LINE_MAX];
	struct fx *fx = *state;

	listen_at(fx);
	connect_up(fx);
	memset(line, ' ', sizeof(line));
	assert_int_equal(send(fx->conn, line, sizeof(line), 0), sizeof(line));
	UNTIL(fx, fx->downs == 1);
	assert_string_equal(feed_error(fx->f), "a line from nlbd is too long");
}

/* A VIP with so many backends that they do not fit into a line. */
static void test_long_vip_goes_without_backends(void **state)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
	struct fx *fx = *state;
	struct core_fx *core = core_fx_new();
	const char *line;

	listen_at(fx);
	connect_up(fx);
	sbuf_puts(&b, "{'vips':[{'address':'" V "','ports':[");
	for (unsigned int port = 1; port <= 5; port++) {
		sbuf_printf(&b, "%s{'protocol':'udp','port':%u,'backends':[", port > 1 ? "," : "",
			    port);
		for (unsigned int i = 0; i < MODEL_BACKENDS_MAX; i++) {
			sbuf_printf(&b, "%s{'address':'2001:db8:1:2:3:4:5:%x'}", i ? "," : "",
				    i + 0x1000);
		}
		sbuf_puts(&b, "]}");
	}
	sbuf_puts(&b, "]}]}");
	core_fx_model(core, b.data);
	forget(fx);
	feed_vip(fx->f, core_fx_vip(core, V));
	UNTIL(fx, (line = strstr(fx->got, "{\"vip\"")) && strchr(line, '\n'));
	assert_null(strstr(fx->got, "backends"));
	assert_non_null(strstr(fx->got, "\"port\":5"));
	core_fx_free(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_waits_for_nlbd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_routes_and_bursts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_health_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heartbeat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_rules_end_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endless_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_vip_goes_without_backends, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
