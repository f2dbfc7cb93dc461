/* dag/store.h - where the scheduler's state lives: a seam for SQLite, PostgreSQL and tests.
 *
 * The scheduler writes batches: every change between two commits in one transaction. What must not
 * happen twice (a task's start) is done only after its batch is durable. Reading is for the start
 * of a scheduler and for the API; the scheduler's own decisions read memory only.
 *
 * Fencing: a scheduler claims the store and gets an epoch, one higher than the last. A batch of an
 * older epoch is refused with MR_ERR_CONFLICT: that scheduler has been replaced and must stop. Who
 * leads also beats; who stands by looks, and claims what it has seen without a beat for a whole lease
 * of its own monotonic clock. No two machines' clocks are compared.
 *
 * Batches of an epoch have numbers. One that comes again because its commit was not answered is known
 * by its number and not written twice.
 *
 * Strings of rows are borrowed: in a batch from the writer, in a visit for the call.
 * Times are microseconds since 1970, UTC; NO_TIME is NULL.
 *
 * Threading: apply from one thread; the queries from any.
 */
#pragma once

#include "base/error.h"
#include "base/vec.h"
#include "dag/executor.h"
#include "dag/state.h"

struct store_dag {
	mr_str dag_id, version, file, source; /* source: the DAG's text, to load this version again */
	bool paused;
	bool active;                        /* its file still has it */
	int64_t last_start_us, last_end_us; /* data interval of the latest automated run */
	int64_t next_run_us;
	int64_t version_at_us; /* when this version came; with source */
};

struct store_run {
	int64_t run_no; /* the scheduler counts them: keeps a run's rows together */
	mr_str dag_id, run_id, run_type, version;
	enum run_state state;
	int64_t logical_date_us, interval_start_us, interval_end_us, run_after_us;
	int64_t queued_at_us, start_us, end_us;
	mr_str conf_json, asset_events_json;
	mr_str backfill_id; /* empty: none */
	int32_t clear_number;
};

struct store_task {
	int64_t run_no;
	mr_str task_id;
	int32_t map_index; /* -1 */
	enum task_state state;
	int32_t try_number, max_tries, poke;
	mr_str id; /* uuid of the try; empty before the first */
	mr_str operator_name, pool, queue, hostname, reason;
	mr_str executor;        /* that the try was given to; empty: the server itself, by its operator */
	mr_str executor_config; /* the task's */
	int64_t pid;
	int32_t pool_slots, priority_weight;
	int32_t exit_code;
	int64_t scheduled_us, queued_us, start_us, end_us;
	int64_t first_start_us, due_us; /* due: of a retry, a reschedule, a deferral */
	mr_str event;                   /* that a deferred one waits for */
	mr_str resume_json, map_json;
	bool cleared; /* has been: its tries count on */
};

struct store_xcom {
	int64_t run_no;
	mr_str task_id, key, json;
	int32_t map_index;
	bool remove; /* every key of the instance, before a new try */
};

struct store_asset_event {
	mr_str uri, extra_json;
	mr_str source_dag_id, source_run_id, source_task_id;
	int64_t at_us;
	int64_t version; /* of the table; -1: none */
};

struct store_asset_wait { /* an event that a DAG's next run will be for */
	mr_str dag_id, uri;
	int64_t event_at_us;
	mr_str extra_json;
	bool clear; /* all of the DAG's: its run was made */
};

struct store_event { /* the audit log: who did what */
	mr_str what, dag_id, run_id, task_id, who, detail;
	int32_t map_index;
	int64_t at_us;
};

struct store_note { /* what somebody wrote about a run or an instance */
	mr_str dag_id, run_id;
	mr_str task_id; /* empty: the run's */
	mr_str text;
	int32_t map_index;
};

struct store_pool {
	mr_str name, description;
	int32_t slots;
};

/* What holds for all runs of a backfill; its runs carry its id. */
struct store_backfill {
	mr_str id, dag_id;
	int32_t max_active_runs;
};

struct store_cancel {
	char id[DAG_UUID_BYTES];
	enum dag_cancel why;
	mr_str executor; /* as in struct store_task */
	const struct operator* operator;
};

/* Tell somebody: of a task, a run, a deadline. */
struct store_callback {
	mr_str kind, json; /* as in struct dag_callback */
	mr_str what;       /* "task_failed", "run_failed", "deadline_missed", … */
	mr_str dag_id, run_id, task_id, detail;
	int32_t map_index;
};

