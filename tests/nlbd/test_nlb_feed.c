// SPDX-License-Identifier: GPL-2.0-or-later
/* The wire form: what is understood, what is refused and why, what is said. */

#include "core_fixture.h"

#include <stdlib.h>

#include "nlbd/nlb_feed.h"

/* Parse a line whose quotes are written as '. Copied to the heap without a NUL, so that ASan sees
 * a read beyond its end.
 */
static int parse(const char *line, struct nlb_feed_msg *msg, char *err)
{
	size_t len = strlen(line);
	char *copy = malloc(len ? len : 1);
	int ret;

	for (size_t i = 0; i < len; i++)
		copy[i] = line[i] == '\'' ? '"' : line[i];
	err[0] = '\0';
	ret = nlb_feed_parse(copy, len, msg, err, NLB_FEED_ERR_MAX);
	free(copy);
	return ret;
}

static struct nlb_feed_msg good(const char *line)
{
	char err[NLB_FEED_ERR_MAX];
	struct nlb_feed_msg msg;

	if (parse(line, &msg, err) < 0)
		fail_msg("%s: %s", line, err);
	return msg;
}

static void test_small(void **state)
{
	struct nlb_feed_msg msg;

	msg = good("{'hello':{'version':1,'instance':'abc','node':'lb1','later':[1]}}");
	assert_int_equal(msg.type, NLB_FEED_HELLO);
	assert_int_equal(msg.hello.version, 1);
	assert_string_equal(msg.hello.instance, "abc");
	assert_string_equal(msg.hello.node, "lb1");
	msg = good("{'hello':{'version':1,'instance':'abc'}}");
	assert_string_equal(msg.hello.node, "");

	msg = good("{'sync':'begin'}");
	assert_int_equal(msg.type, NLB_FEED_SYNC);
	assert_true(msg.sync_begin);
	assert_false(good("{'sync':'end'}").sync_begin);
	assert_false(good("\t{ 'sync' : 'end' } \r").sync_begin);

	msg = good("{'dataplane':'ok'}");
	assert_int_equal(msg.type, NLB_FEED_DATAPLANE);
	assert_true(msg.dataplane_ok);
	assert_false(good("{'dataplane':'down'}").dataplane_ok);

	msg = good(" {'heartbeat':{'seq':18446744073709551615}}");
	assert_int_equal(msg.type, NLB_FEED_HEARTBEAT);
	assert_true(msg.heartbeat == UINT64_MAX);

	msg = good("{'gone':{'address':'2001:db8::1'}}");
	assert_int_equal(msg.type, NLB_FEED_GONE);
	assert_true(msg.gone.family == AF_INET6 && nlb_prefix_is_host(&msg.gone));

	msg = good("{'answer':{'id':7,'verdict':'sent','later':{}}}");
	assert_int_equal(msg.type, NLB_FEED_ANSWER);
	assert_int_equal(msg.answer.id, 7);
	assert_string_equal(json_object_to_json_string_ext(msg.answer.body, JSON_C_TO_STRING_PLAIN),
			    "{\"verdict\":\"sent\",\"later\":{}}");
	nlb_feed_msg_done(&msg);

	msg = good("{'a-key-of-a-later-version-that-is-long':{}}");
	assert_int_equal(msg.type, NLB_FEED_UNKNOWN);
	assert_string_equal(msg.unknown, "a-key-of-a-later-version-that-i");
}

