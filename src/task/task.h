/* task/task.h - what a DAG's task does: the executors behind dag/executor.h and all that they need.
 *
 *   process   one process a try, through the keeper: Bash, Python
 *   engine    a step on a thread of this process: SQL, Delta, HTTP, branches, sensors
 *
 * Both render the task's arguments, write LOGS/dag_id=…/…/attempt=N.log with secrets masked, and
 * report to the scheduler's sink. A sensor's look is one short step and a deferral: no thread waits.
 *
 * Threading: as dag/executor.h says.
 */
#pragma once

#include "dag/executor.h"
#include "env/env.h"
#include "task/vault.h"

struct catalog;
struct groups;
struct session_pool;

struct task_trigger {
	mr_str dag_id, run_id, conf_json; /* run_id and conf may be empty */
	int64_t logical_date_us;          /* NO_TIME */
};

enum task_found {
	TASK_FOUND_NOT,
	TASK_FOUND_RUNNING,
	TASK_FOUND_SUCCESS,
	TASK_FOUND_FAILED,
	TASK_FOUND_SKIPPED
};

struct task_services {
	const struct env *env;
	const char *folder;      /* DATA/dag: the keeper's and the tries' own folders are in it */
	const char *logs;        /* where logs go */
	const char *dags_folder; /* scripts are found below it */
	const char *hostname;
	const char *keeper_program; /* NULL: this program */
	struct dag_sink *sink;
	struct vault *vault;
	struct catalog *catalog;       /* tables and topics; NULL: none */
	struct session_pool *sessions; /* SQL; NULL: none */
	struct groups *groups;         /* for lags; NULL: none */

	/* Of other DAGs; any may be NULL. */
	int (*trigger)(void *arg, const struct task_trigger *, struct mr_buf *run_id_out, struct mr_error *);
	/* State of another DAG's task (task_id empty: of the run) at a logical date, or of the run of an id.
	 */
	int (*find)(void *arg, mr_str dag_id, mr_str run_id, int64_t logical_date_us, mr_str task_id,
		    enum task_found *out, struct mr_error *);
	/* Bring every flow up to date. */
	int (*refresh)(void *arg, struct mr_error *);
	void *arg;
};

/* services outlives the executor. slots: tries at a time. */
MR_NODISCARD int process_executor_new(const struct task_services *services, int32_t slots,
				      struct dag_executor **out, struct mr_error *err);
/* Its tasks are killed at this time, and none is started from then on, unless a later one is given before; 0:
 * now. For servers that stand by for each other. */
MR_NODISCARD int process_executor_lease(struct dag_executor *process, int64_t until_us, struct mr_error *err);
MR_NODISCARD int engine_executor_new(const struct task_services *services, int32_t slots, size_t threads,
				     struct dag_executor **out, struct mr_error *err);
