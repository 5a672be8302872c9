// SPDX-License-Identifier: GPL-2.0-or-later
/* Questions to the live program: put together, matched with answers, and told in words. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "xdp/nlb_shared.h"

struct fx {
	struct loop *l;
	struct asker k;
	struct msg_ask sent;
	unsigned int n_sent;
};

struct caller {
	struct ask ask;
	unsigned int n;
	bool answered;
};

static void on_send(void *user, uint16_t type, const void *data, size_t len)
{
	struct fx *fx = user;

	assert_int_equal(type, MSG_MAPS_ASK);
	assert_int_equal(len, sizeof(fx->sent));
	memcpy(&fx->sent, data, len);
	fx->n_sent++;
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(loop_new(&fx->l), 0);
	fx->k = (struct asker){.loop = fx->l, .send = on_send, .user = fx};
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	loop_free(fx->l);
	free(fx);
	return 0;
}

/* "name=value ..."; the error, or "" when the form is whole. */
static const char *fill(struct ask_form *f, const char *words)
{
	char *copy = strdup(words), *save = NULL;
	int r = 0;

	*f = (struct ask_form){};
	for (char *w = strtok_r(copy, " ", &save); w && r == 0; w = strtok_r(NULL, " ", &save)) {
		char *value = strchr(w, '=');

		*value++ = '\0';
		r = ask_form_set(f, w, value);
	}
	free(copy);
	if (r == 0)
		r = ask_form_check(f);
	assert_true(r == 0 || r == -EINVAL);
	assert_int_equal(r < 0, f->field != NULL);
	return f->error;
}

#define GOOD "src=192.0.2.7 sport=40000 vip=192.0.2.10 dport=80 protocol=tcp"

static void test_form(void **state)
{
	static const struct {
		const char *words, *error;
	} t[] = {
		{GOOD, ""},
		{GOOD " established=true interface=eth0", ""},
		{"src=2001:db8::1 sport=0 vip=2001:db8::2 dport=65535 protocol=udp", ""},
		{"src=x", "src must be an address"},
		{"sport=65536", "sport must be a number from 0 to 65535"},
		{"sport=-1", "sport must be a number from 0 to 65535"},
		{"dport=1x", "dport must be a number from 0 to 65535"},
		{"dport=123456", "dport must be a number from 0 to 65535"},
		{"protocol=icmp", "protocol must be tcp or udp"},
		{"established=1", "established must be true or false"},
		{"interface=a-name-of-16-long", "interface must be the name of an interface"},
		{"src=192.0.2.7 src=192.0.2.7", "src is given twice"},
		{"sport=1 vip=192.0.2.1 dport=1 protocol=tcp", "src is missing"},
		{"src=192.0.2.7 sport=1 vip=192.0.2.1 dport=1", "protocol is missing"},
		{"src=2001:db8::1 sport=1 vip=192.0.2.1 dport=1 protocol=tcp",
		 "src must be of the same family as vip"},
	};
	struct ask_form f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (strcmp(fill(&f, t[i].words), t[i].error) != 0)
			fail_msg("%s: %s", t[i].words, f.error);
	fill(&f, GOOD " established=true interface=eth0");
	assert_int_equal(f.msg.sport, 40000);
	assert_int_equal(f.msg.dport, 80);
	assert_int_equal(f.msg.protocol, IPPROTO_TCP);
	assert_int_equal(f.msg.established, 1);
	assert_string_equal(f.msg.interface, "eth0");
	assert_int_equal(ask_form_set(&f, "colour", "red"), -ENOENT);
}

static void on_done(struct ask *a, const struct msg_answer *ans)
{
	struct caller *c = container_of(a, struct caller, ask);

	c->n++;
	c->answered = ans != NULL;
}

