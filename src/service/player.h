/* service/player.h - plays a file's lines to a syslog listener, as RFC 5424 over TCP.
 *
 * Each line gets a MSGID, PREFIX-NNNNNNNN, by which it can be found again wherever it went. Runs in
 * the caller's thread until all is sent, *stop is set, or the connection breaks.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

#include <stdatomic.h>

struct player_options {
	const char *address; /* "127.0.0.1:1514" */
	mr_str lines;        /* the file's text; empty lines are passed over */
	const char *prefix;  /* of the MSGIDs */
	uint64_t first;      /* number of the first line sent */
	uint64_t count;      /* lines to send; 0: the file once. Past its end it starts again */
	double rate;         /* lines a second; 0: as fast as the listener takes them */
	bool fresh_times;    /* put now in place of a common-log time: [22/Apr/2009:18:52:51 +1200] */
	_Atomic bool *stop;  /* may be NULL */
	/* After each write: lines sent so far; may be NULL. */
	void (*on_sent)(void *arg, uint64_t sent);
	void *arg;
};

/* *sent_out is set in any case. */
MR_NODISCARD int player_run(const struct player_options *options, uint64_t *sent_out, struct mr_error *err);
/* The lines that a text has for the player. */
uint64_t player_count_lines(mr_str text);
