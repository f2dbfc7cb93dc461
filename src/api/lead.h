/* api/lead.h - which of the servers that share a store leads: the thread that beats, or stands by and takes
 * over (dag/lease.h).
 *
 * A leader that cannot beat in time, or finds another in its place, stops its scheduler and its tasks and
 * stands by. Each beat that was answered lets its tasks go on for a while (`renewed`); without one they are
 * ended by their keeper, whether this process lives or not. So a try has ended before another scheduler can
 * start it again.
 *
 * Threads: one. The callbacks come from it, and from lead_new.
 */
#pragma once

#include "dag/lease.h"
#include "env/env.h"

struct lead;

struct lead_options {
	const struct env *env;
	struct dag_store *store;
	const char *who; /* the same after a restart: HOST:FOLDER */
	struct lease_terms terms;
	/* Take over from `seen` and schedule. 1: somebody else was faster. */
	int (*start)(void *arg, const struct store_leader *seen, uint64_t *epoch, struct mr_error *err);
	bool (*busy)(void *arg); /* tasks run: after a stop they are still ours */
	void (*stop)(void *arg);
	void (*renewed)(void *arg, int64_t until_us); /* the tasks may run until then; 0: end them now */
	void (*standing_by)(void *arg);               /* at each look */
	void *arg;
};

/* Leads when nobody does, or we did before; else stands by. */
MR_NODISCARD int lead_new(const struct lead_options *options, struct lead **out, struct mr_error *err);
/* Stops what it started; the place is given up when no task runs on. NULL is fine. */
void lead_free(struct lead *lead);

struct lead_state {
	bool leads;
	struct store_leader leader; /* as the last look, or our claim, had it */
	int64_t seen_us;            /* wall clock of the last look or beat that was answered */
	int64_t beat_us;            /* and of the last beat */
	int64_t silent_us;          /* a leader that has not beaten for so long is not healthy */
};
/* From any thread. */
struct lead_state lead_state(struct lead *lead);
/* May a try be started now? From any thread. */
bool lead_holds(struct lead *lead);
