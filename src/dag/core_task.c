/* dag/core_task.c - one task instance: moves through state.def, what each move does, reports. */
#include "dag/core_internal.h"

#include "dag/retry.h"

#include <stdlib.h>

#define LOST_MAX 5

static bool is_moving(enum task_state state)
{
	return state != TASK_NONE && !task_state_done(state);
}

bool task_active(const struct instance *instance)
{
	enum task_state state = instance->row.state;
	return state == TASK_QUEUED || state == TASK_RUNNING || state == TASK_RESTARTING;
}

static void set_state(struct instance *instance, enum task_state to)
{
	struct run *run = instance->run;
	enum task_state from = instance->row.state;
	run->open += (size_t)!task_state_done(to) - (size_t)!task_state_done(from);
	run->moving += (size_t)is_moving(to) - (size_t)is_moving(from);
	instance->row.state = to;
	core_dirty_instance(instance);
}

struct instance *task_new(struct run *run, int32_t task, int32_t map_index)
{
	const struct dag_task *spec = &run->dag->tasks[task];
	struct instance *instance = arena_calloc(&run->arena, 1, sizeof *instance);
	instance->run = run;
	instance->task = spec;
	instance->timer.fire = task_due;
	instance->row = (struct store_task){
	    .run_no = run->row.run_no,
	    .task_id = spec->id,
	    .map_index = map_index,
	    .max_tries = spec->retries,
	    .operator_name = mr_str_from(spec->operator->name),
	    .pool = spec->pool,
	    .queue = spec->queue,
	    .executor = spec->executor,
	    .executor_config = spec->executor_config,
	    .pool_slots = spec->pool_slots,
	    .priority_weight = spec->total_weight,
	    .scheduled_us = NO_TIME,
	    .queued_us = NO_TIME,
	    .start_us = NO_TIME,
	    .end_us = NO_TIME,
	    .first_start_us = NO_TIME,
	    .due_us = NO_TIME,
	};
	mr_vec_push(&run->tasks[task].instances, instance);
	run->open++;
	return instance;
}

/* ---- the counters below ---- */

void task_count(struct instance *instance, int32_t by)
{
	const struct dag_indexes *down = &instance->task->downstream;
	enum task_state state = instance->row.state;
	bool setup = instance->task->setup;
	for (size_t i = 0; i < down->count; i++) {
		struct upstream_counts *up = &instance->run->tasks[down->items[i]].up;
		up->success += state == TASK_SUCCESS ? by : 0;
		up->skipped += state == TASK_SKIPPED ? by : 0;
		up->failed += state == TASK_FAILED ? by : 0;
		up->upstream_failed += state == TASK_UPSTREAM_FAILED ? by : 0;
		up->removed += state == TASK_REMOVED ? by : 0;
		up->setup_success += setup && state == TASK_SUCCESS ? by : 0;
		up->setup_skipped += setup && state == TASK_SKIPPED ? by : 0;
	}
}

void task_consider(struct run *run, int32_t task)
{
	mr_vec_push(&run->core->todo, (struct todo){run, task});
}

/* The tasks below, and this task in the next run when that looks back. */
static void tell_others(struct instance *instance)
{
	const struct dag_indexes *down = &instance->task->downstream;
	struct run *run = instance->run, *next = run->next;
	for (size_t i = 0; i < down->count; i++)
		task_consider(run, down->items[i]);
	if (next) {
		for (size_t t = 0; t < next->dag->task_count; t++)
			if (next->dag->tasks[t].depends_on_past || next->dag->tasks[t].wait_for_downstream)
				task_consider(next, (int32_t)t);
	}
	run_check_end(run);
}

/* ---- trying ---- */

static mr_str pick(struct arena *arena, mr_str text, const char *otherwise)
{
	return arena_copy(arena, text.len ? text : mr_str_from(otherwise));
}

