/* cli/demo_live.h - live traffic beside a query that watches it arrive. */
#pragma once

#include "app/app.h"

struct demo_live {
	struct app *app;
	const char *address; /* of the gateway */
	mr_str lines;
	double rate;
	int seconds;
	uint64_t sent_before; /* lines that bronze and the dead letters hold already */
	_Atomic bool *stop;
};

/* Sends rate lines a second from a thread of its own while this one asks, over and over, how many
 * rows SQL sees; every newly seen line has waited from its write to the query's end. Prints a line
 * a second and the percentiles of the wait. *sent_out: lines sent. */
MR_NODISCARD int demo_live_run(const struct demo_live *options, uint64_t *sent_out, struct mr_error *err);
