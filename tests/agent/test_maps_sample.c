// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Samples from a ring buffer of the kernel's to the parent. A small program of
 * the test's own stands in for the data plane: it puts what it is given into
 * the ring buffer.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "maps_sample.h"
#include "util.h"

#define RING_BYTES (64 * 4096)

struct fx {
	struct loop *l;
	struct config cfg;
	struct maps_bpf bpf;
	struct nlb_backend backends[3];
	struct maps_table table;
	struct maps_vip vip, *vip_of[8];
	struct nlb_config config;
	struct maps_sample s;
	int ring_fd, prog_fd;
	/* What was sent to the parent. */
	unsigned int n;
	struct msg_sample last;
	uint8_t data[NLB_SAMPLE_MAX];
};

static void on_send(void *user, const struct msg_sample *msg, size_t len)
{
	struct fx *fx = user;

	assert_int_equal(len, sizeof(*msg) + msg->cap_len);
	fx->last = *msg;
	memcpy(fx->data, msg + 1, msg->cap_len);
	fx->n++;
}

#define SAMPLE ((int)sizeof(struct nlb_sample))

/* An XDP program: puts the packet, which is a sample, into the ring. */
static int load_writer(int ring_fd)
{
	const struct bpf_insn insns[] = {
		/* bpf_xdp_load_bytes(ctx, 0, stack, SAMPLE) */
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -SAMPLE},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = SAMPLE},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_xdp_load_bytes},
		/* bpf_ringbuf_output(ring, stack, SAMPLE, 0) */
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = ring_fd},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -SAMPLE},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = SAMPLE},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ringbuf_output},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "writer", "GPL", insns, ARRAY_SIZE(insns), NULL);
}

/* 0, or -errno when there is no more room. */
static int put(struct fx *fx, const struct nlb_sample *sample)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = sample, .data_size_in = sizeof(*sample),
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(fx->prog_fd, &opts), 0);
	return (int)opts.retval;
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(loop_new(&fx->l), 0);
	fx->ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, RING_BYTES, NULL);
	if (fx->ring_fd < 0 && errno == EPERM) {
		loop_free(fx->l);
		free(fx);
		*state = NULL;
		return 0;
	}
	assert_true(fx->ring_fd >= 0);
	fx->prog_fd = load_writer(fx->ring_fd);
	assert_true(fx->prog_fd >= 0);
	fx->bpf.reasons_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "reasons", 4,
					    sizeof(struct nlb_reasons), 1, NULL);
	assert_true(fx->bpf.reasons_fd >= 0);
	fx->cfg.max_backends = 2;
	fx->cfg.max_vips = ARRAY_SIZE(fx->vip_of) - 1;
	fx->bpf.cfg = &fx->cfg;
	fx->bpf.backends = fx->backends;
	addr_parse("10.0.0.1", (struct addr *)fx->backends[1].addr);
	fx->table.bpf = &fx->bpf;
	addr_parse("192.0.2.1", &fx->vip.addr);
	fx->vip.number = 5;
	fx->table.vip_of = fx->vip_of;
	fx->vip_of[5] = &fx->vip;
	HASH_ADD(hh, fx->table.vips, addr, sizeof(struct addr), &fx->vip);
	/* As an agent that was killed leaves it. */
	fx->config.sample_rate = 9;
	assert_int_equal(
		maps_sample_init(&fx->s, fx->l, &fx->table, fx->ring_fd, &fx->config, on_send, fx),
		0);
	assert_int_equal(fx->config.sample_rate, 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	if (!fx)
		return 0;
	fx->config.sample_rate = 1;
	maps_sample_done(&fx->s);
	assert_int_equal(fx->config.sample_rate, 0);
	HASH_DEL(fx->table.vips, &fx->vip);
	close(fx->ring_fd);
	close(fx->prog_fd);
	close(fx->bpf.reasons_fd);
	loop_free(fx->l);
	free(fx);
	return 0;
}

static struct fx *fixture(void **state)
{
	if (!*state) {
		print_message("no CAP_BPF\n");
		skip();
	}
	return *state;
}

static void run(struct fx *fx)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_once(fx->l, 0), 0);
}

static void start(struct fx *fx, const char *vip, int want)
{
	struct msg_sample_set set = {.seq = 3, .rate = 7, .reasons = 0xf0};
	struct msg_sample_state st;

	if (vip)
		addr_parse(vip, &set.vip);
	maps_sample_set(&fx->s, &set, &st);
	assert_int_equal(st.seq, 3);
	assert_int_equal(st.error, want);
}