static void fill_context(struct dag_try *try, const struct run *run)
{
	struct arena *arena = &try->arena;
	try->run = (struct dag_run_context){
	    .run_id = arena_copy(arena, run->row.run_id),
	    .run_type = arena_copy(arena, run->row.run_type),
	    .logical_date_us = run->row.logical_date_us,
	    .data_interval_start_us = run->row.interval_start_us,
	    .data_interval_end_us = run->row.interval_end_us,
	    .run_after_us = run->row.run_after_us,
	    .start_date_us = run->row.start_us,
	    .conf_json = pick(arena, run->row.conf_json, "{}"),
	    .asset_events_json = pick(arena, run->row.asset_events_json, "{}"),
	};
	try->run.params_json = arena_copy(arena, run->dag->params_json);
	if (run->row.conf_json.len > strlen("{}")) {
		struct mr_buf params = {0};
		dag_put_params(run->dag, run->row.conf_json, &params);
		try->run.params_json = arena_copy(arena, mr_buf_view(&params));
		mr_buf_release(&params);
	}
}

struct dag_try *task_make_try(struct instance *instance)
{
	struct arena arena;
	arena_init(&arena, 2048);
	struct dag_try *try = arena_calloc(&arena, 1, sizeof *try);
	const struct store_task *row = &instance->row;
	try->arena = arena;
	atomic_init(&try->refs, 1);
	memcpy(try->id, row->id.ptr, row->id.len);
	try->dag = dag_ref(instance->run->dag);
	try->task = instance->task;
	fill_context(try, instance->run);
	try->map_index = row->map_index;
	try->map_json = arena_copy(&try->arena, row->map_json);
	try->try_number = row->try_number;
	try->max_tries = row->max_tries;
	try->poke = row->poke;
	try->run_no = row->run_no;
	try->first_start_us = row->first_start_us;
	try->deadline_us = NO_TIME;
	if (instance->task->sensor_timeout_us && row->first_start_us != NO_TIME)
		try->deadline_us = row->first_start_us + instance->task->sensor_timeout_us;
	try->previous_success_us = NO_TIME;
	try->resume_json = arena_copy(&try->arena, row->resume_json);
	try->executor = arena_copy(&try->arena, row->executor);
	instance->try = try;
	mr_map_put(&instance->run->core->tries, mr_str_from(try->id), instance);
	return try;
}

static void forget_xcoms(struct instance *instance)
{
	struct store_batch *batch = core_batch(instance->run->core);
	mr_vec_push(&batch->xcoms,
		    (struct store_xcom){.run_no = instance->row.run_no,
					.task_id = arena_copy(&batch->arena, instance->row.task_id),
					.map_index = instance->row.map_index,
					.remove = true});
}

static void start(struct instance *instance)
{
	struct core *core = instance->run->core;
	struct store_batch *batch = core_batch(core);
	char id[DAG_UUID_BYTES];
	rng_uuid(core->options.rng, id);
	instance->row.id = arena_copy(&instance->run->arena, mr_str_from(id));
	instance->row.queued_us = core->wall_us;
	/* Who has it: another server that finds it queued cannot know whether it began. */
	instance->row.hostname = core->shared ? core->options.hostname : MR_STR("");
	instance->row.reason = instance->row.event = MR_STR("");
	instance->row.executor = dag_executor_of(instance->task, core->options.executor);
	instance->row.pid = 0;
	instance->row.exit_code = 0;
	if (!instance->row.poke)
		instance->row.start_us = NO_TIME;
	instance->row.end_us = NO_TIME;
	if (!instance->row.poke && instance->row.try_number > 1)
		forget_xcoms(instance);
	mr_vec_push(&batch->submits, dag_try_ref(task_make_try(instance)));
}

void task_cancel(struct instance *instance, enum dag_cancel why)
{
	struct store_batch *batch = core_batch(instance->run->core);
	struct store_cancel order = {.why = why,
				     .executor = arena_copy(&batch->arena, instance->row.executor),
				     .operator= instance->task->operator};
	if (!instance->try)
		return;
	memcpy(order.id, instance->try->id, sizeof order.id);
	mr_vec_push(&batch->cancels, order);
}

/* ---- moves ---- */

static bool is_trivial(const struct instance *instance)
{
	return instance->task->operator->place == OPERATOR_NOWHERE;
}

