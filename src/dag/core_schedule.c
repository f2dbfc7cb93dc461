/* dag/core_schedule.c - where runs come from: timetables and asset events. */
#include "dag/core_internal.h"

#include "codec/json.h"
#include "dag/asset.h"
#include "dag/civil.h"

#include <stdlib.h>

#define TWIN_US (2 * SECOND_US) /* between a task's end and the news of its commit */

static void due(struct core *core, struct timer *timer);

struct dag_state *schedule_dag(struct core *core, mr_str dag_id)
{
	struct dag_state *state = mr_map_get(&core->dags, dag_id);
	if (state)
		return state;
	state = mr_calloc(1, sizeof *state);
	state->core = core;
	state->next.fire = due;
	state->row = (struct store_dag){.dag_id = arena_copy(&state->arena, dag_id),
					.active = true,
					.last_start_us = NO_TIME,
					.last_end_us = NO_TIME,
					.next_run_us = NO_TIME};
	mr_map_put(&core->dags, dag_id, state);
	return state;
}

/* ---- by the clock ---- */

static bool next_of(const struct dag_state *state, struct timetable_run *out)
{
	const struct dag *dag = state->dag;
	struct data_interval last = {state->row.last_start_us, state->row.last_end_us};
	struct timetable_window window = {dag->start_date_us, dag->end_date_us, dag->catchup};
	return timetable_next(dag->timetable, last.end_us == NO_TIME ? NULL : &last, &window,
			      state->core->wall_us, out);
}

static bool may_run(const struct dag_state *state)
{
	return state->dag && state->row.active && !state->row.paused &&
	       state->active + state->waiting < state->dag->max_active_runs &&
	       !(timetable_kind(state->dag->timetable) == TIMETABLE_CONTINUOUS &&
		 state->active + state->waiting);
}

void schedule_next(struct dag_state *state)
{
	struct timetable_run run;
	core_stop_timer(state->core, &state->next);
	if (!may_run(state) || !next_of(state, &run))
		return;
	if (state->row.next_run_us != run.run_after_us) {
		state->row.next_run_us = run.run_after_us;
		core_dirty_dag(state);
	}
	core_set_timer(state->core, &state->next, run.run_after_us, true);
}

/* The time may be long past when it fires (a pause, a clock that jumped): asked again, so that
 * without catchup it is the latest run and not the one that was expected. */
static void due(struct core *core, struct timer *timer)
{
	struct dag_state *state = MR_CONTAINER_OF(timer, struct dag_state, next);
	struct timetable_run run;
	if (may_run(state) && next_of(state, &run) && run.run_after_us <= core->wall_us) {
		char after[CIVIL_ISO_BYTES];
		struct mr_buf id = {0};
		mr_buf_printf(&id, "scheduled__%s", civil_iso(after, run.run_after_us));
		state->row.last_start_us = run.interval.start_us;
		state->row.last_end_us = run.interval.end_us;
		core_dirty_dag(state);
		if (!run_find(state, mr_buf_view(&id)))
			schedule_make(state, &run, "scheduled", mr_buf_view(&id), MR_STR("{}"), MR_STR(""));
		mr_buf_release(&id);
		run_admit(state);
	}
	schedule_next(state);
}

struct run *schedule_make(struct dag_state *state, const struct timetable_run *times, const char *type,
			  mr_str run_id, mr_str conf_json, mr_str events_json)
{
	struct core *core = state->core;
	struct store_run row = {
	    .run_no = ++core->last_run_no,
	    .run_id = run_id,
	    .run_type = mr_str_from(type),
	    .version = mr_str_from(state->dag->version),
	    .state = RUN_QUEUED,
	    .logical_date_us = times->logical_date_us,
	    .interval_start_us = times->interval.start_us,
	    .interval_end_us = times->interval.end_us,
	    .run_after_us = times->run_after_us,
	    .queued_at_us = core->wall_us,
	    .start_us = NO_TIME,
	    .end_us = NO_TIME,
	    .conf_json = conf_json,
	    .asset_events_json = events_json,
	};
	struct run *run = run_new(state, state->dag, &row);
	run_fill(run);
	run_link(run);
	state->waiting++;
	core_dirty_run(run);
	return run;
}

/* ---- by assets ---- */

static bool has_event(void *arg, mr_str uri)
{
	const struct dag_state *state = arg;
	for (size_t i = 0; i < state->waits.len; i++)
		if (mr_str_eq(state->waits.items[i].uri, uri))
			return true;
	return false;
}

