/* dag/core_commands.c - what people ask of the scheduler: trigger, clear, mark, pause, backfill. */
#include "dag/core_internal.h"

#include "codec/json.h"
#include "codec/jsonschema.h"
#include "dag/civil.h"

#include <stdlib.h>

#define BACKFILL_RUNS_MAX 100000
#define RUN_ID_BYTES_MAX 250

static int find_dag(struct core *core, mr_str dag_id, struct dag_state **out, struct mr_error *err)
{
	struct dag_state *state = mr_map_get(&core->dags, dag_id);
	if (!state || !state->dag)
		return mr_fail(err, MR_ERR_NOT_FOUND, "no DAG is called '%.*s'", MR_FMT(dag_id));
	*out = state;
	return 0;
}

static int none(void *arg, const struct store_task *row)
{
	(void)arg, (void)row;
	return 1;
}

static int found(void *arg, const struct store_run *row)
{
	(void)row;
	*(bool *)arg = true;
	return 1;
}

static int run_id_is_free(struct dag_state *state, mr_str run_id, struct mr_error *err)
{
	bool taken = run_find(state, run_id) != NULL;
	struct store_visitor visitor = {.run = found, .task = none, .arg = &taken};
	struct dag_store *store = state->core->options.store;
	int rc = taken ? 0 : store->ops->load_run(store, state->row.dag_id, run_id, &visitor, err);
	if (rc < 0 && rc != MR_ERR_NOT_FOUND)
		return rc;
	if (taken)
		return mr_fail(err, MR_ERR_EXISTS, "DAG '%.*s' has a run '%.*s' already",
			       MR_FMT(state->row.dag_id), MR_FMT(run_id));
	return 0;
}

/* ---- params ---- */

/* The DAG's params with conf laid over them; checked against their schema. */
static int check_conf(const struct dag *dag, mr_str conf_json, struct mr_error *err)
{
	struct json_parser *conf = json_parser_new(), *merged = json_parser_new();
	struct json_value value, all;
	struct json_fault fault;
	struct mr_buf text = {0};
	int rc = json_parse(conf, conf_json, &value, err);
	if (rc == 0 && json_type(value) != JSON_OBJECT)
		rc = mr_fail(err, MR_ERR_INVALID, "conf is a JSON object: {\"param\": value}");
	if (rc == 0 && dag->params_schema) {
		dag_put_params(dag, conf_json, &text);
		rc = json_parse(merged, mr_buf_view(&text), &all, err);
		if (rc == 0 && !json_schema_valid(dag->params_schema, all, &fault))
			rc = mr_fail(err, MR_ERR_INVALID, "conf does not fit the params of DAG '%.*s': %s %s",
				     MR_FMT(dag->id), fault.pointer, fault.reason);
	}
	mr_buf_release(&text);
	json_parser_free(conf);
	json_parser_free(merged);
	return rc;
}

/* ---- trigger ---- */

int core_trigger(struct core *core, const struct core_trigger *what, struct mr_buf *run_id_out,
		 struct mr_error *err)
{
	struct dag_state *state;
	mr_str conf = what->conf_json.len ? what->conf_json : MR_STR("{}");
	int64_t date = what->logical_date_us;
	char now[CIVIL_ISO_BYTES];
	int rc = find_dag(core, what->dag_id, &state, err);
	if (rc == 0)
		rc = check_conf(state->dag, conf, err);
	if (rc < 0)
		return rc;
	struct mr_buf id = {0};
	if (what->run_id.len)
		mr_buf_str(&id, what->run_id);
	else
		mr_buf_printf(&id, "manual__%s", civil_iso(now, date == NO_TIME ? core->wall_us : date));
	rc = id.len > RUN_ID_BYTES_MAX ? mr_fail(err, MR_ERR_LIMIT, "a run id of %zu bytes", id.len)
				       : run_id_is_free(state, mr_buf_view(&id), err);
	if (rc == 0) {
		struct timetable_run times = {NO_TIME, {NO_TIME, NO_TIME}, core->wall_us};
		if (date != NO_TIME)
			times =
			    (struct timetable_run){date, timetable_manual(state->dag->timetable, date), date};
		schedule_make(state, &times, "manual", mr_buf_view(&id), conf, MR_STR(""));
		core_log(core, "trigger", state->row.dag_id, mr_buf_view(&id), MR_STR(""), what->who, conf);
		if (run_id_out)
			mr_buf_str(run_id_out, mr_buf_view(&id));
		run_admit(state);
		core_drain(core);
	}
	mr_buf_release(&id);
	return rc;
}

/* ---- clear and mark ---- */

