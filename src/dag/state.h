/* dag/state.h - the states of task instances and runs, generated from state.def.
 *
 * Pure; safe from any thread. People may also set any instance to success, failed or skipped
 * (state_mark): that is no row of the table, because it is allowed from every state.
 */
#pragma once

#include "base/types.h"

struct mr_buf;

enum task_state {
#define STATE(id, name, kind) TASK_##id,
#include "dag/state.def"
	TASK_STATES
};

enum task_event {
	TASK_ON_RULE_RUN,
	TASK_ON_RULE_SKIPPED,
	TASK_ON_RULE_UPSTREAM_FAILED,
	TASK_ON_RULE_REMOVED,
	TASK_ON_SKIP,
	TASK_ON_SLOT,
	TASK_ON_TRIVIAL,
	TASK_ON_STARTED,
	TASK_ON_SUCCEEDED,
	TASK_ON_SKIPPED,
	TASK_ON_FAILED,
	TASK_ON_FAILED_RETRY,
	TASK_ON_DEFERRED,
	TASK_ON_RESCHEDULED,
	TASK_ON_LOST,
	TASK_ON_DUE,
	TASK_ON_CLEAR,
	TASK_EVENTS
};

enum task_effect {
	TASK_DO_WAIT,
	TASK_DO_READY,
	TASK_DO_START,
	TASK_DO_TIMER,
	TASK_DO_DONE,
	TASK_DO_KILL,
	TASK_DO_AGAIN,
};

struct task_move {
	enum task_state from;
	enum task_event event;
	enum task_state to;
	enum task_effect effect;
};

/* The row for (from, event), or NULL: the event does not apply and changes nothing. */
const struct task_move *task_move(enum task_state from, enum task_event event);
const char *task_state_name(enum task_state state); /* Airflow's word: "up_for_retry" */
bool task_state_parse(mr_str name, enum task_state *out);
bool task_state_done(enum task_state state);        /* finished: counts for trigger rules */
const char *task_event_name(enum task_event event); /* "rule_run" */
const char *task_effect_name(enum task_effect effect);

enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_SUCCESS, RUN_FAILED, RUN_STATES };
const char *run_state_name(enum run_state state);
bool run_state_parse(mr_str name, enum run_state *out);
static inline bool run_state_done(enum run_state state)
{
	return state >= RUN_SUCCESS;
}

/* The table as Markdown, for docs/scheduler.md. */
void task_state_document(struct mr_buf *out);
