/* dag/scheduler.h - the scheduler at work: core.h with threads, a clock, executors and a DAG folder.
 *
 * Threads:
 *   decide  owns the core: takes reports and calls from its mailbox, turns, hands over a batch
 *   write   applies a batch (one transaction, one sync), then submits and cancels what it says and
 *           answers the calls that were in it; meanwhile the next batch gathers: the group commit
 *   watch   looks at the DAG folder and loads it when a file has changed
 *
 * Durability: a task is submitted only after the batch that says so is durable. When the store cannot
 * be written the batch is tried again until it can: tasks run on and their reports wait. When another
 * scheduler has claimed the store (MR_ERR_CONFLICT) this one stops scheduling.
 *
 * Everything here may be called from any thread.
 */
#pragma once

#include "dag/core.h"
#include "env/env.h"

struct scheduler;

struct scheduler_options {
	const struct env *env;
	struct dag_store *store; /* outlives the scheduler */
	const char *folder;      /* of DAG files */
	struct dag_load_options load;
	int64_t reload_ms;   /* between looks at the folder; 0: 5 s */
	int32_t parallelism; /* 0: 32, as Airflow's */
	const char *hostname;
	mr_str executor;                 /* as in core_options */
	const struct store_leader *seen; /* as in core_options; for scheduler_new */
	bool (*leads)(void *arg);        /* may a try be started now? NULL: yes */
	/* Who runs a task: by its `executor:` name or its operator. The executor is asked from one
	 * thread. Called with the scheduler's lock not held. NULL: MR_ERR_UNSUPPORTED and lost. */
	struct dag_executor *(*executor_of)(void *arg, mr_str name, const struct operator* op);
	struct dag_executor *(*executor_at)(void *arg, size_t i);       /* all of them; NULL: no more */
	void (*tell)(void *arg, const struct store_callback *callback); /* may be NULL; must not wait */
	/* A batch is durable: for those who watch. From the writing thread; may be NULL; must not wait. */
	void (*written)(void *arg, const struct store_batch *batch);
	/* The DAG folder was loaded: for the page of import errors. May be NULL. */
	void (*loaded)(void *arg, const struct dag_set *set);
	void *arg;
};

/* 1: another scheduler leads than `seen`. Executors that must report to scheduler_sink are made between new
 * and start. */
MR_NODISCARD int scheduler_new(const struct scheduler_options *options, struct scheduler **out,
			       struct mr_error *err);
uint64_t scheduler_epoch(const struct scheduler *scheduler);
struct dag_sink *scheduler_sink(struct scheduler *scheduler);
/* Load the folder, ask the executors what became of the tries of the last scheduler, begin. */
MR_NODISCARD int scheduler_start(struct scheduler *scheduler, struct mr_error *err);
/* What is decided is written; tasks are left running. */
void scheduler_stop(struct scheduler *scheduler);
void scheduler_free(struct scheduler *scheduler); /* NULL is fine; stopped */

/* Run fn with the core, in its thread; returns its result once what it did is durable.
 * MR_ERR_CLOSED: the scheduler has stopped. fn is short and does not wait. */
typedef int scheduler_fn(struct core *core, void *arg, struct mr_error *err);
MR_NODISCARD int scheduler_call(struct scheduler *scheduler, scheduler_fn *fn, void *arg,
				struct mr_error *err);
/* A commit on a Delta table or any other asset, from whoever saw it. Does not wait. */
void scheduler_asset_event(struct scheduler *scheduler, mr_str uri, mr_str extra_json, int64_t version);
void scheduler_reload(struct scheduler *scheduler); /* look at the folder now; does not wait */

struct scheduler_stats {
	uint64_t batches, rows, submits, write_errors;
	size_t mailbox_max;
	bool fenced;
};
struct scheduler_stats scheduler_stats(struct scheduler *scheduler);
