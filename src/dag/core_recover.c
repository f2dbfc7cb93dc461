/* dag/core_recover.c - the scheduler's memory from its store: all that is open at its start, or one
 * finished run that is needed again. */
#include "dag/core_internal.h"

#include <stdlib.h>

/* Rows as they were read; the store is not asked again while it reads. */
struct loaded {
	struct core *core;
	struct arena arena;
	MR_VEC(struct store_run) runs;
	MR_VEC(struct store_task) tasks;
};

static mr_str keep(struct arena *arena, mr_str text)
{
	return text.len ? arena_copy(arena, text) : MR_STR("");
}

static int load_counters(void *arg, int64_t last_run_no)
{
	((struct loaded *)arg)->core->last_run_no = last_run_no;
	return 0;
}

static int load_asset_version(void *arg, mr_str uri, int64_t version)
{
	schedule_asset(((struct loaded *)arg)->core, uri)->version = version;
	return 0;
}

static int load_pool(void *arg, const struct store_pool *row)
{
	struct core *core = ((struct loaded *)arg)->core;
	struct pool *pool = core_pool(core, row->name);
	pool->slots = row->slots;
	pool->description = keep(&core->arena, row->description);
	return 0;
}

static int load_dag(void *arg, const struct store_dag *row)
{
	struct dag_state *state = schedule_dag(((struct loaded *)arg)->core, row->dag_id);
	mr_str dag_id = state->row.dag_id;
	state->row = *row;
	state->row.dag_id = dag_id;
	state->row.version = keep(&state->arena, row->version);
	state->row.file = keep(&state->arena, row->file);
	state->row.source = MR_STR_NULL;
	return 0;
}

static int load_backfill(void *arg, const struct store_backfill *row)
{
	run_know_backfill(((struct loaded *)arg)->core, row->id, row->max_active_runs);
	return 0;
}

static int load_one_run(void *arg, const struct store_run *row)
{
	struct loaded *loaded = arg;
	struct store_run kept = *row;
	mr_str *const strs[] = {&kept.dag_id,     &kept.run_id,    &kept.run_type,
				&kept.version,    &kept.conf_json, &kept.asset_events_json,
				&kept.backfill_id};
	for (size_t i = 0; i < MR_COUNT(strs); i++)
		*strs[i] = keep(&loaded->arena, *strs[i]);
	mr_vec_push(&loaded->runs, kept);
	return 0;
}

static int load_task_row(void *arg, const struct store_task *row)
{
	struct loaded *loaded = arg;
	mr_vec_push(&loaded->tasks, *row);
	struct store_task *kept = &loaded->tasks.items[loaded->tasks.len - 1];
	mr_str *const strs[] = {&kept->task_id,  &kept->id,       &kept->operator_name,
				&kept->pool,     &kept->queue,    &kept->hostname,
				&kept->reason,   &kept->event,    &kept->resume_json,
				&kept->map_json, &kept->executor, &kept->executor_config};
	for (size_t i = 0; i < MR_COUNT(strs); i++)
		*strs[i] = keep(&loaded->arena, *strs[i]);
	return 0;
}

static int load_wait(void *arg, const struct store_asset_wait *row)
{
	struct dag_state *state = schedule_dag(((struct loaded *)arg)->core, row->dag_id);
	mr_vec_push(&state->waits,
		    (struct asset_wait){keep(&state->arena, row->uri), keep(&state->arena, row->extra_json),
					row->event_at_us});
	return 0;
}

/* ---- versions ---- */

static struct dag *known_version(const struct dag_state *state, mr_str version)
{
	if (state->dag && mr_str_is(version, state->dag->version))
		return dag_ref(state->dag);
	for (size_t i = 0; i < state->runs.len; i++)
		if (mr_str_is(version, state->runs.items[i]->dag->version))
			return dag_ref(state->runs.items[i]->dag);
	return NULL;
}

/* The caller's reference. */
static int version_of(struct dag_state *state, mr_str version, struct dag **out, struct mr_error *err)
{
	struct core *core = state->core;
	struct mr_buf text = {0};
	struct dag_set set = {0};
	*out = known_version(state, version);
	if (*out)
		return 0;
	int rc =
	    core->options.store->ops->source(core->options.store, state->row.dag_id, version, &text, err);
	if (rc == 0) {
		dag_load_text(&core->options.load, state->row.file.len ? state->row.file.ptr : "dag",
			      mr_buf_view(&text), &set);
		struct dag *dag = dag_set_find(&set, state->row.dag_id);
		if (dag)
			*out = dag_ref(dag);
		else
			rc =
			    mr_fail(err, MR_ERR_CORRUPT, "version %.*s of DAG '%.*s' no longer loads: %s",
				    MR_FMT(version), MR_FMT(state->row.dag_id),
				    set.faults.len ? set.faults.items[0].error.message : "it is another DAG");
	}
	mr_buf_release(&text);
	dag_set_release(&set);
	return rc;
}

/* ---- runs ---- */

static void restore_instance(struct run *run, const struct store_task *row)
{
	const struct dag_task *task = dag_task_find(run->dag, row->task_id);
	if (!task || !mr_str_eq(task->id, row->task_id))
		return;
	struct instance *instance = task_new(run, task->index, row->map_index);
	mr_str task_id = instance->row.task_id, operator_name = instance->row.operator_name;
	instance->row = *row;
	instance->row.task_id = task_id;
	instance->row.operator_name = operator_name;
	instance->row.executor_config = task->executor_config;
	mr_str *const strs[] = {&instance->row.id,          &instance->row.pool,     &instance->row.queue,
				&instance->row.hostname,    &instance->row.reason,   &instance->row.event,
				&instance->row.resume_json, &instance->row.map_json, &instance->row.executor};
	for (size_t i = 0; i < MR_COUNT(strs); i++)
		*strs[i] = keep(&run->arena, *strs[i]);
	run->tasks[task->index].expanded |= row->map_index >= 0;
	if (task_state_done(row->state))
		run->open--;
	else
		run->moving += row->state != TASK_NONE;
}

