/* task/context.h - what templates may name: Airflow's context of a try.
 *
 *   ds ts ds_nodash ts_nodash ts_nodash_with_tz logical_date data_interval_start data_interval_end
 *   run_id dag_run params var conn ti task_instance task dag macros triggering_asset_events
 *
 * and, in a mapped task, the names under `expand`. Times are absent when the run has no logical date.
 *
 * Threading: a context belongs to one rendering thread; what it asks of the vault and the sink is safe.
 */
#pragma once

#include "dag/executor.h"
#include "jinja/jinja.h"
#include "task/vault.h"

struct task_context {
	const struct dag_try *try;
	struct dag_sink *sink;                        /* xcoms; NULL: none */
	struct vault *vault;                          /* NULL: none */
	struct arena *arena;                          /* values live here */
	struct jinja_value params, conf, events, map; /* parsed once */
	struct jinja_object var, var_value, var_json, conn, ti, task, dag, dag_run, macros, datetime;
};

/* try's JSON is parsed: it may be broken only by a defect. */
MR_NODISCARD int task_context_init(struct task_context *context, const struct dag_try *try,
				   struct dag_sink *sink, struct vault *vault, struct arena *arena,
				   struct mr_error *err);
struct jinja_context task_context_jinja(struct task_context *context);

/* For the loader: is this a good template of this task? Syntax and names; the error has line, column
 * and the nearest name. Fits dag_load_options.check_template; arg is not used. */
int task_check_template(void *arg, const struct dag_task *task, mr_str text, struct mr_error *err);

/* Render every string inside a JSON value, appended as JSON. {"__xcom__": "task"} becomes what that
 * task returned. */
MR_NODISCARD int task_render_json(struct task_context *context, struct json_value value, bool templated,
				  struct mr_buf *out, struct mr_error *err);
