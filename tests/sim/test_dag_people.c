/* tests/sim/test_dag_people.c - the scheduler among people and outside events, from a seed: runs are
 * triggered, cleared, marked and paused while their tasks run, defer, reschedule, fail and get lost;
 * assets change; the store cannot be written for a while; the scheduler dies between any two steps.
 *
 * What must hold all the way:
 *   - two tries of an instance never run at once, but that one which was marked may still be stopping
 *   - a try that resumes a deferral has its number and what it left, and it follows the time or event
 *   - what ended well does not run again unless somebody cleared it
 *   - pools are never exceeded by tries that count
 * and at the end, when nobody asks any more:
 *   - every run has ended, and every instance of it
 *   - a trigger that was answered has its run, and one that was not has at most one
 *   - an asset event that became durable is in exactly one run, or waits for the other asset's
 */
#include "test.h"

#include "base/buf.h"
#include "base/map.h"
#include "dag/civil.h"
#include "dag/core.h"
#include "env/env.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 3
#define BUSY_STEPS 250
#define STEPS_MAX 6000
#define ASSET_EVENTS_MAX 100
#define TRIGGERS_MAX 60

enum job_state { JOB_RUNNING, JOB_ENDED, JOB_LOST };

/* What the executor knows of a try; it outlives the scheduler. */
struct job {
	struct dag_try *try;
	enum job_state state;
	int64_t ends_us; /* mono; INT64_MAX: when it is stopped */
	bool told, started_told, stopped, defers;
	bool touched; /* somebody cleared or marked something of its run: what it says counts no more */
};

struct world {
	uint64_t seed;
	struct mr_rng rng;
	struct dag_store *store;
	struct dag_set set;
	struct core *core;
	struct store_batch *held; /* that the store has refused so far */
	struct mr_map jobs;
	MR_VEC(struct job *) order;
	struct mr_map succeeded; /* run/task: ended well, not cleared since */
	struct mr_map left;      /* run/task: the job whose deferral the next try resumes */
	int64_t wall_us, mono_us, store_back_us;
	bool crashes, losses;
	int triggers, asset_events;
	/* Of each trigger and asset event: asked since the last batch was taken, in the held batch, durable.
	 */
	enum { NOT_ASKED, ASKED, HELD, DURABLE } trigger_is[TRIGGERS_MAX], asset_is[ASSET_EVENTS_MAX];
};

static void fail(struct world *w, const char *what, const char *detail)
{
	test_fail(__FILE__, __LINE__, "seed %llu: %s %s", (unsigned long long)w->seed, what, detail);
}

