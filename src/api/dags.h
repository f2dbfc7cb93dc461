/* api/dags.h - the project's DAGs at work: store, vault, executors and scheduler, made together.
 *
 * Open: the store can be read, what people ask (dags_call) is written straight into it, nothing runs:
 * a command without a server. Started: the scheduler decides and the executors run.
 *
 *   DATA/dags.db             the scheduler's store, when it is not in PostgreSQL
 *   DATA/dag/vault, logs/…   variables and connections; a log file for each try
 *   DATA/dag/keeper, work/…  the keeper's and the tries' own folders
 *
 * Threads, while started: the scheduler's and the executors' own; one that watches DAG files and
 * Delta logs (inotify); one that tells people what callbacks are for.
 *
 * Threading: open, start, stop and free from one thread; the rest from any.
 */
#pragma once

#include "api/hub.h"
#include "dag/scheduler.h"
#include "env/env.h"
#include "task/vault.h"

struct catalog;
struct lead_state;
struct groups;
struct session_pool;
struct dags;

struct dags_options {
	const struct env *env;
	const char *data;   /* the project's data folder */
	const char *folder; /* of DAG files */
	int32_t parallelism;
	mr_str executor;         /* of tasks that say none, as dag/executor.h names them; empty: local */
	const char *metadata;    /* postgresql://…; NULL: DATA/dags.db; not with scratch */
	int64_t lease_ms;        /* with metadata */
	struct catalog *catalog; /* what tasks work on; both NULL: no tables, no SQL */
	struct session_pool *sessions;
	struct groups *groups; /* for lags; NULL: none */
	/* For one run by hand: only this DAG, without its schedule; store, logs and work below scratch
	 * instead of data. NULL and empty: neither. */
	const char *scratch;
	mr_str only;
	int (*refresh)(void *arg, struct mr_error *err); /* bring every flow up to date */
	void *refresh_arg;
};

MR_NODISCARD int dags_open(const struct dags_options *options, struct dags **out, struct mr_error *err);
MR_NODISCARD int dags_start(struct dags *dags, struct mr_error *err);
/* Tasks of their own process run on; those of the engine end. */
void dags_stop(struct dags *dags);
void dags_free(struct dags *dags); /* NULL is fine */

/* As scheduler_call; when not started, on the store itself. */
MR_NODISCARD int dags_call(struct dags *dags, scheduler_fn *fn, void *arg, struct mr_error *err);
void dags_asset_event(struct dags *dags, mr_str uri, mr_str extra_json);
void dags_reload(struct dags *dags); /* read the DAG files now; does not wait */

/* As the files say now; one whose file has a mistake is still there as it was. */
struct dag *dags_find(struct dags *dags, mr_str dag_id); /* a reference; NULL */
size_t dags_all(struct dags *dags, struct dag ***out);   /* by id; a reference each, free() the array */
/* The DAG of an older version, out of the store: a reference. */
MR_NODISCARD int dags_version(struct dags *dags, mr_str dag_id, mr_str version, struct dag **out,
			      struct mr_error *err);

/* What is wrong with the files; fn is called with the lock held. loaded_us: when they were read. */
void dags_faults(struct dags *dags, void (*fn)(void *arg, const struct dag_fault *fault, int64_t loaded_us),
		 void *arg);
int64_t dags_loaded_us(struct dags *dags);
double dags_load_seconds(struct dags *dags);

struct dag_store *dags_store(struct dags *dags);
struct vault *dags_vault(struct dags *dags);
struct hub *dags_hub(struct dags *dags);
const struct env *dags_env(const struct dags *dags);
const char *dags_logs(const struct dags *dags); /* folder of the logs */
const char *dags_folder(const struct dags *dags);
bool dags_started(const struct dags *dags); /* and it schedules */
/* False: no other server can lead; nothing is written. */
bool dags_leader(struct dags *dags, struct lead_state *out);
struct scheduler_stats dags_stats(struct dags *dags); /* zeros when not started */