static void get_ready(struct instance *instance, enum task_state from)
{
	if (from == TASK_NONE || from == TASK_UP_FOR_RETRY) {
		instance->row.try_number++;
		instance->row.poke = 0;
		instance->row.resume_json = MR_STR("");
	}
	instance->row.scheduled_us = instance->run->core->wall_us;
	instance->row.due_us = NO_TIME;
	if (!is_trivial(instance)) {
		ready_add(instance);
		return;
	}
	instance->row.start_us = instance->run->core->wall_us;
	for (size_t i = 0; i < instance->task->outlet_count; i++)
		task_asset(instance->run->core, instance->task->outlets[i], MR_STR("{}"), -1, instance);
	task_apply(instance, TASK_ON_TRIVIAL);
}

void task_arm(struct instance *instance)
{
	struct core *core = instance->run->core;
	if (instance->row.due_us != NO_TIME)
		core_set_timer(core, &instance->timer,
			       core->mono_us + mr_max_i64(instance->row.due_us - core->wall_us, 0), false);
}

static void done(struct instance *instance)
{
	if (instance->row.end_us == NO_TIME)
		instance->row.end_us = instance->run->core->wall_us;
	task_count(instance, 1);
	tell_others(instance);
}

void task_apply(struct instance *instance, enum task_event event)
{
	enum task_state from = instance->row.state;
	const struct task_move *move = task_move(from, event);
	if (!move)
		return;
	if (task_active(instance) && move->effect != TASK_DO_WAIT && move->effect != TASK_DO_KILL) {
		task_forget_try(instance);
		ready_give_back(instance);
	}
	if (move->effect != TASK_DO_START)
		ready_remove(instance);
	core_stop_timer(instance->run->core, &instance->timer);
	if (task_state_done(from))
		task_count(instance, -1);
	set_state(instance, move->to);
	switch (move->effect) {
	case TASK_DO_WAIT:
		break;
	case TASK_DO_READY:
		get_ready(instance, from);
		break;
	case TASK_DO_START:
		start(instance);
		break;
	case TASK_DO_TIMER:
		task_arm(instance);
		break;
	case TASK_DO_DONE:
		done(instance);
		break;
	case TASK_DO_KILL:
		task_cancel(instance, DAG_CANCEL_CLEARED);
		break;
	case TASK_DO_AGAIN:
		task_consider(instance->run, instance->task->index);
		break;
	}
}

void task_due(struct core *core, struct timer *timer)
{
	(void)core;
	task_apply(MR_CONTAINER_OF(timer, struct instance, timer), TASK_ON_DUE);
}

/* By hand, from any state to any final one. */
void task_force(struct instance *instance, enum task_state state, const char *reason)
{
	bool was_done = task_state_done(instance->row.state);
	if (task_active(instance)) {
		task_cancel(instance, DAG_CANCEL_MARKED);
		task_forget_try(instance);
		ready_give_back(instance);
	}
	ready_remove(instance);
	core_stop_timer(instance->run->core, &instance->timer);
	if (was_done)
		task_count(instance, -1);
	set_state(instance, state);
	instance->row.reason = mr_str_from(reason);
	done(instance);
}

/* What has not begun is skipped. */
void task_skip(struct run *run, int32_t task)
{
	for (size_t i = 0; i < run->tasks[task].instances.len; i++)
		task_apply(run->tasks[task].instances.items[i], TASK_ON_SKIP);
}

/* ---- the rules ---- */

static struct instance *same_in(const struct run *run, const struct instance *instance)
{
	const struct dag_task *task = dag_task_find(run->dag, instance->row.task_id);
	if (!task || !mr_str_eq(task->id, instance->row.task_id))
		return NULL;
	const struct run_task *rt = &run->tasks[task->index];
	for (size_t i = 0; i < rt->instances.len; i++)
		if (rt->instances.items[i]->row.map_index == instance->row.map_index)
			return rt->instances.items[i];
	return NULL;
}

static bool fine(enum task_state state)
{
	return state == TASK_SUCCESS || state == TASK_SKIPPED;
}

/* depends_on_past: the same instance of the run before ended well; wait_for_downstream: so did the
 * tasks right below it. */
