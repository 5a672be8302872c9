/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel between two processes of the agent: a stream socket pair carrying
 * frames of {type, length, payload}. Sending never blocks: what the socket
 * does not take is queued, up to a limit, and flushed by the loop. All frames
 * that arrived in one read are delivered one after the other, and then
 * `burst` is called once, which is where the receiver acts on the lot.
 *
 * Both ends are the same binary, so payloads are plain structs (agent/msg.h).
 * A frame that breaks the rules means that the two are out of step; the
 * receiver ends the channel, and the owner ends the process.
 */
#ifndef NLB_AGENT_IPC_H
#define NLB_AGENT_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "loop.h"

#define IPC_PAYLOAD_MAX (16u << 20)
#define IPC_QUEUE_MAX	(256u << 20)
#define IPC_SOCKET_ROOM (4u << 20) /* asked of the socket; what it does not take is queued */

struct ipc;

struct ipc_ops {
	/* One frame. data is valid during the call and 8-byte aligned. */
	void (*frame)(struct ipc *ch, uint16_t type, const void *data, size_t len);
	/* After the last frame of a read; may be NULL. */
	void (*burst)(struct ipc *ch);
	/* The peer hung up (err 0) or broke the rules (-errno). Last call. */
	void (*closed)(struct ipc *ch, int err);
};

/* Takes fd over (closed on failure too). Returns 0 or -errno. */
int ipc_new(struct loop *l, int fd, const struct ipc_ops *ops, void *user, struct ipc **ret);

/* Sends nothing more and closes. Legal in every callback, and on NULL. */
void ipc_free(struct ipc *ch);

void *ipc_user(const struct ipc *ch);

/*
 * Queues one frame. Returns 0, -EMSGSIZE, or -ENOBUFS when IPC_QUEUE_MAX bytes
 * wait already. Frames are written when the loop comes round, or at once by
 * ipc_flush(), so that many small frames cost one system call.
 */
int ipc_send(struct ipc *ch, uint16_t type, const void *data, size_t len);
int ipc_flush(struct ipc *ch);

/* A connected pair of descriptors, close-on-exec, non-blocking. 0 or -errno. */
int ipc_pair(int ret_fds[static 2]);

#endif