/* All members; ports and backends come out sorted, whatever the order. */
static void test_vip(void **state)
{
	struct nlb_feed_msg msg =
		good("{'vip':{'address':'192.0.2.10','enabled':3,'total':4,'ready':true,'tag':100,"
		     "'revision':7,'id':'x','reason':'why','ports':["
		     "{'protocol':'udp','port':53,'enabled':1,'total':1,'backends':["
		     "{'address':'10.0.0.9','state':'drain'}]},"
		     "{'protocol':'tcp','port':443,'enabled':0,'total':0},"
		     "{'protocol':'tcp','port':80,'enabled':2,'total':3,"
		     "'digest':'00c0ffee00c0ffee','backends':["
		     "{'address':'2001:db8::9','weight':0,'state':'disabled'},"
		     "{'address':'10.0.0.2','weight':5,'state':'down','reason':'refused'},"
		     "{'address':'10.0.0.1','weight':1,'state':'up'}]}]}}");
	struct nlb_feed_vip moved = {};
	const struct nlb_port *port;

	assert_int_equal(msg.type, NLB_FEED_VIP);
	nlb_feed_vip_move(&moved, &msg.vip);
	nlb_feed_msg_done(&msg); /* owns nothing any more */

	assert_int_equal(moved.enabled, 3);
	assert_int_equal(moved.total, 4);
	assert_true(moved.ready);
	assert_int_equal(moved.tag, 100);
	assert_int_equal(moved.revision, 7);
	assert_string_equal(moved.id, "x");
	assert_string_equal(moved.reason, "why");
	assert_int_equal(moved.n_ports, 3);
	port = &moved.ports[0];
	assert_int_equal(port->protocol, IPPROTO_TCP);
	assert_int_equal(port->port, 80);
	assert_string_equal(port->digest, "00c0ffee00c0ffee");
	assert_int_equal(port->n_backends, 3);
	assert_int_equal(port->backends[0].state, NLB_BACKEND_UP);
	assert_int_equal(port->backends[1].state, NLB_BACKEND_DOWN);
	assert_string_equal(port->backends[1].reason, "refused");
	assert_int_equal(port->backends[1].weight, 5);
	assert_int_equal(port->backends[2].state, NLB_BACKEND_DISABLED);
	assert_int_equal(moved.ports[1].port, 443);
	assert_int_equal(moved.ports[1].n_backends, 0);
	assert_null(moved.ports[1].digest);
	assert_int_equal(moved.ports[2].protocol, IPPROTO_UDP);
	assert_int_equal(moved.ports[2].backends[0].weight, 1);
	nlb_feed_vip_done(&moved);

	/* Optional members are optional. */
	msg = good("{'vip':{'address':'192.0.2.10','enabled':0,'total':0,'ready':false}}");
	assert_int_equal(msg.vip.tag, 0);
	assert_null(msg.vip.id);
	assert_int_equal(msg.vip.n_ports, 0);
	nlb_feed_msg_done(&msg);
}

#define VIP_START  "{'vip':{'address':'192.0.2.1','enabled':1,'total':1,'ready':true,"
#define PORT_START VIP_START "'ports':[{'protocol':'tcp','port':80,'enabled':1,'total':1,"