static uint64_t chance(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

/* ---- the DAGs ---- */

static void put_dag(struct world *w, struct mr_buf *out, const char *id, const char *schedule)
{
	mr_buf_printf(out, "%s:\n  schedule: %s\n  max_active_runs: %d\n  tasks:\n", id, schedule,
		      1 + (int)chance(w, 3));
	int n = 2 + (int)chance(w, 4);
	for (int i = 0; i < n; i++) {
		mr_buf_printf(
		    out,
		    "    t%d: {operator: BashOperator, bash_command: x, retries: %d, retry_delay: 20%s%s", i,
		    (int)chance(w, 3), chance(w, 2) ? ", pool: small" : "",
		    chance(w, 4) ? "" : ", trigger_rule: all_done");
		if (i)
			mr_buf_printf(out, ", dependencies: [t%d]", (int)chance(w, (uint64_t)i));
		mr_buf_cstr(out, "}\n");
	}
}

static void make_dags(struct world *w)
{
	struct mr_buf text = {0};
	struct dag_load_options options = {.disk = env_linux()->disk};
	mr_buf_printf(&text, "pools: {small: %d}\n", SLOTS);
	put_dag(w, &text, "asked", "null");
	put_dag(w, &text, "fed", "['x://a', 'x://b']");
	dag_load_text(&options, "d.yml", mr_buf_view(&text), &w->set);
	dag_set_finish(&options, &w->set);
	if (w->set.faults.len)
		fail(w, w->set.faults.items[0].error.message, text.ptr);
	mr_buf_release(&text);
}

/* ---- the executor ---- */

static uint64_t fate_of(const struct world *w, const struct dag_try *try)
{
	uint64_t h = 14695981039346656037u ^ w->seed;
	for (const char *at = try->id; *at; at++)
		h = (h ^ (uint8_t)*at) * 1099511628211u;
	return h ^ h >> 29;
}

static mr_str name_of(const struct dag_try *try, struct mr_buf *out)
{
	mr_buf_printf(out, "%.*s/%.*s", MR_FMT(try->run.run_id), MR_FMT(try->task->id));
	return mr_buf_view(out);
}

static bool same_instance(const struct dag_try *a, const struct dag_try *b)
{
	return a->run_no == b->run_no && mr_str_eq(a->task->id, b->task->id);
}

/* A job that was told to stop may be on its way out: whoever marked it did not wait for that. */
static void check_running(struct world *w)
{
	int32_t pool = 0;
	for (size_t i = 0; i < w->order.len; i++) {
		const struct job *job = w->order.items[i];
		if (job->state != JOB_RUNNING || job->stopped)
			continue;
		pool += mr_str_is(job->try->task->pool, "small");
		for (size_t j = 0; j < i; j++) {
			const struct job *other = w->order.items[j];
			if (other->state == JOB_RUNNING && !other->stopped &&
			    same_instance(job->try, other->try))
				fail(w, "runs twice at once:", job->try->task->id.ptr);
		}
	}
	if (pool > SLOTS)
		fail(w, "pool exceeded", "");
}

static void check_resumed(struct world *w, const struct dag_try *try, mr_str name)
{
	const struct job *before = mr_map_remove(&w->left, name);
	if (!before)
		return;
	if (try->try_number != before->try->try_number)
		fail(w, "a deferral used up a try:", name.ptr);
	if (!mr_str_is(try->resume_json, before->try->id))
		fail(w, "resumed without what was left:", name.ptr);
	if (try->poke != before->try->poke + 1)
		fail(w, "stretches are not counted:", name.ptr);
}

static void submit(struct world *w, struct dag_try *try)
{
	struct mr_buf name = {0};
	if (mr_map_get(&w->jobs, mr_str_from(try->id)))
		return; /* it is known: as executors must */
	struct job *job = mr_calloc(1, sizeof *job);
	uint64_t fate = fate_of(w, try);
	name_of(try, &name);
	check_resumed(w, try, mr_buf_view(&name));
	if (mr_map_get(&w->succeeded, mr_buf_view(&name)))
		fail(w, "ran again after it had ended well:", name.ptr);
	job->try = dag_try_ref(try);
	job->defers = fate / 1000 % 3 == 0 && try->poke < 4;
	job->ends_us = w->mono_us + (int64_t)chance(w, 40) * SECOND_US;
	if (w->losses && chance(w, 12) == 0)
		job->state = JOB_LOST;
	mr_map_put(&w->jobs, mr_str_from(try->id), job);
	mr_vec_push(&w->order, job);
	mr_buf_release(&name);
}

static void stop(struct world *w, const char *id)
{
	struct job *job = mr_map_get(&w->jobs, mr_str_from(id));
	if (!job || job->state != JOB_RUNNING)
		return;
	job->stopped = true;
	job->ends_us = mr_min_i64(job->ends_us, w->mono_us + (int64_t)chance(w, 10) * SECOND_US);
}

static void tell_end(struct world *w, struct job *job)
{
	struct dag_report report = {.id = job->try->id, .at_us = NO_TIME, .until_us = NO_TIME};
	uint64_t fate = fate_of(w, job->try);
	if (job->state == JOB_LOST) {
		report.kind = DAG_REPORT_LOST;
	} else if (job->defers && !job->stopped) {
		report.kind = DAG_REPORT_DEFERRED;
		report.reschedule = fate / 7 % 3 == 0;
		report.resume_json = mr_str_from(job->try->id);
		if (!report.reschedule && fate / 7 % 3 == 1)
			report.event = MR_STR("bell");
		else
			report.until_us = w->wall_us + (int64_t)(fate % 90) * SECOND_US;
	} else {
		report.kind = DAG_REPORT_FINISHED;
		report.outcome = job->stopped    ? DAG_FAILED
				 : fate % 10 < 6 ? DAG_SUCCEEDED
				 : fate % 10 < 8 ? DAG_FAILED
				 : fate % 10 < 9 ? DAG_SKIPPED
						 : DAG_FAILED_FINAL;
	}
	core_report(w->core, &report);
	if (chance(w, 8) == 0)
		core_report(w->core, &report); /* twice: nothing more */
	job->told = true;
}

/* Tell the scheduler what it has not been told; reports come in any order of tasks. */
static void tell(struct world *w)
{
	for (size_t i = 0; i < w->order.len; i++) {
		struct job *job = w->order.items[i];
		struct dag_report begun = {.kind = DAG_REPORT_STARTED, .id = job->try->id, .at_us = NO_TIME};
		if (job->state == JOB_RUNNING && job->ends_us <= w->mono_us)
			job->state = JOB_ENDED;
		if (job->told || chance(w, 4) == 0)
			continue;
		if (job->state == JOB_RUNNING && !job->started_told)
			core_report(w->core, &begun);
		job->started_told |= job->state == JOB_RUNNING;
		if (job->state != JOB_RUNNING)
			tell_end(w, job);
	}
}

/* ---- the scheduler, which may die, and its store, which may be away ---- */

static void start_scheduler(struct world *w)
{
	struct core_options options = {.store = w->store,
				       .rng = &w->rng,
				       .load = {.disk = env_linux()->disk},
				       .parallelism = 5,
				       .hostname = MR_STR("sim")};
	struct mr_error err;
	CHECK_OK(core_new(&options, w->wall_us, w->mono_us, &w->core, &err), err);
	core_set_dags(w->core, &w->set);
	struct dag_try **tries;
	size_t n = core_reattach(w->core, &tries);
	for (size_t i = 0; i < n; i++) {
		struct job *job = mr_map_get(&w->jobs, mr_str_from(tries[i]->id));
		struct dag_report lost = {.kind = DAG_REPORT_LOST, .id = tries[i]->id, .at_us = NO_TIME};
		if (job)
			job->told = job->started_told = false;
		else
			core_report(w->core, &lost);
	}
	free(tries);
}

/* What was asked and is not durable is forgotten with the scheduler: its answer never came. */
static void die(struct world *w)
{
	core_free(w->core);
	w->core = NULL;
	store_batch_free(w->held);
	w->held = NULL;
	for (int i = 0; i < w->triggers; i++)
		if (w->trigger_is[i] != DURABLE)
			w->trigger_is[i] = NOT_ASKED;
	for (int i = 0; i < w->asset_events; i++)
		if (w->asset_is[i] != DURABLE)
			w->asset_is[i] = NOT_ASKED;
}

static bool dies(struct world *w)
{
	if (!w->crashes || chance(w, 60) != 0)
		return false;
	die(w);
	return true;
}

static void move_on(struct world *w, int from, int to)
{
	for (int i = 0; i < w->triggers; i++)
		if ((int)w->trigger_is[i] == from)
			w->trigger_is[i] = to;
	for (int i = 0; i < w->asset_events; i++)
		if ((int)w->asset_is[i] == from)
			w->asset_is[i] = to;
}

/* What a durable batch says of instances is what the next tries are held against. */
static void remember(struct world *w, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->tasks.len; i++) {
		const struct store_task *row = &batch->tasks.items[i];
		struct mr_buf name = {0};
		struct job *job = mr_map_get(&w->jobs, row->id);
		bool waits = row->state == TASK_DEFERRED || row->state == TASK_UP_FOR_RESCHEDULE;
		bool goes_on = waits || row->state == TASK_SCHEDULED || row->state == TASK_QUEUED;
		if (job && !job->touched) {
			name_of(job->try, &name);
			if (waits && job->told)
				mr_map_put(&w->left, mr_buf_view(&name), job);
			else if (!goes_on)
				mr_map_remove(&w->left, mr_buf_view(&name));
			if (row->state == TASK_SUCCESS && !job->stopped)
				mr_map_put(&w->succeeded, mr_buf_view(&name), job);
		}
		mr_buf_release(&name);
	}
}

