/* service/listener.h - the gateway's sockets: TCP listeners and UDP receivers.
 *
 * A UDP receiver that cannot hand a datagram on keeps it and stops reading; the kernel's buffer
 * (asked to be 8 MiB) then holds what comes, and drops what does not fit: that is UDP.
 */
#pragma once

#include "service/connection.h"

struct listener;

/* protocol: "tcp" or "udp"; address: "host:port". *out is the caller's. */
MR_NODISCARD int listener_open(struct connections *connections, mr_str protocol, mr_str address,
			       struct listener **out, struct mr_error *err);
void listener_free(struct listener *listener); /* closes; NULL is fine */
void listener_resume(struct listener *listener);
/* Take what has arrived, and read no more. False while datagrams are still held. */
bool listener_drain(struct listener *listener);
mr_str listener_protocol(const struct listener *listener);
const char *listener_address(const struct listener *listener); /* with the port that was bound */