/* Line -> what the error says. */
static void test_refused(void **state)
{
	static const char *const rows[][2] = {
		{"", "malformed JSON: line ends early"},
		{"{", "malformed JSON: line ends early"},
		{"{'sync':'begin'", "malformed JSON: line ends early"},
		{"{'sync':'begin'} {}", "malformed JSON"},
		{"{'sync':'begin'}x", "malformed JSON"},
		{"{sync:begin}", "malformed JSON"},
		{"{'sync':'begin',}", "malformed JSON"},
		{"[]", "a line must be one object with one key"},
		{"{}", "a line must be one object with one key"},
		{"7", "malformed JSON"},
		{"'x'", "a line must be one object with one key"},
		{"{'a':1,'b':2}", "a line must be one object with one key"},
		{"{'sync':1}", "\"sync\" must be of type string"},
		{"{'sync':'middle'}", "\"sync\" must be begin or end"},
		{"{'dataplane':'maybe'}", "\"dataplane\" must be ok or down"},
		{"{'hello':{}}", "\"version\" is missing"},
		{"{'hello':{'version':'1','instance':'x'}}", "\"version\" must be of type int"},
		{"{'hello':{'version':1}}", "\"instance\" is missing"},
		{"{'hello':{'version':-1,'instance':'x'}}", "\"version\" is negative"},
		{"{'hello':{'version':1,'instance':'a\\u0007b'}}", "holds a control character"},
		{"{'hello':{'version':1,'instance':'\xff'}}", "malformed JSON"},
		{"{'heartbeat':{'seq':1.5}}", "\"seq\" must be of type int"},
		{"{'answer':[]}", "\"answer\" must be of type object"},
		{"{'answer':{}}", "\"id\" is missing"},
		{"{'answer':{'id':0}}", "\"id\" is outside 1..4294967295"},
		{"{'gone':{'address':'192.0.2.1/28'}}",
		 "\"address\" is not an IP address or prefix"},
		{"{'gone':{'address':'192.0.2.0/33'}}",
		 "\"address\" is not an IP address or prefix"},
		{"{'gone':{'address':''}}", "\"address\" is not an IP address or prefix"},
		{"{'vip':{'address':'0.0.0.0/1','enabled':0,'total':0,'ready':true}}",
		 "unspecified"},
		{"{'vip':{'address':'0.0.0.0','enabled':0,'total':0,'ready':true}}", "unspecified"},
		{"{'vip':{'address':'192.0.2.1','enabled':2,'total':1,'ready':true}}",
		 "\"total\" is outside 2..4294967295"},
		{"{'vip':{'address':'192.0.2.1','enabled':1,'total':1,'ready':1}}",
		 "\"ready\" must be of type boolean"},
		{VIP_START "'tag':4294967296}}", "\"tag\" is outside 0..4294967295"},
		{VIP_START "'ports':{}}}", "\"ports\" must be of type array"},
		{VIP_START "'ports':[7]}}", "a port must be an object"},
		{VIP_START "'ports':[{'protocol':'sctp'}]}}", "\"protocol\" must be tcp or udp"},
		{VIP_START "'ports':[{'protocol':'tcp','port':65536}]}}", "outside 0..65535"},
		{PORT_START "'digest':7}]}}", "\"digest\""},
		{PORT_START "'backends':[7]}]}}", "a backend must be an object"},
		{PORT_START "'backends':[{'address':'10.0.0.1'}]}]}}", "\"state\" is missing"},
		{PORT_START "'backends':[{'address':'10.0.0.1','state':'sick'}]}]}}",
		 "\"state\" is not a backend state: sick"},
		{PORT_START "'backends':[{'address':'10.0.0.1','state':'up','reason':'x'},"
			    "{'address':'10.0.0.1','state':'up'}]}]}}",
		 "backend 10.0.0.1 is listed twice"},
		{PORT_START "'backends':[]},{'protocol':'tcp','port':80,'enabled':0,'total':0}]}}",
		 "port 80 is listed twice"},
		{"{'x':[[[[[[[[[[[[[[]]]]]]]]]]]]]]}", "malformed JSON: nesting too deep"},
	};
	char err[NLB_FEED_ERR_MAX];

	for (size_t i = 0; i < array_size(rows); i++) {
		struct nlb_feed_msg msg;

		memset(&msg, 0x5a, sizeof(msg));
		if (parse(rows[i][0], &msg, err) != -EINVAL)
			fail_msg("accepted: %s", rows[i][0]);
		if (!strstr(err, rows[i][1]))
			fail_msg("%s: \"%s\", not \"%s\"", rows[i][0], err, rows[i][1]);
		/* Untouched on failure. */
		assert_int_equal(((unsigned char *)&msg)[sizeof(msg) - 1], 0x5a);
	}
}

/* A NUL inside a line ends nothing. */
static void test_nul(void **state)
{
	static const char line[] = "{\"sync\":\"end\"}\0x";
	char err[NLB_FEED_ERR_MAX];
	struct nlb_feed_msg msg;

	assert_int_equal(nlb_feed_parse(line, sizeof(line) - 1, &msg, err, sizeof(err)), -EINVAL);
}

/* At the limit of a line, and beyond; a text at its limit is kept, beyond it is cut. */
static void test_limits(void **state)
{
	static char line[NLB_FEED_LINE_MAX + 2];
	char err[NLB_FEED_ERR_MAX];
	struct nlb_feed_msg msg;
	char longer[NLB_FEED_REASON_MAX + 2];
	int head;

	memset(line, ' ', sizeof(line));
	head = snprintf(line, sizeof(line), "{\"sync\":\"end\"");
	line[head] = ' ';
	line[NLB_FEED_LINE_MAX - 1] = '}';
	assert_int_equal(nlb_feed_parse(line, NLB_FEED_LINE_MAX, &msg, err, sizeof(err)), 0);
	line[NLB_FEED_LINE_MAX - 1] = ' ';
	line[NLB_FEED_LINE_MAX] = '}';
	assert_int_equal(nlb_feed_parse(line, NLB_FEED_LINE_MAX + 1, &msg, err, sizeof(err)),
			 -EINVAL);
	assert_string_equal(err, "line is longer than 1048576 bytes");

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	snprintf(line, sizeof(line), VIP_START "'reason':'%s'}}", longer);
	msg = good(line);
	assert_int_equal(strlen(msg.vip.reason), NLB_FEED_REASON_MAX);
	nlb_feed_msg_done(&msg);
	snprintf(line, sizeof(line), "{'hello':{'version':1,'instance':'%s'}}", longer);
	assert_int_equal(parse(line, &msg, err), -EINVAL);
	longer[NLB_FEED_NAME_MAX] = '\0';
	snprintf(line, sizeof(line), "{'hello':{'version':1,'instance':'%s'}}", longer);
	msg = good(line);
	assert_string_equal(msg.hello.instance, longer);
}

