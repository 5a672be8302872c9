/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balancer's program (xdp_world.h) and the oracle (oracle.h), one packet after
 * the other through both, compared in everything that can be seen: verdict and
 * bytes, the answer to a question, each counter, flows remembered and slots marked.
 *
 * The oracle knows no time: a difference counts only when the clock of flows
 * did not tick since xdp_diff_reset(). xdp_diff_run() sees to that.
 */
#ifndef NLB_TESTS_XDP_DIFF_H
#define NLB_TESTS_XDP_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What BPF_PROG_TEST_RUN takes. */
#define XDP_DIFF_FRAME_MIN 14u
#define XDP_DIFF_FRAME_MAX 9500u

/*
 * A sequence, as it lies in a file of the corpus: a byte of options, then
 * frames: length (2 bytes, network order) and bytes.
 */
#define XDP_DIFF_SEQUENCE_MAX 65535u

#define XDP_DIFF_DRAINED      1u /* no ICMP is answered any more */
#define XDP_DIFF_NO_SOURCE    2u /* the node has no outer source of its own */
#define XDP_DIFF_NO_ECHO      4u /* NLB_CONFIG_F_NO_ECHO */

enum xdp_diff {
	XDP_DIFF_SAME,
	XDP_DIFF_OTHER, /* what differs is in err */
	XDP_DIFF_LATE,	/* the clock ticked: says nothing */
};

/* After xdp_world_up(), and before each sequence of packets. */
void xdp_diff_reset(unsigned int options);

/* full: compare all counters, which takes longer. */
enum xdp_diff xdp_diff_frame(const uint8_t *frame, size_t len, bool full, char *err,
			     size_t err_len);

/*
 * Resets, and runs a whole sequence, again if it was late. Frames of other lengths than may be are left out.
 */
enum xdp_diff xdp_diff_run(const uint8_t *sequence, size_t len, char *err, size_t err_len);

#endif
