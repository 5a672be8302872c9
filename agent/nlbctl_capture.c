// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl capture: begins a capture, takes its packets second by second until
 * enough has come or the user ends it, and ends it. Packets go to a file or a
 * pipe, in a format that Wireshark reads, or to the screen, a line each.
 *
 * When this program is killed, nobody takes packets any more, and the agent
 * ends the capture by itself.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "jget.h"
#include "jput.h"
#include "nlbctl.h"
#include "pcap.h"

#define DATA_MAX 65536u

struct capture {
	struct nlbctl *ctl;
	const char *file; /* NULL: to the screen */
	bool ng;
	uint64_t count;	  /* 0: no end */
	uint64_t seconds; /* 0: no end */
	uint64_t rate;
	const char *vip;
	char *reasons; /* names, with commas */

	FILE *out;
	struct sbuf bytes; /* of the file, not written yet */
	struct pcap pcap;
	uint64_t id, n;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signo _unused_)
{
	interrupted = 1;
}

static int usage(FILE *out)
{
	fputs("usage: nlbctl capture [options]\n"
	      "  -w FILE        write a pcap file; - is standard output\n"
	      "  --pcapng       write pcapng, which has reason, VIP and backend as comments\n"
	      "  -c COUNT       end after so many packets\n"
	      "  --seconds N    end after so long\n"
	      "  -s RATE        take one of so many packets; default: each\n"
	      "  --vip ADDRESS  only packets for this VIP\n"
	      "  --reason NAME[,NAME...]  only packets that left for one of these reasons\n"
	      "  --json         without -w: a JSON object for each packet\n",
	      out);
	return out == stdout ? 0 : 2;
}

static int parse_number(const char *text, uint64_t *ret)
{
	int used = 0;

	if (text[0] < '0' || text[0] > '9' || sscanf(text, "%18" SCNu64 "%n", ret, &used) != 1 ||
	    text[used] || !*ret) {
		fprintf(stderr, "nlbctl: not a number above 0: %s\n", text);
		return -EINVAL;
	}
	return 0;
}

/* 0; 1: help was asked for; -EINVAL. */
static int parse_options(struct capture *c, int argc, char **argv)
{
	enum { PCAPNG = 256, SECONDS, VIP, REASON, JSON };
	static const struct option options[] = {
		{"pcapng", no_argument, NULL, PCAPNG},
		{"seconds", required_argument, NULL, SECONDS},
		{"vip", required_argument, NULL, VIP},
		{"reason", required_argument, NULL, REASON},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt, r = 0;

	optind = 0;
	while (r == 0 && (opt = getopt_long(argc, argv, "w:c:s:h", options, NULL)) != -1) {
		switch (opt) {
		case 'w':
			c->file = optarg;
			break;
		case 'c':
			r = parse_number(optarg, &c->count);
			break;
		case 's':
			r = parse_number(optarg, &c->rate);
			break;
		case SECONDS:
			r = parse_number(optarg, &c->seconds);
			break;
		case PCAPNG:
			c->ng = true;
			break;
		case VIP:
			c->vip = optarg;
			break;
		case REASON:
			c->reasons = optarg;
			break;
		case JSON:
			c->ctl->json = true;
			break;
		case 'h':
			return 1;
		default:
			r = -EINVAL;
			break;
		}
	}
	return r < 0 || optind != argc ? -EINVAL : 0;
}

/* ---- packets ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes that text means, in place; -EINVAL. */
static int from_hex(const char *text, uint8_t *ret, uint32_t *ret_len)
{
	uint32_t n = 0;

	for (; text[0]; text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || n == DATA_MAX)
			return -EINVAL;
		ret[n++] = (uint8_t)(high << 4 | low);
	}
	*ret_len = n;
	return 0;
}

static const char *str(struct json_object *o, const char *key)
{
	const char *text = "-";

	jget_str(o, key, DATA_MAX * 2, &text, NULL);
	return text;
}