/* The order died with the scheduler. Who cleared waits for the try's end, so the next scheduler has to
 * say it again: until then it hangs. Who marked does not wait: it runs to its end. */
static void forget_order(struct world *w, const struct store_cancel *order)
{
	struct job *job = mr_map_get(&w->jobs, mr_str_from(order->id));
	if (!job || job->state != JOB_RUNNING)
		return;
	if (order->why == DAG_CANCEL_CLEARED)
		job->ends_us = INT64_MAX;
	else
		job->stopped = true;
}

static void act_on(struct world *w, const struct store_batch *batch)
{
	bool dead = false;
	for (size_t i = 0; !dead && i < batch->submits.len; i++) {
		dead = dies(w);
		if (!dead)
			submit(w, batch->submits.items[i]);
	}
	for (size_t i = 0; i < batch->cancels.len; i++) {
		dead = dead || dies(w);
		if (dead)
			forget_order(w, &batch->cancels.items[i]);
		else
			stop(w, batch->cancels.items[i].id);
	}
	check_running(w);
}

/* A batch is written, then acted on; while the store is away the next one gathers in the core. */
static void turn(struct world *w)
{
	struct mr_error err;
	core_turn(w->core, w->wall_us, w->mono_us);
	if (!w->held && (w->held = core_take_batch(w->core)))
		move_on(w, ASKED, HELD);
	if (w->mono_us < w->store_back_us || !w->held) {
		if (dies(w))
			start_scheduler(w);
		return;
	}
	struct store_batch *batch = w->held;
	bool dead = dies(w);
	if (!dead) {
		CHECK_OK(w->store->ops->apply(w->store, batch, &err), err);
		w->held = NULL;
		move_on(w, HELD, DURABLE);
		remember(w, batch);
		act_on(w, batch);
		store_batch_free(batch);
	}
	if (!w->core)
		start_scheduler(w);
}

