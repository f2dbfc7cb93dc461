#include "dag/state.h"

#include "base/buf.h"
#include "base/error.h"

enum state_kind { OPEN, DONE };

static const struct {
	const char *name;
	enum state_kind kind;
} states[] = {
#define STATE(id, word, state_kind) [TASK_##id] = {word, state_kind},
#include "dag/state.def"
};

static const struct task_move moves[] = {
#define MOVE(was, on, becomes, then) {TASK_##was, TASK_ON_##on, TASK_##becomes, TASK_DO_##then},
#include "dag/state.def"
};

static const char *const event_names[TASK_EVENTS] = {
    [TASK_ON_RULE_RUN] = "rule_run",
    [TASK_ON_RULE_SKIPPED] = "rule_skipped",
    [TASK_ON_RULE_UPSTREAM_FAILED] = "rule_upstream_failed",
    [TASK_ON_RULE_REMOVED] = "rule_removed",
    [TASK_ON_SKIP] = "skip",
    [TASK_ON_SLOT] = "slot",
    [TASK_ON_TRIVIAL] = "trivial",
    [TASK_ON_STARTED] = "started",
    [TASK_ON_SUCCEEDED] = "succeeded",
    [TASK_ON_SKIPPED] = "skipped",
    [TASK_ON_FAILED] = "failed",
    [TASK_ON_FAILED_RETRY] = "failed_retry",
    [TASK_ON_DEFERRED] = "deferred",
    [TASK_ON_RESCHEDULED] = "rescheduled",
    [TASK_ON_LOST] = "lost",
    [TASK_ON_DUE] = "due",
    [TASK_ON_CLEAR] = "clear",
};

static const char *const effect_names[] = {
    [TASK_DO_WAIT] = "wait", [TASK_DO_READY] = "ready", [TASK_DO_START] = "start", [TASK_DO_TIMER] = "timer",
    [TASK_DO_DONE] = "done", [TASK_DO_KILL] = "kill",   [TASK_DO_AGAIN] = "again",
};

static const char *const run_names[RUN_STATES] = {"queued", "running", "success", "failed"};

const struct task_move *task_move(enum task_state from, enum task_event event)
{
	for (size_t i = 0; i < MR_COUNT(moves); i++)
		if (moves[i].from == from && moves[i].event == event)
			return &moves[i];
	return NULL;
}

const char *task_state_name(enum task_state state)
{
	MR_ASSERT(state < TASK_STATES);
	return states[state].name;
}

bool task_state_parse(mr_str name, enum task_state *out)
{
	for (size_t i = 0; i < MR_COUNT(states); i++) {
		if (mr_str_is(name, states[i].name)) {
			*out = (enum task_state)i;
			return true;
		}
	}
	return false;
}

bool task_state_done(enum task_state state)
{
	MR_ASSERT(state < TASK_STATES);
	return states[state].kind == DONE;
}

const char *task_event_name(enum task_event event)
{
	MR_ASSERT(event < TASK_EVENTS);
	return event_names[event];
}

const char *task_effect_name(enum task_effect effect)
{
	return effect_names[effect];
}

const char *run_state_name(enum run_state state)
{
	MR_ASSERT(state < RUN_STATES);
	return run_names[state];
}

bool run_state_parse(mr_str name, enum run_state *out)
{
	for (size_t i = 0; i < RUN_STATES; i++) {
		if (mr_str_is(name, run_names[i])) {
			*out = (enum run_state)i;
			return true;
		}
	}
	return false;
}

void task_state_document(struct mr_buf *out)
{
	mr_buf_cstr(out, "| from | event | to | then |\n|---|---|---|---|\n");
	for (size_t i = 0; i < MR_COUNT(moves); i++)
		mr_buf_printf(out, "| %s | %s | %s | %s |\n", task_state_name(moves[i].from),
			      task_event_name(moves[i].event), task_state_name(moves[i].to),
			      task_effect_name(moves[i].effect));
}
