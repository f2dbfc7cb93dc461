/* dag/core_internal.h - the scheduler's memory, shared by core*.c.
 *
 * core --- pools (slots, a heap of ready instances)
 *      \-- dags: one state for each DAG id: its newest version, its open runs, what its next run waits for
 *             \-- runs: version, instances by task, counters of upstream states
 *                    \-- instances: the row that the store has, where it waits, its timer
 *
 * Invariants:
 *  - an instance is in at most one heap: of its pool (ready) or of a limit (parked)
 *  - pool and limits count exactly the instances that hold slots (queued, running, restarting)
 *  - run_task.up counts the final states of all instances of the task's upstream tasks
 *  - what has changed since the last batch is marked dirty and is written with the next
 */
#pragma once

#include "base/map.h"
#include "dag/core.h"
#include "dag/heap.h"
#include "dag/timetable.h"

struct run;
struct instance;
struct dag_state;

struct timer {
	struct heap_entry entry; /* in core->wall or core->mono */
	int64_t due_us;
	bool wall;
	void (*fire)(struct core *core, struct timer *timer);
};

/* So many at a time; those above it wait in order. max 0: no limit. */
struct limit {
	int32_t max, used;
	struct heap parked;
};

struct pool {
	mr_str name, description;
	int32_t slots, used;
	struct heap ready;
};

struct instance {
	struct store_task row;
	struct run *run;
	const struct dag_task *task;
	struct heap_entry place;
	struct limit *parked_at;
	struct timer timer;
	struct dag_try *try; /* while queued or running */
	int32_t lost;        /* submissions in a row that never began */
	bool dirty, holds;
	bool inherited; /* submitted by another server, which did not live to say whether it began */
};

struct run_task {
	struct upstream_counts up;
	MR_VEC(struct instance *) instances; /* by map index */
	struct limit limit;                  /* max_active_tis_per_dagrun */
	MR_VEC(mr_str) returned;             /* by map index: what expand of a task below needs */
	bool expanded, feeds;
};

struct run {
	struct store_run row;
	struct arena arena;
	struct core *core;
	struct dag_state *state;
	struct dag *dag; /* the version it began with */
	struct run_task *tasks;
	struct run *prev, *next; /* by date, in memory */
	struct limit limit;      /* max_active_tasks */
	struct timer timeout, deadline;
	size_t open;   /* instances not in a final state */
	size_t moving; /* of them, those past `none`: something will happen to them */
	bool dirty, ending;
};

/* An asset event that waits for the DAG's next run. */
struct asset_wait {
	mr_str uri, extra_json;
	int64_t at_us;
};

/* What was heard of an asset. A task that writes a table which is its outlet is heard of twice: by the
 * commit and by its own end, in either order. */
struct asset_seen {
	int64_t version;   /* the newest; -1 */
	int64_t commit_us; /* when it came; NO_TIME */
	int64_t outlet_us; /* when a task's end said so, and no commit has since; NO_TIME */
};

#define BACKFILL_ACTIVE 10 /* runs at once, when nothing was said */

struct backfill {
	char id[DAG_UUID_BYTES];
	int32_t max_active, active;
};

struct dag_state {
	struct core *core;
	struct store_dag row;
	struct arena arena;
	struct dag *dag;           /* the newest; NULL when the file is gone and nothing needed it yet */
	MR_VEC(struct run *) runs; /* in memory: open ones, and the last finished */
	int32_t active;            /* running, without backfills */
	int32_t waiting;           /* queued, without backfills */
	int32_t failed_in_a_row;
	struct timer next;
	struct mr_map limits; /* by task id: max_active_tis_per_dag */
	MR_VEC(struct asset_wait) waits;
	bool dirty, new_version;
};

/* Looked at in core_drain, one after the other: a chain of skips must not be a chain of calls. */
struct todo {
	struct run *run;
	int32_t task;
};

struct core {
	struct core_options options;
	struct arena arena;
	uint64_t epoch, batches;
	bool shared; /* other servers may have led before */
	int64_t wall_us, mono_us;
	int64_t last_run_no;
	struct mr_map dags;   /* id: struct dag_state */
	struct mr_map pools;  /* name: struct pool */
	struct mr_map tries;  /* uuid: struct instance */
	struct mr_map assets; /* uri: struct asset_seen */
	struct mr_map backfills;
	MR_VEC(struct backfill *) backfill_list;
	struct heap wall, mono;
	struct limit parallelism;
	struct store_batch *batch;
	MR_VEC(struct instance *) dirty_instances;
	MR_VEC(struct run *) dirty_runs;
	MR_VEC(struct dag_state *) dirty_dags;
	MR_VEC(struct todo) todo;    /* tasks whose upstream has changed */
	MR_VEC(struct run *) ending; /* runs whose last instance may have ended */
	MR_VEC(struct run *) gone;   /* finished and written: to be let go after the batch */
};