static bool past_allows(const struct instance *instance)
{
	const struct run *prev = instance->run->prev;
	const struct dag_task *task = instance->task;
	if (!prev || (!task->depends_on_past && !task->wait_for_downstream))
		return true;
	const struct instance *before = same_in(prev, instance);
	if (!before)
		return true;
	if (!fine(before->row.state))
		return false;
	for (size_t d = 0; task->wait_for_downstream && d < before->task->downstream.count; d++) {
		const struct run_task *rt = &prev->tasks[before->task->downstream.items[d]];
		for (size_t i = 0; i < rt->instances.len; i++)
			if (!fine(rt->instances.items[i]->row.state))
				return false;
	}
	return true;
}

static bool dates_allow(const struct instance *instance)
{
	const struct dag_task *task = instance->task;
	int64_t date = instance->run->row.logical_date_us;
	if (date == NO_TIME)
		return true;
	return (task->start_date_us == NO_TIME || date >= task->start_date_us) &&
	       (task->end_date_us == NO_TIME || date <= task->end_date_us);
}

/* True when the task now has its instances. */
static bool expand(struct run *run, int32_t task)
{
	struct mr_error err;
	struct instance *first = run->tasks[task].instances.items[0];
	int rc = map_expand(run, task, &err);
	if (rc == 0)
		return true;
	if (rc > 0) {
		task_apply(first, TASK_ON_RULE_SKIPPED);
		return false;
	}
	task_force(first, TASK_FAILED, "");
	first->row.reason = arena_copy(&run->arena, mr_str_from(err.message));
	return false;
}

void task_look(struct run *run, int32_t task)
{
	struct run_task *rt = &run->tasks[task];
	const struct dag_task *spec = &run->dag->tasks[task];
	static const enum task_event events[] = {
	    [RULE_RUN] = TASK_ON_RULE_RUN,
	    [RULE_SKIP] = TASK_ON_RULE_SKIPPED,
	    [RULE_UPSTREAM_FAIL] = TASK_ON_RULE_UPSTREAM_FAILED,
	    [RULE_REMOVE] = TASK_ON_RULE_REMOVED,
	};
	if (run->row.state != RUN_RUNNING)
		return;
	for (size_t i = 0; i < rt->instances.len; i++) {
		struct instance *instance = rt->instances.items[i];
		if (instance->row.state != TASK_NONE)
			continue;
		enum rule_verdict verdict =
		    trigger_rule_verdict(spec->trigger_rule, &rt->up, instance->row.map_index);
		if (verdict == RULE_WAIT)
			break;
		if (verdict == RULE_RUN && (!past_allows(instance) || !dates_allow(instance)))
			continue;
		if (verdict == RULE_RUN && dag_task_mapped(spec) && !rt->expanded && !expand(run, task))
			break;
		if (instance->row.state == TASK_NONE)
			task_apply(instance, events[verdict]);
	}
}

/* ---- reports ---- */

static void mark_followed(const struct run *run, const struct dag_report *report, bool *keep)
{
	const struct dag *dag = run->dag;
	bool *below = mr_calloc(dag->task_count, sizeof *below);
	for (size_t i = 0; i < report->follow_count; i++) {
		const struct dag_task *task = dag_task_find(dag, report->follow_ids[i]);
		if (!task)
			continue;
		keep[task->index] = true;
		dag_mark_downstream(dag, task->index, below);
		for (size_t t = 0; t < dag->task_count; t++)
			keep[t] |= below[t];
	}
	free(below);
}

static void follow(struct instance *instance, const struct dag_report *report)
{
	struct run *run = instance->run;
	const struct dag *dag = run->dag;
	if (report->follow == DAG_FOLLOW_ALL)
		return;
	bool *skip = mr_calloc(dag->task_count, sizeof *skip),
	     *keep = mr_calloc(dag->task_count, sizeof *keep);
	if (report->follow == DAG_FOLLOW_NOTHING_BELOW)
		dag_mark_downstream(dag, instance->task->index, skip);
	for (size_t i = 0; i < instance->task->downstream.count; i++)
		skip[instance->task->downstream.items[i]] = true;
	if (report->follow == DAG_FOLLOW_ONLY)
		mark_followed(run, report, keep);
	for (size_t t = 0; t < dag->task_count; t++)
		if (skip[t] && !keep[t] && !dag->tasks[t].teardown)
			task_skip(run, (int32_t)t);
	free(skip);
	free(keep);
}

