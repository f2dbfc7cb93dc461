/* dag/dag.h - a DAG as it was loaded: plain, immutable data that runs share.
 *
 * The loader makes one from each entry of a DAG file; a run holds a reference to the one that it
 * began with, so a changed file never changes a run. Everything lives in the DAG's arena.
 * Times are microseconds since 1970, UTC; NO_TIME is "none". Tasks and groups refer to each
 * other by index.
 *
 * Threading: immutable once loaded; dag_ref and dag_unref are safe from any thread.
 */
#pragma once

#include "base/mem.h"
#include "base/types.h"
#include "dag/operator.h"
#include "dag/trigger_rule.h"

#include <stdatomic.h>

#define NO_TIME INT64_MIN
#define DAG_TASKS_MAX 10000      /* in one DAG */
#define DAG_MAP_LENGTH_MAX 10000 /* instances of one mapped task (Airflow's default is 1024) */
#define DAG_ID_BYTES_MAX 250     /* of dag_id, task_id and group_id, as in Airflow */

struct timetable;
struct asset_condition;
struct json_schema;

enum dag_weight_rule { DAG_WEIGHT_DOWNSTREAM, DAG_WEIGHT_UPSTREAM, DAG_WEIGHT_ABSOLUTE };

struct dag_argument {
	mr_str name;
	mr_str json;    /* the value as JSON; strings in it may hold templates */
	bool templated; /* the operator renders the strings of this argument */
	int line;
};

/* One key under expand: a list or mapping given in the file, or what another task returned. */
struct dag_expand {
	mr_str name;
	mr_str json;  /* the list or mapping; empty when from a task */
	int32_t task; /* whose return value it is; -1: given */
};

struct dag_callback {
	mr_str kind; /* "webhook" or "email" */
	mr_str json; /* its arguments */
};

struct dag_indexes {
	int32_t *items;
	size_t count;
};

struct dag_task {
	mr_str id;   /* "group.task" */
	mr_str name; /* as the file calls it: "task" */
	int32_t index;
	int32_t group; /* -1: the DAG itself */
	const struct operator* operator;
	mr_str operator_name; /* as written, for the API */
	struct dag_argument *arguments;
	size_t argument_count;
	struct dag_expand *expand; /* of a mapped task */
	size_t expand_count;
	struct dag_indexes upstream, downstream; /* direct, sorted */

	enum trigger_rule trigger_rule;
	bool setup, teardown;
	bool on_failure_fail_dagrun; /* of a teardown */
	bool depends_on_past, wait_for_downstream;
	int32_t retries;
	int64_t retry_delay_us, max_retry_delay_us;      /* the latter 0: none */
	double retry_exponential_backoff;                /* the multiplier; 0 or 1: always retry_delay */
	int64_t execution_timeout_us, sensor_timeout_us; /* 0: none */
	int64_t start_date_us, end_date_us;              /* NO_TIME */
	mr_str pool;                                     /* "default_pool" */
	int32_t pool_slots;
	int32_t priority_weight, total_weight; /* the latter by weight_rule */
	enum dag_weight_rule weight_rule;
	mr_str queue, executor;                                    /* empty: the default */
	mr_str executor_config;                                    /* a JSON object; empty: none */
	int32_t max_active_tis_per_dag, max_active_tis_per_dagrun; /* 0: no limit */
	int64_t memory_bytes_max;                                  /* for a process of its own; 0: none */
	bool do_xcom_push;
	mr_str *outlets; /* asset URIs */
	size_t outlet_count;
	mr_str *inlets;
	size_t inlet_count;
	struct dag_callback *on_failure, *on_success, *on_retry;
	size_t on_failure_count, on_success_count, on_retry_count;
	mr_str owner, doc;
	int line;
};

struct dag_group {
	mr_str id; /* "outer.inner" */
	mr_str name, tooltip;
	int32_t parent; /* -1 */
	int line;
};

struct dag_deadline {
	mr_str reference; /* "queued_at", "logical_date" or a time */
	int64_t fixed_us; /* NO_TIME unless a time */
	int64_t interval_us;
	struct dag_callback callback;
};

struct dag {
	struct arena arena;
	_Atomic int32_t refs;
	mr_str id;
	mr_str file; /* as errors name it */
	int line;
	char version[17]; /* of what it says, in hexadecimal: changes with any key */
	mr_str source;    /* a DAG file of its own that loads as this version */
	mr_str description, doc, owner, timezone;
	mr_str *tags;
	size_t tag_count;

	struct timetable *timetable;    /* never NULL; one that never fires for manual runs and assets */
	struct asset_condition *assets; /* NULL unless asset-scheduled */
	int64_t start_date_us, end_date_us;
	bool catchup;
	bool paused_at_first;
	bool fail_fast;
	int32_t max_active_runs, max_active_tasks;
	int32_t max_consecutive_failed_runs; /* pauses the DAG; 0: never */
	int64_t dagrun_timeout_us;           /* 0: none */
	struct dag_deadline *deadlines;
	size_t deadline_count;
	struct dag_callback *on_failure, *on_success;
	size_t on_failure_count, on_success_count;

	mr_str params_json;                /* the defaults: {"country": "US"} */
	mr_str params_schema_json;         /* {"properties": {"country": {"enum": …}}}; empty: no params */
	struct json_schema *params_schema; /* what a run's conf must fit; NULL: no params */

	struct dag_task *tasks;
	size_t task_count;
	int32_t *order; /* task indexes, upstream first */
	struct dag_group *groups;
	size_t group_count;
};

struct dag *dag_ref(struct dag *dag);
void dag_unref(struct dag *dag); /* NULL is fine; the last one frees */

/* By full id, or by the name in the file when only one task has it; NULL when unknown. */
const struct dag_task *dag_task_find(const struct dag *dag, mr_str id);
static inline bool dag_task_mapped(const struct dag_task *task)
{
	return task->expand_count > 0;
}
/* The DAG's params with a run's conf (a JSON object, or empty) laid over them, appended as JSON. */
struct mr_buf;
void dag_put_params(const struct dag *dag, mr_str conf_json, struct mr_buf *out);
/* Every task on a way down from (or up from) task, itself not: marks[index] is set. */
void dag_mark_downstream(const struct dag *dag, int32_t task, bool *marks);
void dag_mark_upstream(const struct dag *dag, int32_t task, bool *marks);
