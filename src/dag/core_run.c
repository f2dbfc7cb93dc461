/* dag/core_run.c - runs: from queued to their end, and back when they are cleared. */
#include "dag/core_internal.h"

#include <stdlib.h>

static void timed_out(struct core *core, struct timer *timer)
{
	struct run *run = MR_CONTAINER_OF(timer, struct run, timeout);
	(void)core;
	if (run->row.state == RUN_RUNNING)
		run_finish(run, RUN_FAILED, "dagrun_timeout");
}

static void deadline_missed(struct core *core, struct timer *timer)
{
	struct run *run = MR_CONTAINER_OF(timer, struct run, deadline);
	const struct dag_deadline *deadline = run->dag->deadlines;
	core_log(core, "deadline_missed", run->row.dag_id, run->row.run_id, MR_STR(""), MR_STR("scheduler"),
		 MR_STR(""));
	core_tell(run, NULL, &deadline->callback, deadline->callback.kind.len ? 1 : 0, "deadline_missed",
		  MR_STR(""));
}

struct run *run_new(struct dag_state *state, struct dag *dag, const struct store_run *row)
{
	struct run *run = mr_calloc(1, sizeof *run);
	run->row = *row;
	mr_str *const strs[] = {&run->row.run_id,    &run->row.run_type,          &run->row.version,
				&run->row.conf_json, &run->row.asset_events_json, &run->row.backfill_id};
	for (size_t i = 0; i < MR_COUNT(strs); i++)
		*strs[i] = arena_copy(&run->arena, *strs[i]);
	run->row.dag_id = state->row.dag_id;
	run->core = state->core;
	run->state = state;
	run->dag = dag_ref(dag);
	run->limit = (struct limit){.max = dag->max_active_tasks, .parked.before = ready_before};
	run->timeout.fire = timed_out;
	run->deadline.fire = deadline_missed;
	run->tasks = mr_calloc(dag->task_count, sizeof *run->tasks);
	for (size_t t = 0; t < dag->task_count; t++) {
		run->tasks[t].limit = (struct limit){.max = dag->tasks[t].max_active_tis_per_dagrun,
						     .parked.before = ready_before};
		for (size_t e = 0; e < dag->tasks[t].expand_count; e++)
			if (dag->tasks[t].expand[e].task >= 0)
				run->tasks[dag->tasks[t].expand[e].task].feeds = true;
	}
	return run;
}

void run_fill(struct run *run)
{
	const struct dag *dag = run->dag;
	for (size_t t = 0; t < dag->task_count; t++) {
		core_dirty_instance(task_new(run, (int32_t)t, -1));
		for (size_t d = 0; d < dag->tasks[t].downstream.count; d++) {
			struct upstream_counts *up = &run->tasks[dag->tasks[t].downstream.items[d]].up;
			up->total++;
			up->setup_total += dag->tasks[t].setup;
		}
	}
}

static void unlink_run(struct run *run)
{
	struct dag_state *state = run->state;
	for (size_t i = 0; i < state->runs.len; i++) {
		if (state->runs.items[i] == run) {
			mr_vec_remove(&state->runs, i);
			break;
		}
	}
	if (run->prev)
		run->prev->next = run->next;
	if (run->next)
		run->next->prev = run->prev;
	run->prev = run->next = NULL;
}

void run_free(struct run *run)
{
	struct core *core = run->core;
	core_stop_timer(core, &run->timeout);
	core_stop_timer(core, &run->deadline);
	for (size_t t = 0; t < run->dag->task_count; t++) {
		struct run_task *rt = &run->tasks[t];
		for (size_t i = 0; i < rt->instances.len; i++) {
			core_stop_timer(core, &rt->instances.items[i]->timer);
			if (rt->instances.items[i]->try)
				dag_try_unref(rt->instances.items[i]->try);
		}
		mr_vec_release(&rt->instances);
		mr_vec_release(&rt->returned);
		heap_release(&rt->limit.parked);
	}
	heap_release(&run->limit.parked);
	free(run->tasks);
	dag_unref(run->dag);
	arena_release(&run->arena);
	free(run);
}

static bool earlier(const struct run *a, const struct run *b)
{
	return a->row.run_after_us != b->row.run_after_us ? a->row.run_after_us < b->row.run_after_us
							  : a->row.run_no < b->row.run_no;
}

