/* service/player.h - plays a file's lines to a syslog listener, as RFC 5424 over TCP.
 *
 * Each line gets the time of its sending and a MSGID, PREFIX-NNNNNNNN, by which it can be found
 * again wherever it went. Runs in the caller's thread until all is sent, *stop is set, or the
 * connection breaks.
 *
 * With reconnect_ms a break is not the end: the kernel knows how many bytes the other side has
 * acknowledged; the player connects again and goes on with the first line that was not wholly
 * among them. A line that is missing later was lost by the receiver, not here.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

#include <stdatomic.h>

struct player_options {
	const char *address;  /* "127.0.0.1:1514" */
	mr_str lines;         /* the file's text; empty lines are passed over */
	const char *prefix;   /* of the MSGIDs */
	const char *hostname; /* NULL: localhost */
	uint64_t first;       /* number of the first line sent */
	uint64_t count;       /* lines to send; 0: the file once. Past its end it starts again */
	double rate;          /* lines a second; 0: as fast as the listener takes them */
	bool fresh_times;     /* put now in place of a common-log time: [22/Apr/2009:18:52:51 +1200] */
	bool octet_counted;   /* frame by length, not by newline */
	bool bare;            /* the lines as they are, without a header */
	bool number_json;     /* a line that is a JSON object starts with "from" (PREFIX) and "seq" */
	int64_t reconnect_ms; /* try so long to connect again; 0: a break ends the run with an error */
	_Atomic bool *stop;   /* may be NULL */
	/* After each write: lines sent so far; may be NULL. */
	void (*on_sent)(void *arg, uint64_t sent);
	/* After each break: lines acknowledged, so sent again from there; may be NULL. */
	void (*on_break)(void *arg, uint64_t acknowledged);
	void *arg;
};

/* *sent_out is set in any case. On success every line sent was acknowledged by TCP. */
MR_NODISCARD int player_run(const struct player_options *options, uint64_t *sent_out, struct mr_error *err);
/* The lines that a text has for the player. */
uint64_t player_count_lines(mr_str text);