struct store_batch {
	struct arena arena; /* the strings */
	uint64_t epoch;
	uint64_t number; /* 1, 2, … in the epoch */
	MR_VEC(struct store_dag) dags;
	MR_VEC(struct store_backfill) backfills;
	MR_VEC(struct store_run) runs;
	MR_VEC(struct store_task) tasks;
	MR_VEC(struct store_task) removed; /* by run_no, task_id, map_index: before tasks */
	MR_VEC(struct store_task) tries;   /* each as it was when it ended: what the log page lists */
	MR_VEC(struct store_xcom) xcoms;
	MR_VEC(struct store_asset_event) asset_events;
	MR_VEC(struct store_asset_wait) asset_waits;
	MR_VEC(struct store_event) events;
	MR_VEC(struct store_pool) pools;
	MR_VEC(struct store_note) notes;
	/* Once it is durable: */
	MR_VEC(struct dag_try *) submits; /* a reference each */
	MR_VEC(struct store_cancel) cancels;
	MR_VEC(struct store_callback) callbacks;
};

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *batch); /* NULL is fine */
bool store_batch_empty(const struct store_batch *batch);

/* A return other than 0 ends the reading and is its result. */
struct store_visitor {
	int (*dag)(void *arg, const struct store_dag *);
	int (*pool)(void *arg, const struct store_pool *);
	int (*backfill)(void *arg, const struct store_backfill *);
	int (*run)(void *arg, const struct store_run *);
	int (*task)(void *arg, const struct store_task *);
	int (*asset_wait)(void *arg, const struct store_asset_wait *);
	int (*counters)(void *arg, int64_t last_run_no);
	int (*asset_version)(void *arg, mr_str uri, int64_t version);
	void *arg;
};

/* Who leads, as one look shows it. */
struct store_leader {
	uint64_t epoch; /* 0: nobody ever did */
	int64_t beat;
	bool watched;  /* it knows that somebody stands by: lease.h */
	char who[256]; /* empty: it gave its place up */
};

struct dag_store;
struct dag_store_ops {
	int (*look)(struct dag_store *, struct store_leader *out, struct mr_error *);
	/* seen: the leader to take over from; 1 when it is another now, or has beaten since. NULL:
	 * whoever leads. */
	int (*claim)(struct dag_store *, mr_str who, const struct store_leader *seen, uint64_t *epoch,
		     struct mr_error *);
	/* *attended: a number that changes when somebody stands by. MR_ERR_CONFLICT: the epoch is over. */
	int (*beat)(struct dag_store *, uint64_t epoch, bool watched, int64_t *attended, struct mr_error *);
	/* Let the leader know that somebody stands by. */
	int (*attend)(struct dag_store *, struct mr_error *);
	/* Give the place up: the next may have it at once. */
	int (*resign)(struct dag_store *, uint64_t epoch, struct mr_error *);
	/* All of it or nothing; durable when it returns 0. */
	int (*apply)(struct dag_store *, const struct store_batch *, struct mr_error *);
	/* What a scheduler needs to go on: DAGs, pools, runs that are not finished and, of each DAG,
	 * the last that is; their backfills and instances; asset events not yet used. Backfills before
	 * runs, runs before their instances. */
	int (*load)(struct dag_store *, const struct store_visitor *, struct mr_error *);
	/* One run, finished ones too, its backfill and its instances. MR_ERR_NOT_FOUND. */
	int (*load_run)(struct dag_store *, mr_str dag_id, mr_str run_id, const struct store_visitor *,
			struct mr_error *);
	/* The source text of a version; MR_ERR_NOT_FOUND. */
	int (*source)(struct dag_store *, mr_str dag_id, mr_str version, struct mr_buf *out,
		      struct mr_error *);
	/* 1: there is none. map_index -1 of a mapped task: the list of all. */
	int (*xcom)(struct dag_store *, int64_t run_no, mr_str task_id, int32_t map_index, mr_str key,
		    struct mr_buf *json_out, struct mr_error *);
	/* SELECT text over the tables of docs/scheduler.md, read only: rows as JSON objects, one a
	 * line, appended. ?1… are the parameters. */
	int (*query)(struct dag_store *, const char *sql, const mr_str *params, size_t param_count,
		     struct mr_buf *json_lines, struct mr_error *);
	void (*free)(struct dag_store *);
};

struct dag_store {
	const struct dag_store_ops *ops;
};

/* SQLite at path (":memory:" for tests), WAL, one writer connection, one reader. */
MR_NODISCARD int store_sqlite_open(const char *path, struct dag_store **out, struct mr_error *err);
/* PostgreSQL at postgresql://user@host/database?options, as libpq reads it; ~/.pgpass, PGPASSWORD and
 * PGSSLMODE count. No message has the password. One writer connection, one reader; each is made again
 * when it is lost, and what could not be done is MR_ERR_UNAVAILABLE. A server that does not answer yet is
 * no failure here. */
MR_NODISCARD int store_postgres_open(const char *url, struct dag_store **out, struct mr_error *err);
/* The latter when place begins with postgresql:// or postgres://. */
MR_NODISCARD int store_open(const char *place, struct dag_store **out, struct mr_error *err);