static void test_matching(void **state)
{
	static struct caller all[ASK_OPEN_MAX + 1];
	struct fx *fx = *state;
	struct ask_form f;
	struct msg_answer ans = {};

	memset(all, 0, sizeof(all));
	fill(&f, GOOD);
	for (size_t i = 0; i < ASK_OPEN_MAX; i++)
		assert_int_equal(ask_start(&fx->k, &all[i].ask, &f.msg, on_done), 0);
	assert_int_equal(ask_start(&fx->k, &all[ASK_OPEN_MAX].ask, &f.msg, on_done), -EBUSY);
	assert_int_equal(fx->n_sent, ASK_OPEN_MAX);
	/* Out of order; each is told once. */
	ans.seq = all[5].ask.msg.seq;
	ask_answer(&fx->k, &ans);
	ask_answer(&fx->k, &ans);
	assert_int_equal(all[5].n, 1);
	assert_true(all[5].answered);
	ask_cancel(&all[6].ask);
	ask_cancel(&all[6].ask);
	ans.seq = all[6].ask.msg.seq;
	ask_answer(&fx->k, &ans);
	assert_int_equal(all[6].n, 0);
	/* Late. */
	all[7].ask.timer.cb(&all[7].ask.timer);
	assert_int_equal(all[7].n, 1);
	assert_false(all[7].answered);
	ans.seq = all[7].ask.msg.seq;
	ask_answer(&fx->k, &ans);
	assert_int_equal(all[7].n, 1);
	assert_int_equal(fx->k.n_open, ASK_OPEN_MAX - 3);
	ask_stop(&fx->k);
	assert_int_equal(all[0].n, 1);
	assert_false(all[0].answered);
	assert_int_equal(fx->k.n_open, 0);
}

/* The answer's text, to be freed. */
static char *words(const struct msg_answer *ans)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	struct ask_form f;
	size_t len;

	fill(&f, GOOD);
	ask_write(&f.msg, ans, jput_begin(&doc));
	return jput_text(&doc, &len);
}

static void test_words(void **state)
{
	struct msg_answer ans = {.reason = NLB_R_NOT_VIP, .ingress = "eth0"};
	char *text = words(&ans);

	(void)state;
	assert_string_equal(text, "{\"flow\":{\"src\":\"192.0.2.7\",\"sport\":40000,\"dst\":"
				  "\"192.0.2.10\",\"dport\":80,\"protocol\":\"tcp\","
				  "\"established\":false,\"interface\":\"eth0\"},\"verdict\":"
				  "\"passed\",\"reason\":\"not_vip\",\"why\":[]}\n");
	free(text);
	ans = (struct msg_answer){
		.reason = NLB_R_TX_REDIRECT,
		.slot = 17,
		.vip_plen = 124,
		.svc_protocol = IPPROTO_TCP,
		.svc_port = 80,
		.sent = 1,
		.outer_ttl = 64,
		.mac = {2, 0, 0, 0, 0, 0xab},
		.n_vlans = 1,
		.vlans = {0x2005},
		.ingress = "eth0",
		.egress = "eth1",
	};
	addr_parse("192.0.2.0", &ans.vip);
	addr_parse("10.0.0.1", &ans.backend);
	addr_parse("10.0.0.1", &ans.outer_dst);
	addr_parse("10.0.0.254", &ans.outer_src);
	text = words(&ans);
	assert_non_null(strstr(
		text, "\"verdict\":\"sent\",\"reason\":\"tx_redirect\",\"vip\":\"192.0.2.0/28\","
		      "\"service\":{\"protocol\":\"tcp\",\"port\":80},\"backend\":\"10.0.0.1\","
		      "\"slot\":17,\"mode\":\"stable\",\"outer\":{\"source\":\"10.0.0.254\","
		      "\"destination\":\"10.0.0.1\",\"ttl\":64},\"egress\":{\"interface\":"
		      "\"eth1\",\"mac\":\"02:00:00:00:00:ab\",\"vlans\":[5]},\"why\":[\"the "
		      "flow's slot in the ring says so\",\"next hop as the agent keeps it\"]}"));
	free(text);
	ans.flags = NLB_ASK_F_FLOW | NLB_ASK_F_FIB;
	ans.mode = 1;
	text = words(&ans);
	assert_non_null(strstr(text, "\"mode\":\"recent\""));
	assert_non_null(strstr(text, "[\"the flow is remembered to go there\",\"next hop by the "
				     "kernel's routes\"]"));
	free(text);
	/* A SYN for which there was no room. */
	ans.flags = NLB_ASK_F_OLD;
	text = words(&ans);
	assert_non_null(strstr(text, "no room to remember a new flow: the ring before"));
	free(text);
	ans.flags = 0;
	text = words(&ans);
	assert_non_null(strstr(text, "the flow is new: the ring after the change counts"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test_setup_teardown(test_matching, setup, teardown),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