static int select_tasks(const struct run *run, const struct core_select *what, bool *chosen,
			struct mr_error *err)
{
	const struct dag *dag = run->dag;
	bool *marks = mr_calloc(dag->task_count, sizeof *marks);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < what->task_count; i++) {
		const struct dag_task *task = dag_task_find(dag, what->task_ids[i]);
		if (!task) {
			rc = mr_fail(err, MR_ERR_NOT_FOUND, "DAG '%.*s' has no task '%.*s'", MR_FMT(dag->id),
				     MR_FMT(what->task_ids[i]));
			break;
		}
		chosen[task->index] = true;
		if (what->downstream) {
			dag_mark_downstream(dag, task->index, marks);
			for (size_t t = 0; t < dag->task_count; t++)
				chosen[t] |= marks[t];
		}
		if (what->upstream) {
			dag_mark_upstream(dag, task->index, marks);
			for (size_t t = 0; t < dag->task_count; t++)
				chosen[t] |= marks[t];
		}
	}
	for (size_t t = 0; !what->task_count && t < dag->task_count; t++)
		chosen[t] = true;
	free(marks);
	return rc;
}

static bool wanted(const struct core_select *what, const struct instance *instance)
{
	enum task_state state = instance->row.state;
	if (what->map_index >= 0 && instance->row.map_index != what->map_index)
		return false;
	if (what->only_running && state != TASK_RUNNING)
		return false;
	return !what->only_failed || state == TASK_FAILED || state == TASK_UPSTREAM_FAILED;
}

static void clear_one(struct instance *instance)
{
	instance->row.max_tries = instance->row.try_number + instance->task->retries;
	instance->row.cleared = true;
	instance->row.first_start_us = NO_TIME;
	instance->row.reason = MR_STR("");
	instance->lost = 0;
	task_apply(instance, TASK_ON_CLEAR);
}

/* fn for each chosen instance; *run_out: the run, brought back from the store when need be. */
static int for_chosen(struct core *core, const struct core_select *what,
		      void (*fn)(struct instance *instance, enum task_state state), enum task_state state,
		      size_t *count_out, struct run **run_out, struct mr_error *err)
{
	struct run *run;
	size_t count = 0;
	int rc = recover_run(core, what->dag_id, what->run_id, &run, err);
	if (rc < 0)
		return rc;
	bool *chosen = mr_calloc(run->dag->task_count, sizeof *chosen);
	rc = select_tasks(run, what, chosen, err);
	for (size_t t = 0; rc == 0 && t < run->dag->task_count; t++) {
		for (size_t i = 0; chosen[t] && i < run->tasks[t].instances.len; i++) {
			if (!wanted(what, run->tasks[t].instances.items[i]))
				continue;
			fn(run->tasks[t].instances.items[i], state);
			count++;
		}
		/* What it is expanded over may be another list the next time. */
		if (chosen[t] && what->map_index < 0 && fn != task_mark)
			run->tasks[t].expanded = false;
	}
	free(chosen);
	if (rc == 0) {
		*count_out = count;
		*run_out = run;
	}
	return rc;
}

static void clear_it(struct instance *instance, enum task_state state)
{
	(void)state;
	clear_one(instance);
}

int core_clear(struct core *core, const struct core_select *what, size_t *count_out, struct mr_error *err)
{
	struct run *run;
	int rc = for_chosen(core, what, clear_it, TASK_NONE, count_out, &run, err);
	if (rc < 0)
		return rc;
	core_log(core, "clear", what->dag_id, what->run_id, what->task_count ? what->task_ids[0] : MR_STR(""),
		 what->who, MR_STR(""));
	if (*count_out)
		run_reopen(run);
	core_drain(core);
	return 0;
}

void task_mark(struct instance *instance, enum task_state state)
{
	if (instance->row.state != state)
		task_force(instance, state, "marked by hand");
}

int core_mark(struct core *core, const struct core_select *what, enum task_state state, size_t *count_out,
	      struct mr_error *err)
{
	struct run *run;
	if (state != TASK_SUCCESS && state != TASK_FAILED && state != TASK_SKIPPED)
		return mr_fail(err, MR_ERR_INVALID, "a task can be marked success, failed or skipped, not %s",
			       task_state_name(state));
	int rc = for_chosen(core, what, task_mark, state, count_out, &run, err);
	if (rc < 0)
		return rc;
	core_log(core, task_state_name(state), what->dag_id, what->run_id,
		 what->task_count ? what->task_ids[0] : MR_STR(""), what->who, MR_STR(""));
	run_check_end(run);
	core_drain(core);
	return 0;
}

int core_mark_run(struct core *core, mr_str dag_id, mr_str run_id, enum run_state state, mr_str who,
		  struct mr_error *err)
{
	struct run *run;
	if (!run_state_done(state))
		return mr_fail(err, MR_ERR_INVALID, "a run can be marked success or failed, not %s",
			       run_state_name(state));
	int rc = recover_run(core, dag_id, run_id, &run, err);
	if (rc < 0)
		return rc;
	for (size_t t = 0; t < run->dag->task_count; t++) {
		for (size_t i = 0; i < run->tasks[t].instances.len; i++) {
			struct instance *instance = run->tasks[t].instances.items[i];
			if (state == RUN_SUCCESS)
				task_mark(instance, TASK_SUCCESS);
			else if (task_active(instance) || instance->row.state == TASK_DEFERRED)
				task_mark(instance, TASK_FAILED);
		}
	}
	run_finish(run, state, "marked by hand");
	if (run->row.state != state) {
		run->row.state = state;
		core_dirty_run(run);
	}
	core_log(core, run_state_name(state), dag_id, run_id, MR_STR(""), who, MR_STR(""));
	run_check_end(run);
	core_drain(core);
	return 0;
}