/* {"uri": [{"timestamp": …, "extra": {…}}, …]} of what the run is for. */
static void put_events(const struct dag_state *state, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	for (size_t i = 0; i < state->waits.len; i++) {
		bool first = true;
		for (size_t j = 0; j < i; j++)
			first &= !mr_str_eq(state->waits.items[j].uri, state->waits.items[i].uri);
		if (!first)
			continue;
		json_key_str(&w, state->waits.items[i].uri);
		json_begin_array(&w);
		for (size_t j = i; j < state->waits.len; j++) {
			const struct asset_wait *wait = &state->waits.items[j];
			char at[CIVIL_ISO_BYTES];
			if (!mr_str_eq(wait->uri, state->waits.items[i].uri))
				continue;
			json_begin_object(&w);
			json_member_cstr(&w, "timestamp", civil_iso(at, wait->at_us));
			json_key(&w, "extra");
			json_put_raw(&w, wait->extra_json);
			json_end_object(&w);
		}
		json_end_array(&w);
	}
	json_end_object(&w);
}

static void clear_waits(struct dag_state *state)
{
	struct store_batch *batch = core_batch(state->core);
	state->waits.len = 0;
	mr_vec_push(
	    &batch->asset_waits,
	    (struct store_asset_wait){.dag_id = arena_copy(&batch->arena, state->row.dag_id), .clear = true});
}

void schedule_assets(struct dag_state *state)
{
	const struct dag *dag = state->dag;
	if (!dag || !dag->assets || state->row.paused || !state->row.active || !state->waits.len ||
	    !asset_condition_met(dag->assets, has_event, state))
		return;
	char now[CIVIL_ISO_BYTES];
	struct mr_buf id = {0}, events = {0};
	struct timetable_run times = {NO_TIME, {NO_TIME, NO_TIME}, state->core->wall_us};
	mr_buf_printf(&id, "asset_triggered__%s", civil_iso(now, state->core->wall_us));
	while (run_find(state, mr_buf_view(&id))) /* two in one microsecond */
		mr_buf_char(&id, '_');
	put_events(state, &events);
	schedule_make(state, &times, "asset_triggered", mr_buf_view(&id), MR_STR("{}"), mr_buf_view(&events));
	clear_waits(state);
	mr_buf_release(&id);
	mr_buf_release(&events);
	run_admit(state);
}

void schedule_wait(struct core *core, struct dag_state *state, mr_str uri, mr_str extra_json, int64_t at_us)
{
	struct store_batch *batch = core_batch(core);
	mr_vec_push(&state->waits, (struct asset_wait){arena_copy(&state->arena, uri),
						       arena_copy(&state->arena, extra_json), at_us});
	mr_vec_push(&batch->asset_waits,
		    (struct store_asset_wait){.dag_id = arena_copy(&batch->arena, state->row.dag_id),
					      .uri = arena_copy(&batch->arena, uri),
					      .extra_json = arena_copy(&batch->arena, extra_json),
					      .event_at_us = at_us});
}

struct seek {
	mr_str uri;
	bool found;
};

static void seek_uri(void *arg, mr_str uri)
{
	struct seek *seek = arg;
	seek->found |= mr_str_eq(seek->uri, uri);
}

struct asset_seen *schedule_asset(struct core *core, mr_str uri)
{
	struct asset_seen *seen = mr_map_get(&core->assets, uri);
	if (!seen) {
		seen = mr_calloc(1, sizeof *seen);
		*seen = (struct asset_seen){-1, NO_TIME, NO_TIME};
		mr_map_put(&core->assets, uri, seen);
	}
	return seen;
}

/* Is it the other half of what was counted already? */
static bool is_twin(struct core *core, struct asset_seen *seen, int64_t version,
		    const struct instance *source)
{
	bool twin = false;
	if (version >= 0) {
		twin = seen->outlet_us != NO_TIME && core->wall_us - seen->outlet_us <= TWIN_US;
		seen->commit_us = core->wall_us;
		seen->outlet_us = NO_TIME;
	} else if (source) {
		twin = seen->commit_us != NO_TIME && source->row.start_us != NO_TIME &&
		       seen->commit_us >= source->row.start_us;
		seen->outlet_us = twin ? NO_TIME : core->wall_us;
	}
	return twin;
}