/* ---- people ---- */

struct pick {
	struct world *w;
	struct mr_buf dag_id, run_id, task_id;
	uint64_t seen;
};

static void pick_one(void *arg, const struct store_run *run, const struct store_task *task)
{
	struct pick *pick = arg;
	if (chance(pick->w, ++pick->seen) != 0)
		return;
	pick->dag_id.len = pick->run_id.len = pick->task_id.len = 0;
	mr_buf_str(&pick->dag_id, run->dag_id);
	mr_buf_str(&pick->run_id, run->run_id);
	mr_buf_str(&pick->task_id, task->task_id);
}

/* From now on it may run again. */
static void forget_ends(struct world *w, mr_str run_id)
{
	for (size_t i = 0; i < w->order.len; i++) {
		struct mr_buf name = {0};
		if (mr_str_eq(w->order.items[i]->try->run.run_id, run_id)) {
			w->order.items[i]->touched = true;
			name_of(w->order.items[i]->try, &name);
			mr_map_remove(&w->succeeded, mr_buf_view(&name));
			mr_map_remove(&w->left, mr_buf_view(&name));
		}
		mr_buf_release(&name);
	}
}

static void touch_one(struct world *w)
{
	static const enum task_state ends[] = {TASK_SUCCESS, TASK_FAILED, TASK_SKIPPED};
	struct pick pick = {.w = w};
	struct mr_error err;
	size_t count = 0;
	core_each(w->core, pick_one, &pick);
	if (pick.seen) {
		mr_str task_id = mr_buf_view(&pick.task_id);
		struct core_select what = {.dag_id = mr_buf_view(&pick.dag_id),
					   .run_id = mr_buf_view(&pick.run_id),
					   .task_ids = &task_id,
					   .task_count = chance(w, 4) != 0,
					   .map_index = -1,
					   .downstream = chance(w, 2),
					   .who = MR_STR("sim")};
		uint64_t deed = chance(w, 8);
		forget_ends(w, what.run_id);
		if (deed < 5)
			CHECK_OK(core_clear(w->core, &what, &count, &err), err);
		else if (deed < 7)
			CHECK_OK(core_mark(w->core, &what, ends[chance(w, 3)], &count, &err), err);
		else
			CHECK_OK(core_mark_run(w->core, what.dag_id, what.run_id,
					       chance(w, 2) ? RUN_SUCCESS : RUN_FAILED, MR_STR("sim"), &err),
				 err);
	}
	mr_buf_release(&pick.dag_id);
	mr_buf_release(&pick.run_id);
	mr_buf_release(&pick.task_id);
}