void core_note(struct core *core, const struct store_note *note)
{
	struct store_batch *batch = core_batch(core);
	struct arena *arena = &batch->arena;
	mr_vec_push(&batch->notes, (struct store_note){.dag_id = arena_copy(arena, note->dag_id),
						       .run_id = arena_copy(arena, note->run_id),
						       .task_id = arena_copy(arena, note->task_id),
						       .text = arena_copy(arena, note->text),
						       .map_index = note->map_index});
}

int core_pause(struct core *core, mr_str dag_id, bool paused, mr_str who, struct mr_error *err)
{
	struct dag_state *state;
	int rc = find_dag(core, dag_id, &state, err);
	if (rc < 0)
		return rc;
	state->row.paused = paused;
	if (!paused)
		state->failed_in_a_row = 0;
	core_dirty_dag(state);
	core_log(core, paused ? "paused" : "unpaused", dag_id, MR_STR(""), MR_STR(""), who, MR_STR(""));
	run_admit(state);
	schedule_next(state);
	schedule_assets(state);
	core_drain(core);
	return 0;
}

/* ---- backfill ---- */

static int64_t backfill_reset(struct core *core, const struct core_backfill *what, struct run *run)
{
	size_t count;
	struct core_select all = {
	    .dag_id = what->dag_id, .run_id = run->row.run_id, .map_index = -1, .who = what->who};
	bool again = what->reprocess == REPROCESS_COMPLETED ||
		     (what->reprocess == REPROCESS_FAILED && run->row.state == RUN_FAILED);
	if (!again || !run_state_done(run->row.state))
		return 0;
	return core_clear(core, &all, &count, NULL) == 0;
}

/* One date of it: a new run, or an old one that is to be done again. Returns 1 when there is one. */
static int backfill_one(struct core *core, struct dag_state *state, const struct core_backfill *what,
			const struct backfill *backfill, const struct timetable_run *times,
			struct mr_error *err)
{
	char after[CIVIL_ISO_BYTES];
	struct mr_buf id = {0}, scheduled = {0};
	struct run *run = NULL;
	struct mr_error missing;
	civil_iso(after, times->run_after_us);
	mr_buf_printf(&id, "backfill__%s", after);
	mr_buf_printf(&scheduled, "scheduled__%s", after);
	int rc = recover_run(core, state->row.dag_id, mr_buf_view(&scheduled), &run, &missing);
	if (rc == MR_ERR_NOT_FOUND)
		rc = recover_run(core, state->row.dag_id, mr_buf_view(&id), &run, &missing);
	if (rc == 0) {
		rc = (int)backfill_reset(core, what, run);
		run_check_end(run);
	} else if (rc == MR_ERR_NOT_FOUND) {
		run = schedule_make(state, times, "backfill", mr_buf_view(&id),
				    what->conf_json.len ? what->conf_json : MR_STR("{}"), MR_STR(""));
		run->row.backfill_id = arena_copy(&run->arena, mr_str_from(backfill->id));
		state->waiting--; /* it counts with its backfill */
		rc = 1;
	} else {
		*err = missing;
	}
	mr_buf_release(&id);
	mr_buf_release(&scheduled);
	return rc;
}

static struct backfill *new_backfill(struct core *core, const struct core_backfill *what)
{
	char id[DAG_UUID_BYTES];
	struct store_batch *batch = core_batch(core);
	rng_uuid(core->options.rng, id);
	struct backfill *backfill = run_know_backfill(
	    core, mr_str_from(id), what->max_active_runs ? what->max_active_runs : BACKFILL_ACTIVE);
	mr_vec_push(&batch->backfills,
		    (struct store_backfill){arena_copy(&batch->arena, mr_str_from(id)),
					    arena_copy(&batch->arena, what->dag_id), backfill->max_active});
	return backfill;
}

int core_backfill(struct core *core, const struct core_backfill *what, size_t *runs_out, struct mr_error *err)
{
	struct dag_state *state;
	int rc = find_dag(core, what->dag_id, &state, err);
	if (rc < 0)
		return rc;
	size_t n =
	    timetable_backfill(state->dag->timetable, what->from_us, what->to_us, core->wall_us, NULL, 0);
	if (n > BACKFILL_RUNS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a backfill of %zu runs; at most %d", n, BACKFILL_RUNS_MAX);
	struct timetable_run *times = mr_calloc(n + 1, sizeof *times);
	timetable_backfill(state->dag->timetable, what->from_us, what->to_us, core->wall_us, times, n);
	struct backfill *backfill = new_backfill(core, what);
	size_t made = 0;
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		rc = backfill_one(core, state, what, backfill, &times[what->backwards ? n - 1 - i : i], err);
		made += rc > 0;
	}
	free(times);
	if (rc < 0)
		return rc;
	*runs_out = made;
	core_log(core, "backfill", what->dag_id, MR_STR(""), MR_STR(""), what->who,
		 mr_str_from(backfill->id));
	run_admit(state);
	core_drain(core);
	return 0;
}