static void count_upstream(struct run *run)
{
	for (size_t t = 0; t < run->dag->task_count; t++) {
		const struct dag_task *task = &run->dag->tasks[t];
		int32_t n = (int32_t)run->tasks[t].instances.len;
		for (size_t d = 0; d < task->downstream.count; d++) {
			struct upstream_counts *up = &run->tasks[task->downstream.items[d]].up;
			up->total += n;
			up->setup_total += task->setup ? n : 0;
		}
		for (int32_t i = 0; i < n; i++)
			if (task_state_done(run->tasks[t].instances.items[i]->row.state))
				task_count(run->tasks[t].instances.items[i], 1);
	}
}

/* What was under way is again where it was: in a heap, at a timer, or with its executor. */
static bool is_of_another(const struct instance *instance)
{
	const struct core *core = instance->run->core;
	return core->shared && !mr_str_eq(instance->row.hostname, core->options.hostname);
}

static void resume_instance(struct instance *instance)
{
	switch (instance->row.state) {
	case TASK_SCHEDULED:
		ready_add(instance);
		break;
	case TASK_QUEUED:
		instance->inherited = is_of_another(instance);
		__attribute__((fallthrough));
	case TASK_RUNNING:
	case TASK_RESTARTING:
		ready_take(instance);
		task_make_try(instance);
		/* The scheduler that was told to stop it may have died before it said so. */
		if (instance->row.state == TASK_RESTARTING)
			task_cancel(instance, DAG_CANCEL_CLEARED);
		break;
	case TASK_UP_FOR_RETRY:
	case TASK_UP_FOR_RESCHEDULE:
	case TASK_DEFERRED:
		task_arm(instance);
		break;
	default:
		break;
	}
}

static void resume_run(struct run *run)
{
	struct backfill *backfill = run_backfill(run);
	int32_t *active = backfill ? &backfill->active : &run->state->active;
	if (run->row.state == RUN_RUNNING)
		++*active;
	else if (run->row.state == RUN_QUEUED && !backfill)
		run->state->waiting++;
	for (size_t t = 0; t < run->dag->task_count; t++) {
		for (size_t i = 0; i < run->tasks[t].instances.len; i++)
			resume_instance(run->tasks[t].instances.items[i]);
		if (run->row.state == RUN_RUNNING)
			task_consider(run, (int32_t)t);
	}
	if (run->row.state == RUN_RUNNING)
		run_arm(run);
	run_check_end(run);
}

static int build_run(struct loaded *loaded, const struct store_run *row, struct run **out,
		     struct mr_error *err)
{
	struct dag_state *state = schedule_dag(loaded->core, row->dag_id);
	struct dag *dag;
	int rc = version_of(state, row->version, &dag, err);
	if (rc < 0)
		return rc;
	/* A store of before backfills had rows does not say. */
	run_know_backfill(loaded->core, row->backfill_id, BACKFILL_ACTIVE);
	struct run *run = run_new(state, dag, row);
	dag_unref(dag);
	run_link(run);
	for (size_t i = 0; i < loaded->tasks.len; i++)
		if (loaded->tasks.items[i].run_no == row->run_no)
			restore_instance(run, &loaded->tasks.items[i]);
	count_upstream(run);
	*out = run;
	return 0;
}

static void loaded_release(struct loaded *loaded)
{
	mr_vec_release(&loaded->runs);
	mr_vec_release(&loaded->tasks);
	arena_release(&loaded->arena);
}

static struct store_visitor visitor_of(struct loaded *loaded)
{
	return (struct store_visitor){.dag = load_dag,
				      .pool = load_pool,
				      .backfill = load_backfill,
				      .run = load_one_run,
				      .task = load_task_row,
				      .asset_wait = load_wait,
				      .counters = load_counters,
				      .asset_version = load_asset_version,
				      .arg = loaded};
}

int recover_load(struct core *core, struct mr_error *err)
{
	struct loaded loaded = {.core = core};
	struct store_visitor visitor = visitor_of(&loaded);
	struct run *run;
	int rc = core->options.store->ops->load(core->options.store, &visitor, err);
	for (size_t i = 0; rc == 0 && i < loaded.runs.len; i++) {
		rc = build_run(&loaded, &loaded.runs.items[i], &run, err);
		if (rc == 0)
			resume_run(run);
	}
	loaded_release(&loaded);
	return rc;
}

int recover_run(struct core *core, mr_str dag_id, mr_str run_id, struct run **out, struct mr_error *err)
{
	struct dag_state *state = mr_map_get(&core->dags, dag_id);
	if (!state)
		return mr_fail(err, MR_ERR_NOT_FOUND, "no DAG is called '%.*s'", MR_FMT(dag_id));
	*out = run_find(state, run_id);
	if (*out)
		return 0;
	struct loaded loaded = {.core = core};
	struct store_visitor visitor = visitor_of(&loaded);
	int rc = core->options.store->ops->load_run(core->options.store, dag_id, run_id, &visitor, err);
	if (rc == 0 && loaded.runs.len != 1)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "DAG '%.*s' has no run '%.*s'", MR_FMT(dag_id),
			     MR_FMT(run_id));
	if (rc == 0)
		rc = build_run(&loaded, &loaded.runs.items[0], out, err);
	loaded_release(&loaded);
	return rc;
}