static void keep_returned(struct instance *instance, mr_str json)
{
	struct run_task *rt = &instance->run->tasks[instance->task->index];
	size_t at = instance->row.map_index < 0 ? 0 : (size_t)instance->row.map_index;
	while (rt->returned.len <= at)
		mr_vec_push(&rt->returned, MR_STR_NULL);
	rt->returned.items[at] = arena_copy(&instance->run->arena, json);
}

static void push_xcoms(struct instance *instance, const struct dag_report *report)
{
	struct store_batch *batch = core_batch(instance->run->core);
	for (size_t i = 0; i < report->xcom_count; i++) {
		const struct dag_xcom *xcom = &report->xcoms[i];
		mr_vec_push(&batch->xcoms,
			    (struct store_xcom){.run_no = instance->row.run_no,
						.task_id = arena_copy(&batch->arena, instance->row.task_id),
						.map_index = instance->row.map_index,
						.key = arena_copy(&batch->arena, xcom->key),
						.json = arena_copy(&batch->arena, xcom->json)});
		if (instance->run->tasks[instance->task->index].feeds && mr_str_is(xcom->key, "return_value"))
			keep_returned(instance, xcom->json);
	}
}

/* What the try itself says of an asset counts instead of the outlet. */
static bool told_of(const struct dag_report *report, mr_str uri)
{
	for (size_t i = 0; i < report->asset_event_count; i++)
		if (mr_str_eq(report->asset_events[i].uri, uri))
			return true;
	return false;
}

static void succeeded(struct instance *instance, const struct dag_report *report)
{
	struct core *core = instance->run->core;
	const struct dag_task *task = instance->task;
	if (instance->row.state != TASK_RESTARTING) {
		follow(instance, report);
		for (size_t i = 0; i < task->outlet_count; i++)
			if (!told_of(report, task->outlets[i]))
				task_asset(core, task->outlets[i], MR_STR("{}"), -1, instance);
		for (size_t i = 0; i < report->asset_event_count; i++)
			task_asset(core, report->asset_events[i].uri, report->asset_events[i].extra_json, -1,
				   instance);
		core_tell(instance->run, instance, task->on_success, task->on_success_count, "task_succeeded",
			  MR_STR(""));
	}
	task_apply(instance, TASK_ON_SUCCEEDED);
}

/* fail_fast: the first failure ends the run's other tasks, but not its teardowns. */
static void fail_fast(struct run *run)
{
	for (size_t t = 0; t < run->dag->task_count; t++) {
		for (size_t i = 0; !run->dag->tasks[t].teardown && i < run->tasks[t].instances.len; i++) {
			struct instance *other = run->tasks[t].instances.items[i];
			if (!task_state_done(other->row.state))
				task_force(other, task_active(other) ? TASK_FAILED : TASK_SKIPPED,
					   "fail_fast");
		}
	}
}

static void failed(struct instance *instance, const struct dag_report *report, mr_str reason)
{
	const struct dag_task *task = instance->task;
	struct run *run = instance->run;
	bool again =
	    report->outcome != DAG_FAILED_FINAL && instance->row.try_number <= instance->row.max_tries;
	bool restarting = instance->row.state == TASK_RESTARTING;
	if (again && !restarting) {
		int64_t wait_us = report->retry_delay_given
				      ? report->retry_delay_us
				      : retry_wait_us(run->row.dag_id, task, run->row.logical_date_us,
						      instance->row.try_number);
		instance->row.due_us = instance->row.end_us + wait_us;
		core_tell(run, instance, task->on_retry, task->on_retry_count, "task_retried", reason);
	} else if (!restarting) {
		core_tell(run, instance, task->on_failure, task->on_failure_count, "task_failed", reason);
	}
	task_apply(instance, again ? TASK_ON_FAILED_RETRY : TASK_ON_FAILED);
	if (instance->row.state == TASK_FAILED && run->dag->fail_fast)
		fail_fast(run);
}

