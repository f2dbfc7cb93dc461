/* service/gateway.h - syslog in, events out.
 *
 * Listens on TCP (newline and octet-counted framing, told apart per message) and UDP; parses
 * RFC 5424, falling back to RFC 3164, falling back to the bare line; runs the ordered rules; hands
 * the event to the broker. A line leaves the gateway's memory only when the log has it safe;
 * when the log is busy the gateway stops reading (TCP pushes back), so memory is bounded.
 *
 * A line that no rule forwards, that is too long, cut off, or whose rules fail goes to the dead
 * letter topic "gateway.dlq" (value: the raw line; headers: reason, peer, and truncated when only
 * its first 512 KiB are kept). No line vanishes, but those that a rule drops by `stop`.
 *
 * One thread per gateway; gateway_stats is safe from any.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "broker/broker.h"
#include "conf/project.h"
#include "env/env.h"

struct gateway;

/* The topic "gateway.dlq" is made when it is not there. conf is needed during the call only. */
MR_NODISCARD int gateway_start(const struct env *env, struct broker *broker, const struct conf_gateway *conf,
			       struct gateway **out, struct mr_error *err);
/* Stops reading, makes what was read safe (at most timeout_ms), closes, frees. */
void gateway_stop(struct gateway *gateway, int64_t timeout_ms);
size_t gateway_listener_count(const struct gateway *gateway);
void gateway_listener(const struct gateway *gateway, size_t i, mr_str *protocol, char address[64]);

struct gateway_stats {
	uint64_t connections, connections_open;
	uint64_t lines, bytes; /* received */
	uint64_t forwarded;    /* to topics, safe */
	uint64_t dead;         /* to gateway.dlq, safe */
	uint64_t
	    stopped; /* dropped because a rule said `stop`; lines = forwarded + dead + stopped + on the way */
	uint64_t unmatched, too_long, rule_errors; /* why lines are dead */
	uint64_t invalid_utf8;                     /* lines with bytes that are no UTF-8; they go on */
};
void gateway_stats(struct gateway *gateway, struct gateway_stats *out);

/* `millrace gateway --test FILE`: what the rules do to each line; writes readable text to out. */
MR_NODISCARD int gateway_test_line(const struct conf_gateway *conf, mr_str line, int64_t now_ms,
				   struct mr_buf *out, struct mr_error *err);