static inline struct instance *instance_of(struct heap_entry *place)
{
	return MR_CONTAINER_OF(place, struct instance, place);
}

/* core.c */
struct store_batch *core_batch(struct core *core);
void core_set_timer(struct core *core, struct timer *timer, int64_t due_us, bool wall);
void core_stop_timer(struct core *core, struct timer *timer);
void core_dirty_instance(struct instance *instance);
void core_dirty_run(struct run *run);
void core_dirty_dag(struct dag_state *state);
void core_log(struct core *core, const char *what, mr_str dag_id, mr_str run_id, mr_str task_id, mr_str who,
	      mr_str detail);
void core_drain(struct core *core);
void core_tell(struct run *run, const struct instance *instance, const struct dag_callback *callbacks,
	       size_t count, const char *what, mr_str detail);
struct pool *core_pool(struct core *core, mr_str name); /* made with one slot when unknown */

/* core_ready.c: slots */
void ready_add(struct instance *instance);    /* scheduled: wants a slot */
void ready_remove(struct instance *instance); /* wherever it waits */
void ready_give_back(struct instance *instance);
void ready_take(struct instance *instance); /* without asking: after a restart */
void ready_start(struct core *core);        /* start what may start */
bool ready_before(const struct heap_entry *a, const struct heap_entry *b);

/* core_task.c: instances */
struct instance *task_new(struct run *run, int32_t task, int32_t map_index);
void task_apply(struct instance *instance, enum task_event event);
void task_consider(struct run *run, int32_t task); /* its upstream has changed: look at it soon */
void task_look(struct run *run, int32_t task);     /* now */
void task_force(struct instance *instance, enum task_state state, const char *reason);
void task_count(struct instance *instance, int32_t by);           /* into the counters of the tasks below */
void task_mark(struct instance *instance, enum task_state state); /* by people */
void task_skip(struct run *run, int32_t task);
void task_forget_try(struct instance *instance);
void task_arm(struct instance *instance); /* set its timer to row.due_us */
void task_due(struct core *core, struct timer *timer);
bool task_active(const struct instance *instance);        /* an executor has it */
struct dag_try *task_make_try(struct instance *instance); /* from the row; known by its uuid from now on */
void task_cancel(struct instance *instance, enum dag_cancel why); /* its try, if an executor may have it */
void task_asset(struct core *core, mr_str uri, mr_str extra_json, int64_t version,
		const struct instance *source);

/* core_map.c: dynamic mapping */
/* How many instances, and their arguments: 0 on success, 1 when none, negative: what it got is no list. */
int map_expand(struct run *run, int32_t task, struct mr_error *err);

/* core_run.c: runs */
struct run *run_new(struct dag_state *state, struct dag *dag, const struct store_run *row);
void run_free(struct run *run);
void run_fill(struct run *run);          /* an instance for each task */
void run_admit(struct dag_state *state); /* queued runs that may run now */
void run_check_end(struct run *run);     /* soon */
void run_look_end(struct run *run);      /* now */
void run_finish(struct run *run, enum run_state state, const char *reason);
void run_reopen(struct run *run);
void run_link(struct run *run); /* among its DAG's runs, by date */
struct run *run_find(struct dag_state *state, mr_str run_id);
struct backfill *run_backfill(const struct run *run);
/* The one of this id, made when it is not known yet; NULL when id is none. */
struct backfill *run_know_backfill(struct core *core, mr_str id, int32_t max_active);
void run_arm(struct run *run);

/* core_schedule.c: new runs */
void schedule_next(struct dag_state *state); /* compute when, and set the timer */
void schedule_assets(struct dag_state *state);
struct run *schedule_make(struct dag_state *state, const struct timetable_run *times, const char *type,
			  mr_str run_id, mr_str conf_json, mr_str events_json);
void schedule_wait(struct core *core, struct dag_state *state, mr_str uri, mr_str extra_json, int64_t at_us);
struct dag_state *schedule_dag(struct core *core, mr_str dag_id); /* made when new */
struct asset_seen *schedule_asset(struct core *core, mr_str uri); /* made when new */

/* core_recover.c */
int recover_load(struct core *core, struct mr_error *err);
int recover_run(struct core *core, mr_str dag_id, mr_str run_id, struct run **out, struct mr_error *err);
