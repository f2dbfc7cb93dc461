/* dag/core.h - the scheduler's decisions: which run is made, which task starts, what a finish means.
 *
 * No threads, no clock, no waiting: everything is called from one thread, time is an argument of
 * core_turn, and what is to be done outside comes out as batches (store.h): rows for the store and,
 * once these are durable, tries to submit or cancel and people to tell. tests/sim drives it from a
 * seed; scheduler.h gives it its threads.
 *
 * Nothing is polled: a finish touches the tasks below it, a freed slot wakes the first that waits for
 * it, and what is to happen later sits in a heap by its time.
 *
 * It reads its store only when it starts, and for what is not in memory: finished runs that are
 * cleared, versions of DAGs that the files no longer have.
 */
#pragma once

#include "dag/executor.h"
#include "dag/load.h"
#include "dag/store.h"
#include "env/rng.h"

#define DEFAULT_POOL "default_pool"
#define DEFAULT_POOL_SLOTS 128

struct core;
struct store_leader;

struct core_options {
	struct dag_store *store;
	struct mr_rng *rng;           /* for uuids */
	struct dag_load_options load; /* for stored versions */
	int32_t parallelism;          /* tries at a time over all DAGs */
	mr_str hostname;
	mr_str executor; /* of tasks that say none and that it can run; empty: the server itself */
	const struct store_leader *seen; /* only take over from this one; NULL: from whoever leads */
};

/* Claims the store and takes up what it holds. 1: another scheduler leads and it is not `seen`. Then, before
 * the first core_turn: core_set_dags and core_reattach. The times are now's. */
MR_NODISCARD int core_new(const struct core_options *options, int64_t wall_us, int64_t mono_us,
			  struct core **out, struct mr_error *err);
uint64_t core_epoch(const struct core *core);
void core_free(struct core *core); /* NULL is fine; what was not taken is dropped */

/* The DAGs as they are now; takes references. Runs go on with the version that they began with. */
void core_set_dags(struct core *core, const struct dag_set *set);
/* Every try that the store has as queued or running, to ask the executors after; borrowed. */
size_t core_reattach(struct core *core, struct dag_try ***tries_out); /* free() the array */

void core_report(struct core *core, const struct dag_report *report); /* unknown tries: nothing */
void core_event(struct core *core, mr_str event, mr_str payload_json);
/* An asset has changed. version >= 0: counts once; what is not newer is dropped. */
void core_asset_event(struct core *core, mr_str uri, mr_str extra_json, int64_t version);

/* Do what is due and start what may start. Wall clock for dates; monotonic for delays, so that a
 * clock that jumps neither hurries nor delays a retry. */
void core_turn(struct core *core, int64_t wall_us, int64_t mono_us);
/* How long until something is due: microseconds from the last turn; -1: nothing is. */
int64_t core_next_due_us(const struct core *core);
/* What changed since the last call; NULL: nothing. The caller's. */
struct store_batch *core_take_batch(struct core *core);

/* ---- what people ask ---- */

struct core_trigger {
	mr_str dag_id;
	mr_str run_id;           /* empty: manual__TIME */
	mr_str conf_json;        /* empty: {} */
	int64_t logical_date_us; /* NO_TIME: none */
	mr_str who;
};
/* MR_ERR_NOT_FOUND; MR_ERR_EXISTS: the run id is taken; MR_ERR_INVALID: conf does not fit params. */
MR_NODISCARD int core_trigger(struct core *core, const struct core_trigger *what, struct mr_buf *run_id_out,
			      struct mr_error *err);

struct core_select { /* instances of one run */
	mr_str dag_id, run_id;
	const mr_str *task_ids; /* none: all */
	size_t task_count;
	int32_t map_index; /* -1: all */
	bool upstream, downstream;
	bool only_failed, only_running;
	mr_str who;
};
/* They run again, once what they wait for has. *count_out: how many. */
MR_NODISCARD int core_clear(struct core *core, const struct core_select *what, size_t *count_out,
			    struct mr_error *err);
/* state: success, failed or skipped. What runs is stopped. */
MR_NODISCARD int core_mark(struct core *core, const struct core_select *what, enum task_state state,
			   size_t *count_out, struct mr_error *err);
/* Everything of the run: success marks what is not; failed ends what runs and skips what has not begun. */
MR_NODISCARD int core_mark_run(struct core *core, mr_str dag_id, mr_str run_id, enum run_state state,
			       mr_str who, struct mr_error *err);
/* What somebody wants to remember of a run (task_id empty) or an instance. */
void core_note(struct core *core, const struct store_note *note);
MR_NODISCARD int core_pause(struct core *core, mr_str dag_id, bool paused, mr_str who, struct mr_error *err);
void core_set_pool(struct core *core, mr_str name, int32_t slots, mr_str description);

enum core_reprocess { REPROCESS_NONE, REPROCESS_FAILED, REPROCESS_COMPLETED };
struct core_backfill {
	mr_str dag_id;
	int64_t from_us, to_us;
	enum core_reprocess reprocess;
	int32_t max_active_runs; /* of this backfill; 0: 10 */
	bool backwards;
	mr_str conf_json;
	mr_str who;
};
MR_NODISCARD int core_backfill(struct core *core, const struct core_backfill *what, size_t *runs_out,
			       struct mr_error *err);

/* For the status page and tests. */
struct core_counts {
	size_t dags, runs, instances, ready, active, parked;
};
struct core_counts core_counts(const struct core *core);
/* Calls fn for every instance in memory. */
void core_each(const struct core *core,
	       void (*fn)(void *arg, const struct store_run *run, const struct store_task *task), void *arg);