static void print_packet(const struct capture *c, struct json_object *o, uint64_t time_ns,
			 uint64_t len)
{
	time_t s = (time_t)(time_ns / 1000000000);
	struct tm tm = {};
	char clock[32];

	if (c->ctl->json) {
		fprintf(c->out, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		return;
	}
	localtime_r(&s, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(c->out, "%s.%09" PRIu64 " %-8s %-16s vip %s backend %s in %s length %" PRIu64 "\n",
		clock, time_ns % 1000000000, str(o, "verdict"), str(o, "reason"), str(o, "vip"),
		str(o, "backend"), str(o, "interface"), len);
}

static int take_packet(struct capture *c, struct json_object *o)
{
	static uint8_t data[DATA_MAX];
	struct pcap_packet pkt = {.data = data, .interface = ""};
	uint64_t time_ns = 0, len = 0;
	char comment[256];

	if (!json_object_is_type(o, json_type_object) ||
	    jget_u64(o, "time_ns", 0, UINT64_MAX, &time_ns, NULL) < 0 ||
	    jget_u64(o, "length", 0, UINT32_MAX, &len, NULL) < 0)
		return -EPROTO;
	c->n++;
	if (!c->file) {
		print_packet(c, o, time_ns, len);
		return 0;
	}
	if (from_hex(str(o, "data"), data, &pkt.cap_len) < 0)
		return -EPROTO;
	jget_str(o, "interface", DATA_MAX, &pkt.interface, NULL);
	pkt.time_ns = time_ns;
	pkt.len = (uint32_t)len;
	snprintf(comment, sizeof(comment), "reason %s, VIP %s, backend %s", str(o, "reason"),
		 str(o, "vip"), str(o, "backend"));
	pkt.comment = comment;
	pcap_write(&c->pcap, &pkt);
	return 0;
}

static int write_out(struct capture *c)
{
	int r = 0;

	if (!sbuf_ok(&c->bytes))
		r = -ENOMEM;
	else if (c->bytes.len && fwrite(c->bytes.data, 1, c->bytes.len, c->out) != c->bytes.len)
		r = -EIO;
	if (fflush(c->out) != 0)
		r = -EIO;
	sbuf_reset(&c->bytes);
	if (r < 0)
		fprintf(stderr, "nlbctl: cannot write: %s\n", strerror(errno ? errno : -r));
	return r;
}

/* ---- the capture ---- */

static int begin(struct capture *c)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *body = NULL;
	struct jput b = jput_begin(&doc), arr;
	char *save = NULL;
	size_t len;

	jput_u64(b, "rate", c->rate);
	if (c->vip)
		jput_str(b, "vip", c->vip);
	if (c->reasons) {
		arr = jput_array(b, "reasons");
		for (char *name = strtok_r(c->reasons, ",", &save); name;
		     name = strtok_r(NULL, ",", &save))
			jput_str(arr, NULL, name);
	}
	body = jput_text(&doc, &len);
	if (!body || nlbctl_request(c->ctl, "POST", "/v1/capture", body) < 0)
		return -EIO;
	o = nlbctl_answer(c->ctl);
	return o && jget_u64(o, "id", 1, UINT64_MAX, &c->id, NULL) == 0 && c->id ? 0 : -EIO;
}

/* 0: go on; 1: it is over; -errno after a message. */
static int take_some(struct capture *c)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *packets = NULL;
	bool running = false;
	char path[64];

	snprintf(path, sizeof(path), "/v1/capture?id=%" PRIu64 "&wait=1s", c->id);
	if (nlbctl_request(c->ctl, "GET", path, NULL) < 0)
		return -EIO;
	o = nlbctl_answer(c->ctl);
	if (!o)
		return -EIO;
	jget_bool(o, "running", &running, NULL);
	jget_array(o, "packets", SIZE_MAX, &packets, NULL);
	for (size_t i = 0; packets && i < json_object_array_length(packets); i++) {
		if (take_packet(c, json_object_array_get_idx(packets, i)) < 0) {
			fputs("nlbctl: a packet in the agent's answer makes no sense\n", stderr);
			return -EPROTO;
		}
		if (c->n == c->count)
			return write_out(c) < 0 ? -EIO : 1;
	}
	if (write_out(c) < 0)
		return -EIO;
	return !running;
}

static int end(struct capture *c)
{
	_cleanup_json_ struct json_object *o = NULL;
	uint64_t lost = 0;
	char path[64];

	snprintf(path, sizeof(path), "/v1/capture?id=%" PRIu64, c->id);
	if (nlbctl_request(c->ctl, "DELETE", path, NULL) < 0)
		return -EIO;
	o = nlbctl_answer(c->ctl);
	if (!o)
		return -EIO;
	jget_u64(o, "lost", 0, UINT64_MAX, &lost, NULL);
	fprintf(stderr, "%" PRIu64 " packets captured, %" PRIu64 " lost\n", c->n, lost);
	return 0;
}

static int run(struct capture *c)
{
	uint64_t until;
	int r, e;

	r = begin(c);
	if (r < 0)
		return r;
	until = util_now_ns() + c->seconds * 1000000000ull;
	if (c->file)
		pcap_begin(&c->pcap, &c->bytes, c->ng);
	/* The head at once: who reads a pipe waits for it. */
	r = write_out(c);
	while (r == 0 && !interrupted && (!c->seconds || util_now_ns() < until))
		r = take_some(c);
	e = end(c);
	return r < 0 ? r : e;
}

int nlbctl_capture(struct nlbctl *ctl, int argc, char **argv)
{
	struct capture c = {.ctl = ctl, .rate = 1, .out = stdout};
	struct sigaction sa = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
	int r = parse_options(&c, argc, argv);

	if (r)
		return usage(r > 0 ? stdout : stderr);
	if (c.file && strcmp(c.file, "-") != 0) {
		c.out = fopen(c.file, "we");
		if (!c.out) {
			fprintf(stderr, "nlbctl: %s: %s\n", c.file, strerror(errno));
			return 1;
		}
	}
	interrupted = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* A reader that has gone is an error of writing, after which the capture is ended. */
	sigaction(SIGPIPE, &ignore, NULL);
	r = run(&c);
	if (c.out != stdout && fclose(c.out) != 0 && r == 0)
		r = -EIO;
	sbuf_done(&c.bytes);
	return r < 0 ? 1 : 0;
}