static const struct nlb_sample one = {
	.time_ns = 1234,
	.ifindex = 2,
	.vip = 5,
	.backend = 1,
	.len = 1500,
	.reason = NLB_R_TX,
	.cap_len = 3,
	.data = {1, 2, 3},
};

static void test_one(void **state)
{
	struct fx *fx = fixture(state);
	struct nlb_sample sample = one;
	char text[ADDR_STRLEN];

	/* Left over from before: nobody's. */
	put(fx, &one);
	put(fx, &one);
	run(fx);
	start(fx, NULL, 0);
	assert_int_equal(fx->config.sample_rate, 7);
	assert_true(fx->config.sample_reasons == 0xf0);
	assert_int_equal(fx->config.sample_vip, 0);
	run(fx);
	assert_int_equal(fx->n, 0);
	put(fx, &one);
	run(fx);
	assert_int_equal(fx->n, 1);
	assert_int_equal(fx->last.time_ns, 1234);
	assert_int_equal(fx->last.ifindex, 2);
	assert_int_equal(fx->last.len, 1500);
	assert_int_equal(fx->last.reason, NLB_R_TX);
	assert_string_equal(addr_str(&fx->last.vip, text), "192.0.2.1");
	assert_string_equal(addr_str(&fx->last.backend, text), "10.0.0.1");
	assert_memory_equal(fx->data, one.data, 3);
	/* Numbers that nobody has, a length that cannot be. */
	sample.vip = 6;
	sample.backend = 77;
	sample.cap_len = UINT16_MAX;
	put(fx, &sample);
	run(fx);
	assert_int_equal(fx->n, 2);
	assert_int_equal(fx->last.cap_len, NLB_SAMPLE_MAX);
	assert_true(addr_is_unspecified(&fx->last.vip));
	assert_true(addr_is_unspecified(&fx->last.backend));
}

static void test_only_one_vip(void **state)
{
	struct fx *fx = fixture(state);
	struct nlb_sample other = one;

	start(fx, "192.0.2.2", -ENOENT);
	assert_int_equal(fx->config.sample_rate, 0);
	start(fx, "192.0.2.1", 0);
	assert_int_equal(fx->config.sample_vip, 5);
	put(fx, &one);
	/* The number is another VIP's by now. */
	other.vip = 6;
	put(fx, &other);
	run(fx);
	assert_int_equal(fx->n, 1);
}

/* The parent says how many it takes; the rest waits in the ring, which fills up. */
static void test_slow_parent(void **state)
{
	struct fx *fx = fixture(state);
	unsigned int put_in = 0;

	start(fx, NULL, 0);
	fx->s.credit = 10;
	for (int i = 0; i < 20; i++)
		put(fx, &one);
	run(fx);
	assert_int_equal(fx->n, 10);
	while (put(fx, &one) == 0)
		put_in++;
	assert_true(put_in > 100);
	run(fx);
	assert_int_equal(fx->n, 10);
	maps_sample_taken(&fx->s, 5);
	run(fx);
	assert_int_equal(fx->n, 15);
	maps_sample_taken(&fx->s, UINT64_MAX);
	assert_int_equal(fx->s.credit, MSG_SAMPLE_WINDOW);
	for (int i = 0; i < 10; i++)
		run(fx);
	assert_int_equal(fx->n, 20 + put_in);
}

static void test_end(void **state)
{
	struct fx *fx = fixture(state);
	_cleanup_free_ struct nlb_reasons *per_cpu =
		calloc((size_t)libbpf_num_possible_cpus(), sizeof(*per_cpu));
	struct msg_sample_set none = {.seq = 4};
	struct msg_sample_state st;
	uint32_t zero = 0;

	assert_non_null(per_cpu);
	per_cpu[0].packets[NLB_EVENT_BASE + NLB_E_SAMPLE_LOST] = 100;
	assert_int_equal(bpf_map_update_elem(fx->bpf.reasons_fd, &zero, per_cpu, BPF_ANY), 0);
	start(fx, NULL, 0);
	per_cpu[0].packets[NLB_EVENT_BASE + NLB_E_SAMPLE_LOST] = 103;
	assert_int_equal(bpf_map_update_elem(fx->bpf.reasons_fd, &zero, per_cpu, BPF_ANY), 0);
	maps_sample_set(&fx->s, &none, &st);
	assert_int_equal(st.seq, 4);
	assert_int_equal(st.error, 0);
	assert_int_equal(st.lost, 3);
	assert_int_equal(fx->config.sample_rate, 0);
	put(fx, &one);
	maps_sample_taken(&fx->s, 5);
	run(fx);
	assert_int_equal(fx->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_one_vip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