void task_asset(struct core *core, mr_str uri, mr_str extra_json, int64_t version,
		const struct instance *source)
{
	struct asset_seen *seen = schedule_asset(core, uri);
	if (version >= 0 && version <= seen->version)
		return;
	seen->version = mr_max_i64(seen->version, version);
	struct store_batch *batch = core_batch(core);
	struct arena *arena = &batch->arena;
	struct store_asset_event event = {.uri = arena_copy(arena, uri),
					  .extra_json = arena_copy(arena, extra_json),
					  .at_us = core->wall_us,
					  .version = version};
	if (source) {
		event.source_dag_id = arena_copy(arena, source->run->row.dag_id);
		event.source_run_id = arena_copy(arena, source->run->row.run_id);
		event.source_task_id = arena_copy(arena, source->row.task_id);
	}
	mr_vec_push(&batch->asset_events, event);
	if (is_twin(core, seen, version, source))
		return;
	mr_map_each (&core->dags, entry) {
		struct dag_state *state = entry->value;
		struct seek seek = {uri, false};
		if (!state->dag || !state->dag->assets || state->row.paused || !state->row.active)
			continue;
		asset_each(state->dag->assets, seek_uri, &seek);
		if (!seek.found)
			continue;
		schedule_wait(core, state, uri, extra_json, core->wall_us);
		schedule_assets(state);
	}
}

void core_asset_event(struct core *core, mr_str uri, mr_str extra_json, int64_t version)
{
	task_asset(core, uri, extra_json.len ? extra_json : MR_STR("{}"), version, NULL);
}

/* Deferred tasks that wait for it go on. */
void core_event(struct core *core, mr_str event, mr_str payload_json)
{
	(void)payload_json;
	mr_map_each (&core->dags, entry) {
		struct dag_state *state = entry->value;
		for (size_t r = 0; r < state->runs.len; r++) {
			struct run *run = state->runs.items[r];
			for (size_t t = 0; run->moving && t < run->dag->task_count; t++) {
				for (size_t i = 0; i < run->tasks[t].instances.len; i++) {
					struct instance *instance = run->tasks[t].instances.items[i];
					if ((instance->row.state == TASK_DEFERRED ||
					     instance->row.state == TASK_UP_FOR_RESCHEDULE) &&
					    mr_str_eq(instance->row.event, event))
						task_apply(instance, TASK_ON_DUE);
				}
			}
		}
	}
}

/* ---- the DAGs of the files ---- */

static void take_dag(struct core *core, struct dag *dag)
{
	bool known = mr_map_get(&core->dags, dag->id) != NULL;
	struct dag_state *state = schedule_dag(core, dag->id);
	bool changed = !mr_str_is(state->row.version, dag->version);
	if (!known)
		state->row.paused = dag->paused_at_first;
	if (changed || !known || !state->row.active || !mr_str_eq(state->row.file, dag->file)) {
		state->row.version = arena_copy(&state->arena, mr_str_from(dag->version));
		state->row.file = arena_copy(&state->arena, dag->file);
		state->row.active = true;
		state->new_version = changed;
		core_dirty_dag(state);
	}
	dag_ref(dag);
	dag_unref(state->dag);
	state->dag = dag;
	schedule_next(state);
	run_admit(state);
}

void core_set_dags(struct core *core, const struct dag_set *set)
{
	for (size_t i = 0; i < set->pools.len; i++) {
		const struct dag_pool_file *pool = &set->pools.items[i];
		if (core_pool(core, pool->name)->slots != pool->slots)
			core_set_pool(core, pool->name, pool->slots, pool->description);
	}
	for (size_t i = 0; i < set->dags.len; i++)
		take_dag(core, set->dags.items[i]);
	mr_map_each (&core->dags, entry) {
		struct dag_state *state = entry->value;
		bool faulty = false;
		for (size_t f = 0; f < set->faults.len; f++)
			faulty |= mr_str_is(state->row.dag_id, set->faults.items[f].dag_id) ||
				  (!set->faults.items[f].dag_id[0] &&
				   mr_str_is(state->row.file, set->faults.items[f].file));
		/* A file with a mistake keeps its DAGs going as they were; one that is gone does not. */
		if (dag_set_find(set, state->row.dag_id) || faulty || !state->row.active)
			continue;
		state->row.active = false;
		core_stop_timer(core, &state->next);
		core_dirty_dag(state);
	}
}