static void finished(struct instance *instance, const struct dag_report *report)
{
	struct arena *arena = &instance->run->arena;
	instance->row.end_us = report->at_us == NO_TIME ? instance->run->core->wall_us : report->at_us;
	if (instance->row.start_us == NO_TIME)
		instance->row.start_us = instance->row.end_us;
	instance->row.exit_code = report->signal ? -report->signal : report->exit_code;
	instance->row.reason = arena_copy(arena, report->reason);
	push_xcoms(instance, report);
	if (report->outcome == DAG_SUCCEEDED)
		succeeded(instance, report);
	else if (report->outcome == DAG_SKIPPED)
		task_apply(instance, TASK_ON_SKIPPED);
	else
		failed(instance, report, instance->row.reason);
}

/* A try that never began is submitted again; one that ran, or may have, and is no more has failed. */
static void lost(struct instance *instance, const struct dag_report *report)
{
	struct dag_report as_failure = *report;
	bool queued = instance->row.state == TASK_QUEUED && !instance->inherited;
	instance->inherited = false;
	if (instance->row.state == TASK_RESTARTING || (queued && ++instance->lost < LOST_MAX)) {
		task_apply(instance, TASK_ON_LOST);
		return;
	}
	as_failure.outcome = DAG_FAILED;
	as_failure.reason =
	    report->reason.len ? report->reason : MR_STR("lost: its executor knows nothing of it");
	finished(instance, &as_failure);
}

static void deferred(struct instance *instance, const struct dag_report *report)
{
	struct arena *arena = &instance->run->arena;
	int64_t due = report->until_us;
	push_xcoms(instance, report);
	if (instance->task->sensor_timeout_us && instance->row.first_start_us != NO_TIME) {
		int64_t deadline = instance->row.first_start_us + instance->task->sensor_timeout_us;
		due = due == NO_TIME ? deadline : mr_min_i64(due, deadline);
	}
	instance->row.poke++;
	instance->row.due_us = due;
	instance->row.event = arena_copy(arena, report->event);
	instance->row.resume_json = arena_copy(arena, report->resume_json);
	task_apply(instance, report->reschedule ? TASK_ON_RESCHEDULED : TASK_ON_DEFERRED);
}

static void started(struct instance *instance, const struct dag_report *report)
{
	struct core *core = instance->run->core;
	int64_t at = report->at_us == NO_TIME ? core->wall_us : report->at_us;
	if (instance->row.state != TASK_QUEUED)
		return;
	instance->lost = 0;
	instance->inherited = false;
	instance->row.hostname = arena_copy(&instance->run->arena, report->host);
	instance->row.pid = report->pid;
	if (!instance->row.poke || instance->row.start_us == NO_TIME)
		instance->row.start_us = at;
	if (instance->row.first_start_us == NO_TIME)
		instance->row.first_start_us = at;
	task_apply(instance, TASK_ON_STARTED);
}

void core_report(struct core *core, const struct dag_report *report)
{
	struct instance *instance = mr_map_get(&core->tries, mr_str_from(report->id));
	if (!instance)
		return;
	switch (report->kind) {
	case DAG_REPORT_STARTED:
		started(instance, report);
		break;
	case DAG_REPORT_FINISHED:
		finished(instance, report);
		break;
	case DAG_REPORT_DEFERRED:
		deferred(instance, report);
		break;
	case DAG_REPORT_LOST:
		lost(instance, report);
		break;
	}
}

size_t core_reattach(struct core *core, struct dag_try ***tries_out)
{
	/* A try that waits in a batch would be called lost, and started twice. */
	MR_ASSERT(!core->batch || !core->batch->submits.len);
	struct dag_try **tries = mr_calloc(core->tries.len + 1, sizeof(struct dag_try *));
	size_t n = 0;
	mr_map_each (&core->tries, entry)
		tries[n++] = ((struct instance *)entry->value)->try;
	*tries_out = tries;
	return n;
}