void run_link(struct run *run)
{
	struct dag_state *state = run->state;
	size_t at = state->runs.len;
	mr_vec_push(&state->runs, run);
	for (; at > 0 && earlier(run, state->runs.items[at - 1]); at--)
		state->runs.items[at] = state->runs.items[at - 1];
	state->runs.items[at] = run;
	run->prev = at ? state->runs.items[at - 1] : NULL;
	run->next = at + 1 < state->runs.len ? state->runs.items[at + 1] : NULL;
	if (run->prev)
		run->prev->next = run;
	if (run->next)
		run->next->prev = run;
}

struct run *run_find(struct dag_state *state, mr_str run_id)
{
	for (size_t i = 0; i < state->runs.len; i++)
		if (mr_str_eq(state->runs.items[i]->row.run_id, run_id))
			return state->runs.items[i];
	return NULL;
}

struct backfill *run_backfill(const struct run *run)
{
	return run->row.backfill_id.len ? mr_map_get(&run->core->backfills, run->row.backfill_id) : NULL;
}

struct backfill *run_know_backfill(struct core *core, mr_str id, int32_t max_active)
{
	if (!id.len || id.len >= DAG_UUID_BYTES)
		return NULL;
	struct backfill *backfill = mr_map_get(&core->backfills, id);
	if (backfill)
		return backfill;
	backfill = mr_calloc(1, sizeof *backfill);
	memcpy(backfill->id, id.ptr, id.len);
	backfill->max_active = max_active;
	mr_vec_push(&core->backfill_list, backfill);
	mr_map_put(&core->backfills, mr_str_from(backfill->id), backfill);
	return backfill;
}

/* ---- beginning ---- */

static int32_t *active_of(struct run *run, int32_t *max)
{
	struct backfill *backfill = run_backfill(run);
	*max = backfill ? backfill->max_active : run->state->dag ? run->state->dag->max_active_runs : 1;
	if (!backfill && run->state->dag &&
	    timetable_kind(run->state->dag->timetable) == TIMETABLE_CONTINUOUS)
		*max = 1;
	return backfill ? &backfill->active : &run->state->active;
}

void run_arm(struct run *run)
{
	struct core *core = run->core;
	const struct dag *dag = run->dag;
	if (dag->dagrun_timeout_us && run->row.start_us != NO_TIME)
		core_set_timer(core, &run->timeout,
			       core->mono_us + run->row.start_us + dag->dagrun_timeout_us - core->wall_us,
			       false);
	if (!dag->deadline_count)
		return;
	const struct dag_deadline *deadline = dag->deadlines;
	int64_t from = deadline->fixed_us;
	if (mr_str_is(deadline->reference, "queued_at"))
		from = run->row.queued_at_us;
	else if (mr_str_is(deadline->reference, "logical_date"))
		from = run->row.logical_date_us;
	if (from != NO_TIME)
		core_set_timer(core, &run->deadline, from + deadline->interval_us, true);
}

static void begin(struct run *run)
{
	run->row.state = RUN_RUNNING;
	run->row.start_us = run->core->wall_us;
	run->row.end_us = NO_TIME;
	core_dirty_run(run);
	run_arm(run);
	for (size_t t = 0; t < run->dag->task_count; t++)
		task_consider(run, (int32_t)t);
	if (!run->open) /* everything was marked while it waited for its turn */
		run_check_end(run);
}

void run_admit(struct dag_state *state)
{
	if (state->row.paused)
		return;
	for (size_t i = 0; i < state->runs.len; i++) {
		struct run *run = state->runs.items[i];
		int32_t max, *active = active_of(run, &max);
		if (run->row.state != RUN_QUEUED || *active >= max)
			continue;
		state->waiting -= !run_backfill(run);
		++*active;
		begin(run);
	}
}

/* ---- ending ---- */

void run_check_end(struct run *run)
{
	if (run->ending)
		return;
	run->ending = true;
	mr_vec_push(&run->core->ending, run);
}

static bool is_leaf(const struct dag *dag, const struct dag_task *task)
{
	for (size_t d = 0; d < task->downstream.count; d++)
		if (!dag->tasks[task->downstream.items[d]].teardown)
			return false;
	return true;
}