static void trigger(struct world *w)
{
	char run_id[32];
	struct mr_error err;
	snprintf(run_id, sizeof run_id, "trigger-%d", w->triggers);
	struct core_trigger what = {.dag_id = MR_STR("asked"),
				    .run_id = mr_str_from(run_id),
				    .logical_date_us = NO_TIME,
				    .who = MR_STR("sim")};
	if (w->triggers == TRIGGERS_MAX)
		return;
	w->trigger_is[w->triggers++] = ASKED;
	CHECK_OK(core_trigger(w->core, &what, NULL, &err), err);
	CHECK_INT(core_trigger(w->core, &what, NULL, &err), MR_ERR_EXISTS);
}

static void change_asset(struct world *w, mr_str uri)
{
	char extra[32];
	if (w->asset_events == ASSET_EVENTS_MAX)
		return;
	snprintf(extra, sizeof extra, "{\"n\":%d}", w->asset_events);
	w->asset_is[w->asset_events++] = ASKED;
	core_asset_event(w->core, uri, mr_str_from(extra), -1);
}

static void act(struct world *w)
{
	if (chance(w, 20) == 0)
		trigger(w);
	if (chance(w, 12) == 0)
		change_asset(w, chance(w, 2) ? MR_STR("x://a") : MR_STR("x://b"));
	if (chance(w, 8) == 0)
		touch_one(w);
	if (chance(w, 80) == 0)
		w->store_back_us = w->mono_us + (int64_t)chance(w, 600) * SECOND_US;
}

/* ---- what must be true ---- */

static void ask(struct world *w, const char *sql, mr_str param, struct mr_buf *out)
{
	struct mr_error err;
	CHECK_OK(w->store->ops->query(w->store, sql, &param, param.len ? 1 : 0, out, &err), err);
	mr_buf_char(out, '\0');
}

static bool all_done(struct world *w)
{
	struct mr_buf text = {0};
	ask(w, "SELECT count(*) AS n FROM dag_run WHERE state NOT IN ('success', 'failed')", MR_STR(""),
	    &text);
	bool done = !w->held && strcmp(text.ptr, "{\"n\":0}\n") == 0;
	mr_buf_release(&text);
	return done;
}

static void expect(struct world *w, const char *what, const char *sql, mr_str param, int low, int high)
{
	struct mr_buf text = {0};
	ask(w, sql, param, &text);
	int n = -1;
	CHECK(sscanf(text.ptr, "{\"n\":%d}", &n) == 1);
	if (n < low || n > high) {
		struct mr_buf detail = {0};
		mr_buf_printf(&detail, "%.*s: %d, expected %d to %d", MR_FMT(param), n, low, high);
		fail(w, what, detail.ptr);
	}
	mr_buf_release(&text);
}