static void test_print(void **state)
{
	struct prefix a4 = prefix("192.0.2.1"), a6 = prefix("2001:db8::/64");
	char buf[NLB_FEED_OUT_MAX], worst[NLB_FEED_REASON_MAX + 9];

	size_t len = nlb_feed_print_hello(buf, sizeof(buf));

	assert_int_equal(len, strlen(buf));
	assert_string_equal(buf, "{\"hello\":{\"version\":1,\"daemon\":\"nlbd\"}}\n");
	nlb_feed_print_route(buf, sizeof(buf), &a4, "installed", NULL);
	assert_string_equal(buf,
			    "{\"route\":{\"address\":\"192.0.2.1\",\"state\":\"installed\"}}\n");
	nlb_feed_print_route(buf, sizeof(buf), &a6, "refused", "outside every vip-pool");
	assert_string_equal(buf, "{\"route\":{\"address\":\"2001:db8::/64\",\"state\":\"refused\","
				 "\"reason\":\"outside every vip-pool\"}}\n");
	nlb_feed_print_heartbeat(buf, sizeof(buf), UINT64_MAX);
	assert_string_equal(buf, "{\"heartbeat\":{\"seq\":18446744073709551615}}\n");
	nlb_feed_print_error(buf, sizeof(buf), "say \"no\"/");
	assert_string_equal(buf, "{\"error\":{\"reason\":\"say \\\"no\\\"/\"}}\n");

	nlb_feed_print_ask(buf, sizeof(buf), UINT32_MAX,
			   &(struct nlb_feed_ask){.src = "2001:db8::7",
						  .sport = 40000,
						  .vip = "2001:db8::1",
						  .dport = 53,
						  .protocol = "udp"});
	assert_string_equal(buf,
			    "{\"ask\":{\"id\":4294967295,\"src\":\"2001:db8::7\",\"sport\":40000,"
			    "\"vip\":\"2001:db8::1\",\"dport\":53,\"protocol\":\"udp\","
			    "\"established\":false}}\n");

	nlb_feed_print_ask(buf, sizeof(buf), 1, &(struct nlb_feed_ask){.health = "2001:db8::1"});
	assert_string_equal(buf, "{\"ask\":{\"id\":1,\"health\":\"2001:db8::1\"}}\n");

	/* The longest there is: every byte needs six. */
	memset(worst, 1, sizeof(worst));
	worst[sizeof(worst) - 1] = '\0';
	assert_true(nlb_feed_print_error(buf, sizeof(buf), worst) < sizeof(buf));
	assert_int_equal(strchr(buf, '\n') - buf, strlen(buf) - 1);
}

static void test_names(void **state)
{
	assert_string_equal(nlb_backend_state_str(NLB_BACKEND_UNKNOWN), "unknown");
	assert_string_equal(nlb_backend_state_str(NLB_BACKEND_UP), "up");
	assert_string_equal(nlb_backend_state_str(NLB_BACKEND_DOWN), "down");
	assert_string_equal(nlb_backend_state_str(NLB_BACKEND_DRAIN), "drain");
	assert_string_equal(nlb_backend_state_str(NLB_BACKEND_DISABLED), "disabled");
	assert_string_equal(nlb_protocol_str(IPPROTO_TCP), "tcp");
	assert_string_equal(nlb_protocol_str(IPPROTO_UDP), "udp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),	cmocka_unit_test(test_vip),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_nul),
		cmocka_unit_test(test_limits),	cmocka_unit_test(test_print),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
