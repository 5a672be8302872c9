// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both formats are sequences of words of 32 bits. A block of pcapng has its
 * length at both ends; options are padded to whole words.
 */
#include <string.h>

#include "pcap.h"

#define PCAP_MAGIC_NS	  0xa1b23c4du
#define PCAP_SNAPLEN	  262144u
#define LINKTYPE_ETHERNET 1u

#define NG_SECTION	  0x0a0d0d0au
#define NG_INTERFACE	  1u
#define NG_PACKET	  6u
#define NG_BYTE_ORDER	  0x1a2b3c4du
#define NG_OPT_END	  0u
#define NG_OPT_COMMENT	  1u
#define NG_OPT_IF_NAME	  2u
#define NG_OPT_IF_TSRESOL 9u
#define NG_COMMENT_MAX	  1024u

static void put16(struct sbuf *out, uint16_t v)
{
	sbuf_add(out, (const char *)&v, sizeof(v));
}

static void put32(struct sbuf *out, uint32_t v)
{
	sbuf_add(out, (const char *)&v, sizeof(v));
}

static void put_padded(struct sbuf *out, const void *data, size_t len)
{
	static const char zero[4];

	sbuf_add(out, data, len);
	sbuf_add(out, zero, (4 - len % 4) % 4);
}

/* ---- blocks of pcapng ---- */

static size_t block_begin(struct sbuf *out, uint32_t type)
{
	size_t start = out->len;

	put32(out, type);
	put32(out, 0);
	return start;
}

static void block_end(struct sbuf *out, size_t start)
{
	uint32_t len = (uint32_t)(out->len - start + 4);

	put32(out, len);
	if (sbuf_ok(out))
		memcpy(out->data + start + 4, &len, sizeof(len));
}

static void put_option(struct sbuf *out, uint16_t code, const void *data, size_t len)
{
	put16(out, code);
	put16(out, (uint16_t)len);
	put_padded(out, data, len);
}

static void put_section(struct sbuf *out)
{
	size_t start = block_begin(out, NG_SECTION);

	put32(out, NG_BYTE_ORDER);
	put16(out, 1);
	put16(out, 0);
	/* The section's length is not known. */
	put32(out, UINT32_MAX);
	put32(out, UINT32_MAX);
	block_end(out, start);
}

static void put_interface(struct sbuf *out, const char *name)
{
	static const uint8_t nanoseconds = 9;
	size_t start = block_begin(out, NG_INTERFACE);

	put16(out, LINKTYPE_ETHERNET);
	put16(out, 0);
	put32(out, PCAP_SNAPLEN);
	if (name[0])
		put_option(out, NG_OPT_IF_NAME, name, strlen(name));
	put_option(out, NG_OPT_IF_TSRESOL, &nanoseconds, 1);
	put_option(out, NG_OPT_END, NULL, 0);
	block_end(out, start);
}

static uint32_t interface_id(struct pcap *p, const char *name)
{
	char key[PCAP_NAME_LEN] = "";
	unsigned int i;

	memcpy(key, name, strnlen(name, sizeof(key) - 1));
	for (i = 0; i < p->n_names; i++)
		if (strcmp(p->names[i], key) == 0)
			return i;
	/* More than an agent can have: the last one takes them all. */
	if (i == PCAP_INTERFACES_MAX)
		return i - 1;
	memcpy(p->names[i], key, sizeof(key));
	p->n_names++;
	put_interface(p->out, key);
	return i;
}

static void put_packet(struct pcap *p, const struct pcap_packet *pkt)
{
	uint32_t id = interface_id(p, pkt->interface);
	size_t start = block_begin(p->out, NG_PACKET);

	put32(p->out, id);
	put32(p->out, (uint32_t)(pkt->time_ns >> 32));
	put32(p->out, (uint32_t)pkt->time_ns);
	put32(p->out, pkt->cap_len);
	put32(p->out, pkt->len);
	put_padded(p->out, pkt->data, pkt->cap_len);
	if (pkt->comment) {
		put_option(p->out, NG_OPT_COMMENT, pkt->comment,
			   strnlen(pkt->comment, NG_COMMENT_MAX));
		put_option(p->out, NG_OPT_END, NULL, 0);
	}
	block_end(p->out, start);
}

/* ---- both ---- */

void pcap_begin(struct pcap *p, struct sbuf *out, bool ng)
{
	*p = (struct pcap){.out = out, .ng = ng};
	if (ng) {
		put_section(out);
		return;
	}
	put32(out, PCAP_MAGIC_NS);
	put16(out, 2);
	put16(out, 4);
	put32(out, 0);
	put32(out, 0);
	put32(out, PCAP_SNAPLEN);
	put32(out, LINKTYPE_ETHERNET);
}

void pcap_write(struct pcap *p, const struct pcap_packet *pkt)
{
	if (p->ng) {
		put_packet(p, pkt);
		return;
	}
	put32(p->out, (uint32_t)(pkt->time_ns / 1000000000));
	put32(p->out, (uint32_t)(pkt->time_ns % 1000000000));
	put32(p->out, pkt->cap_len);
	put32(p->out, pkt->len);
	sbuf_add(p->out, (const char *)pkt->data, pkt->cap_len);
}