static void check_end(struct world *w)
{
	char key[32];
	expect(w, "instances of ended runs that did not end",
	       "SELECT count(*) AS n FROM task_instance WHERE state IN ('scheduled', 'queued', 'running', "
	       "'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule', 'none')",
	       MR_STR(""), 0, 0);
	for (int i = 0; i < w->triggers; i++) {
		snprintf(key, sizeof key, "trigger-%d", i);
		expect(w, "runs of a trigger", "SELECT count(*) AS n FROM dag_run WHERE run_id = ?1",
		       mr_str_from(key), w->trigger_is[i] == DURABLE, w->trigger_is[i] == DURABLE);
	}
	for (int i = 0; i < w->asset_events; i++) {
		int want = w->asset_is[i] == DURABLE;
		snprintf(key, sizeof key, "%%\"n\":%d}%%", i);
		expect(
		    w, "runs for an asset event",
		    "SELECT (SELECT count(*) FROM dag_run WHERE dag_id = 'fed' AND asset_events LIKE ?1) + "
		    "(SELECT count(*) FROM asset_dag_run_queue WHERE extra LIKE ?1) AS n",
		    mr_str_from(key), want, want);
	}
	expect(w, "assets that wait although all have changed",
	       "SELECT count(DISTINCT uri) AS n FROM asset_dag_run_queue", MR_STR(""), 0, 1);
}

/* ---- the run ---- */

static void put_instance(void *arg, const struct store_run *run, const struct store_task *task)
{
	if (!task_state_done(task->state))
		mr_buf_printf(arg, "\n  %.*s (%s) %.*s %s try %d poke %d", MR_FMT(run->run_id),
			      run_state_name(run->state), MR_FMT(task->task_id), task_state_name(task->state),
			      task->try_number, task->poke);
}

static void step(struct world *w, bool busy)
{
	int64_t us = (int64_t)chance(w, 20) * SECOND_US;
	w->wall_us += us;
	w->mono_us += us;
	if (busy)
		act(w);
	if (chance(w, 6) == 0)
		core_event(w->core, MR_STR("bell"), MR_STR("{}"));
	tell(w);
	turn(w);
}

static void release(struct world *w)
{
	store_batch_free(w->held);
	core_free(w->core);
	for (size_t i = 0; i < w->order.len; i++) {
		dag_try_unref(w->order.items[i]->try);
		free(w->order.items[i]);
	}
	mr_vec_release(&w->order);
	mr_map_release(&w->jobs);
	mr_map_release(&w->succeeded);
	mr_map_release(&w->left);
	w->store->ops->free(w->store);
	dag_set_release(&w->set);
}

static void run_world(uint64_t seed)
{
	struct world w = {.seed = seed};
	struct mr_error err;
	bool done = false;
	rng_seed(&w.rng, seed);
	w.crashes = chance(&w, 2);
	w.losses = chance(&w, 2);
	CHECK(civil_parse(MR_STR("2026-03-29T00:30:00Z"), NULL, &w.wall_us));
	make_dags(&w);
	CHECK_OK(store_sqlite_open(":memory:", &w.store, &err), err);
	start_scheduler(&w);
	for (int i = 0; i < BUSY_STEPS; i++)
		step(&w, true);
	w.crashes = false;
	w.store_back_us = 0;
	for (int i = 0; i < STEPS_MAX && !done; i++) {
		step(&w, false);
		done = i % 20 == 0 && i && all_done(&w);
	}
	if (!done) {
		struct mr_buf text = {0};
		core_each(w.core, put_instance, &text);
		mr_buf_char(&text, '\0');
		fail(&w, "not at its end", text.ptr);
	}
	check_end(&w);
	release(&w);
}

TEST(dag_scheduler_survives_people)
{
	const char *one = getenv("MR_DAG_SEED");
	if (one) {
		run_world(strtoull(one, NULL, 10));
		return;
	}
	int rounds = test_rounds(60);
	for (int seed = 1; seed <= rounds; seed++) {
		run_world((uint64_t)seed);
		test_progress("scheduler seeds", seed, rounds);
	}
}