/* The leaves decide; teardowns do not, unless they say so or there is nothing else. */
static enum run_state verdict(const struct run *run)
{
	const struct dag *dag = run->dag;
	bool only_teardowns = true;
	for (size_t t = 0; t < dag->task_count; t++)
		only_teardowns &= dag->tasks[t].teardown;
	for (size_t t = 0; t < dag->task_count; t++) {
		const struct dag_task *task = &dag->tasks[t];
		if (!is_leaf(dag, task) ||
		    (task->teardown && !only_teardowns && !task->on_failure_fail_dagrun))
			continue;
		for (size_t i = 0; i < run->tasks[t].instances.len; i++) {
			enum task_state state = run->tasks[t].instances.items[i]->row.state;
			if (state == TASK_FAILED || state == TASK_UPSTREAM_FAILED)
				return RUN_FAILED;
		}
	}
	return RUN_SUCCESS;
}

static bool looks_back(const struct dag *dag)
{
	for (size_t t = 0; t < dag->task_count; t++)
		if (dag->tasks[t].depends_on_past || dag->tasks[t].wait_for_downstream)
			return true;
	return false;
}

/* Unfinished, and nothing will move: no instance is under way, and none waits for another run. */
static bool deadlocked(const struct run *run)
{
	return run->open && !run->moving && !looks_back(run->dag);
}

/* A finished run stays only while a later one may look back at it. */
static void let_go(struct dag_state *state)
{
	for (size_t i = 0; i < state->runs.len;) {
		struct run *run = state->runs.items[i];
		bool needed = !run_state_done(run->row.state) ||
			      (looks_back(run->dag) && (!run->next || !run_state_done(run->next->row.state)));
		if (needed) {
			i++;
			continue;
		}
		unlink_run(run);
		mr_vec_push(&state->core->gone, run);
	}
}

static void count_failures(struct run *run, enum run_state state)
{
	struct dag_state *owner = run->state;
	owner->failed_in_a_row = state == RUN_FAILED ? owner->failed_in_a_row + 1 : 0;
	int32_t max = run->dag->max_consecutive_failed_runs;
	if (!max || owner->failed_in_a_row < max || owner->row.paused)
		return;
	owner->row.paused = true;
	core_dirty_dag(owner);
	core_log(run->core, "paused", run->row.dag_id, run->row.run_id, MR_STR(""), MR_STR("scheduler"),
		 MR_STR("max_consecutive_failed_dag_runs"));
}

void run_finish(struct run *run, enum run_state state, const char *reason)
{
	struct dag_state *owner = run->state;
	int32_t max, *active = active_of(run, &max);
	bool was_running = run->row.state == RUN_RUNNING;
	if (run_state_done(run->row.state))
		return;
	run->row.state = state;
	run->row.end_us = run->core->wall_us;
	core_dirty_run(run);
	core_stop_timer(run->core, &run->timeout);
	core_stop_timer(run->core, &run->deadline);
	for (size_t t = 0; t < run->dag->task_count; t++)
		for (size_t i = 0; i < run->tasks[t].instances.len; i++)
			if (!task_state_done(run->tasks[t].instances.items[i]->row.state))
				task_force(run->tasks[t].instances.items[i], TASK_SKIPPED, reason);
	if (was_running)
		--*active;
	else
		owner->waiting -= !run_backfill(run);
	const struct dag *dag = run->dag;
	bool failed = state == RUN_FAILED;
	core_tell(run, NULL, failed ? dag->on_failure : dag->on_success,
		  failed ? dag->on_failure_count : dag->on_success_count,
		  failed ? "run_failed" : "run_succeeded", mr_str_from(reason));
	count_failures(run, state);
	run_admit(owner);
	schedule_next(owner);
	if (run->next && looks_back(run->next->dag))
		for (size_t t = 0; t < run->next->dag->task_count; t++)
			task_consider(run->next, (int32_t)t);
}

void run_look_end(struct run *run)
{
	run->ending = false;
	if (run->row.state == RUN_RUNNING) {
		if (!run->open)
			run_finish(run, verdict(run), "");
		else if (deadlocked(run))
			run_finish(run, RUN_FAILED, "deadlock: nothing can run");
	}
	if (run_state_done(run->row.state))
		let_go(run->state);
}

/* Cleared: it waits for its turn again. */
void run_reopen(struct run *run)
{
	if (!run_state_done(run->row.state))
		return;
	run->row.state = RUN_QUEUED;
	run->row.queued_at_us = run->core->wall_us;
	run->row.end_us = NO_TIME;
	run->row.clear_number++;
	run->state->waiting += !run_backfill(run);
	core_dirty_run(run);
	run_admit(run->state);
}
