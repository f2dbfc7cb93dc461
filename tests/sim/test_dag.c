/* tests/sim/test_dag.c - the scheduler against chance: random DAGs, tasks that fail, executors that lose
 * them, a clock that jumps, a scheduler that dies between any two steps. From a seed.
 *
 * What must hold at the end and all the way:
 *   - no try runs twice at once, and none runs again that has ended well
 *   - pools and limits are never exceeded
 *   - every run ends, and every end state is what the trigger rule says of the states above it
 *   - every date of the schedule has exactly one run
 */
#include "test.h"

#include "base/buf.h"
#include "base/map.h"
#include "dag/civil.h"
#include "dag/core.h"
#include "dag/timetable.h"
#include "env/env.h"

#include <stdlib.h>

#define MINUTE_US (60 * SECOND_US)
#define PERIOD_US (10 * MINUTE_US)
#define SLOTS 3
#define RUNS 4

enum job_state { JOB_RUNNING, JOB_ENDED, JOB_LOST };

/* What the executor knows of a try; it outlives the scheduler. */
struct job {
	struct dag_try *try;
	enum job_state state;
	int64_t ends_us; /* mono */
	bool told, started_told;
};

struct world {
	uint64_t seed;
	struct mr_rng rng;
	struct dag_store *store;
	struct dag_set set;
	struct core *core;
	struct mr_map jobs;
	MR_VEC(struct job *) order;
	int64_t wall_us, mono_us, off_us;
	struct mr_map succeeded; /* run/task/map: ended well once */
	bool crashes, jumps, losses;
};

static void fail(struct world *w, const char *what, const char *detail)
{
	test_fail(__FILE__, __LINE__, "seed %llu: %s %s", (unsigned long long)w->seed, what, detail);
}

static uint64_t chance(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

/* ---- a DAG ---- */

static void put_task(struct world *w, struct mr_buf *out, int i)
{
	static const char *const rules[] = {"all_success", "all_success",
					    "all_success", "all_done",
					    "one_success", "one_failed",
					    "none_failed", "none_skipped",
					    "all_failed",  "none_failed_min_one_success",
					    "one_done",    "all_done_min_one_success"};
	bool empty = chance(w, 5) == 0;
	mr_buf_printf(out, "    t%d: {operator: %s, trigger_rule: %s, retries: %d, retry_delay: 30", i,
		      empty ? "EmptyOperator" : "BashOperator, bash_command: x",
		      rules[chance(w, MR_COUNT(rules))], (int)chance(w, 3));
	if (chance(w, 2))
		mr_buf_cstr(out, ", pool: small");
	if (chance(w, 4) == 0)
		mr_buf_cstr(out, ", max_active_tis_per_dag: 1");
	if (chance(w, 6) == 0)
		mr_buf_cstr(out, ", depends_on_past: true");
	mr_buf_cstr(out, ", dependencies: [");
	bool any = false;
	for (int up = 0; up < i; up++) {
		if (chance(w, (uint64_t)i + 1) > 1)
			continue;
		mr_buf_printf(out, "%st%d", any ? ", " : "", up);
		any = true;
	}
	mr_buf_cstr(out, "]}\n");
}

static void make_dag(struct world *w)
{
	struct mr_buf text = {0};
	struct dag_load_options options = {.disk = env_linux()->disk};
	mr_buf_printf(
	    &text,
	    "pools: {small: %d}\nd:\n  schedule: '*/10 * * * *'\n  start_date: 2026-03-29\n  timezone: "
	    "Europe/Berlin\n  catchup: true\n  max_active_runs: %d\n  max_active_tasks: %d\n  tasks:\n",
	    SLOTS, 1 + (int)chance(w, 3), 2 + (int)chance(w, 4));
	int n = 2 + (int)chance(w, 8);
	for (int i = 0; i < n; i++)
		put_task(w, &text, i);
	if (chance(w, 2))
		mr_buf_printf(
		    &text,
		    "    m: {operator: BashOperator, expand: {bash_command: [a, b, c]}, dependencies: [t0], "
		    "max_active_tis_per_dagrun: 2}\n    z: {operator: EmptyOperator, trigger_rule: all_done, "
		    "dependencies: [m]}\n");
	dag_load_text(&options, "d.yml", mr_buf_view(&text), &w->set);
	dag_set_finish(&options, &w->set);
	if (w->set.faults.len)
		fail(w, w->set.faults.items[0].error.message, text.ptr);
	mr_buf_release(&text);
}

/* ---- the executor ---- */

/* The outcome of a try is a function of what it is, so that a second attempt at the same try would
 * come to the same end. */
static enum dag_outcome outcome_of(const struct world *w, const struct dag_try *try)
{
	struct mr_buf key = {0};
	mr_buf_printf(&key, "%llu/%lld/%.*s/%d/%d", (unsigned long long)w->seed, (long long)try->run_no,
		      MR_FMT(try->task->id), try->map_index, try->try_number);
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (uint8_t)key.ptr[i]) * 1099511628211u;
	mr_buf_release(&key);
	h ^= h >> 29;
	return h % 10 < 6   ? DAG_SUCCEEDED
	       : h % 10 < 8 ? DAG_FAILED
	       : h % 10 < 9 ? DAG_SKIPPED
			    : DAG_FAILED_FINAL;
}

static mr_str name_of(const struct dag_try *try, struct mr_buf *out)
{
	mr_buf_printf(out, "%lld/%.*s/%d", (long long)try->run_no, MR_FMT(try->task->id), try->map_index);
	return mr_buf_view(out);
}

static void check_limits(struct world *w)
{
	int32_t pool = 0, of_run[64] = {0};
	for (size_t i = 0; i < w->order.len; i++) {
		const struct job *job = w->order.items[i];
		if (job->state != JOB_RUNNING)
			continue;
		pool += mr_str_is(job->try->task->pool, "small");
		int32_t tis = 0, in_run = 0;
		for (size_t j = 0; j < w->order.len; j++) {
			const struct job *other = w->order.items[j];
			if (other->state != JOB_RUNNING)
				continue;
			bool same_task = other->try->task->index == job->try->task->index;
			tis += same_task;
			in_run += same_task && other->try->run_no == job->try->run_no;
			if (i != j && same_task && other->try->run_no == job->try->run_no &&
			    other->try->map_index == job->try->map_index)
				fail(w, "runs twice at once:", job->try->task->id.ptr);
		}
		const struct dag_task *task = job->try->task;
		if (task->max_active_tis_per_dag && tis > task->max_active_tis_per_dag)
			fail(w, "max_active_tis_per_dag exceeded", task->id.ptr);
		if (task->max_active_tis_per_dagrun && in_run > task->max_active_tis_per_dagrun)
			fail(w, "max_active_tis_per_dagrun exceeded", task->id.ptr);
		if (++of_run[job->try->run_no % 64] > job->try->dag->max_active_tasks)
			fail(w, "max_active_tasks exceeded", "");
	}
	if (pool > SLOTS)
		fail(w, "pool exceeded", "");
}

static void submit(struct world *w, struct dag_try *try)
{
	struct mr_buf name = {0};
	if (mr_map_get(&w->jobs, mr_str_from(try->id)))
		return; /* it is known: as executors must */
	struct job *job = mr_calloc(1, sizeof *job);
	job->try = dag_try_ref(try);
	job->ends_us = w->mono_us + (int64_t)chance(w, 40) * SECOND_US;
	if (w->losses && chance(w, 12) == 0) {
		job->state = JOB_LOST;
	} else if (mr_map_get(&w->succeeded, name_of(try, &name))) {
		fail(w, "ran again after it had ended well:", name.ptr);
	}
	mr_map_put(&w->jobs, mr_str_from(try->id), job);
	mr_vec_push(&w->order, job);
	mr_buf_release(&name);
	check_limits(w);
}

static void end_jobs(struct world *w)
{
	for (size_t i = 0; i < w->order.len; i++) {
		struct job *job = w->order.items[i];
		struct mr_buf name = {0};
		if (job->state != JOB_RUNNING || job->ends_us > w->mono_us)
			continue;
		job->state = JOB_ENDED;
		if (outcome_of(w, job->try) == DAG_SUCCEEDED)
			mr_map_put(&w->succeeded, name_of(job->try, &name), job);
		mr_buf_release(&name);
	}
}

/* Tell the scheduler what it has not been told; reports come in any order of tasks. */
static void tell(struct world *w)
{
	for (size_t i = 0; i < w->order.len; i++) {
		struct job *job = w->order.items[i];
		struct dag_report report = {.id = job->try->id, .at_us = NO_TIME, .until_us = NO_TIME};
		if (job->told || chance(w, 4) == 0)
			continue;
		if (job->state == JOB_RUNNING && !job->started_told) {
			report.kind = DAG_REPORT_STARTED;
			job->started_told = true;
			core_report(w->core, &report);
		} else if (job->state == JOB_LOST) {
			report.kind = DAG_REPORT_LOST;
			job->told = true;
			core_report(w->core, &report);
		} else if (job->state == JOB_ENDED) {
			report.kind = DAG_REPORT_FINISHED;
			report.outcome = outcome_of(w, job->try);
			job->told = true;
			core_report(w->core, &report);
			if (chance(w, 8) == 0)
				core_report(w->core, &report); /* twice: nothing more */
		}
	}
}

/* ---- the scheduler, which may die ---- */

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

static bool dies(struct world *w)
{
	if (!w->crashes || chance(w, 60) != 0)
		return false;
	core_free(w->core);
	w->core = NULL;
	return true;
}

/* One batch: written, then acted on; a death anywhere in between. */
static void turn(struct world *w)
{
	core_turn(w->core, w->wall_us, w->mono_us);
	struct store_batch *batch = core_take_batch(w->core);
	struct mr_error err;
	if (!batch)
		return;
	bool dead = dies(w);
	if (!dead) {
		CHECK_OK(w->store->ops->apply(w->store, batch, &err), err);
		for (size_t i = 0; !dead && i < batch->submits.len; i++) {
			dead = dies(w);
			if (!dead)
				submit(w, batch->submits.items[i]);
		}
	}
	store_batch_free(batch);
	if (!w->core)
		start_scheduler(w);
}

/* ---- what must be true ---- */

static int32_t count_state(const struct dag *dag, const char *rows, int32_t task, const char *state)
{
	struct mr_buf want = {0};
	int32_t n = 0;
	mr_buf_printf(&want, " %.*s=%s ", MR_FMT(dag->tasks[task].id), state);
	for (const char *at = rows; (at = strstr(at, want.ptr)); at++)
		n++;
	mr_buf_release(&want);
	return n;
}

/* rows: " t0=success  t1=failed " of one run. */
static void check_states(struct world *w, const struct dag *dag, const char *rows)
{
	static const char *const words[] = {"success", "skipped", "failed", "upstream_failed", "removed"};
	for (size_t t = 0; t < dag->task_count; t++) {
		const struct dag_task *task = &dag->tasks[t];
		struct upstream_counts up = {0};
		for (size_t u = 0; u < task->upstream.count; u++) {
			int32_t *const to[] = {&up.success, &up.skipped, &up.failed, &up.upstream_failed,
					       &up.removed};
			for (size_t s = 0; s < MR_COUNT(words); s++) {
				int32_t n = count_state(dag, rows, task->upstream.items[u], words[s]);
				*to[s] += n;
				up.total += n;
			}
		}
		enum rule_verdict verdict = trigger_rule_verdict(task->trigger_rule, &up, -1);
		int32_t unran = count_state(dag, rows, (int32_t)t, "upstream_failed");
		int32_t failed_one = count_state(dag, rows, (int32_t)t, "failed");
		int32_t skipped = count_state(dag, rows, (int32_t)t, "skipped");
		/* Whichever came first of a skip and a failure above decides all_success. */
		bool either =
		    task->trigger_rule == RULE_ALL_SUCCESS && up.skipped && up.failed + up.upstream_failed;
		bool ok = verdict == RULE_RUN             ? unran == 0
			  : either                        ? unran + skipped > 0
			  : verdict == RULE_UPSTREAM_FAIL ? unran > 0
			  : verdict == RULE_SKIP          ? skipped > 0 && failed_one + unran == 0
							  : false;
		if (!ok) {
			struct mr_buf detail = {0};
			mr_buf_printf(&detail, "%s (%s says %s) in%s", task->id.ptr,
				      trigger_rule_name(task->trigger_rule), rule_verdict_name(verdict),
				      rows);
			fail(w, "wrong end state of", detail.ptr);
		}
	}
}

static char *field(const char *line, const char *name)
{
	struct mr_buf key = {0};
	mr_buf_printf(&key, "\"%s\":\"", name);
	const char *at = strstr(line, key.ptr);
	CHECK(at);
	at += key.len;
	mr_buf_release(&key);
	return mr_strndup(mr_str_n(at, strcspn(at, "\"")));
}

static void check_end(struct world *w)
{
	struct mr_buf lines = {0}, dates = {0};
	struct mr_error err;
	CHECK_OK(w->store->ops->query(
		     w->store,
		     "SELECT state, (SELECT group_concat(' ' || task_id || '=' || state || ' ', '') FROM "
		     "task_instance t WHERE t.run_no = r.run_no) AS tasks FROM dag_run r ORDER BY run_after",
		     NULL, 0, &lines, &err),
		 err);
	CHECK_OK(w->store->ops->query(
		     w->store,
		     "SELECT count(*) AS runs, count(DISTINCT run_after) AS dates, (max(run_after) - "
		     "min(run_after)) / 600000000 + 1 AS span FROM dag_run",
		     NULL, 0, &dates, &err),
		 err);
	char want[100];
	snprintf(want, sizeof want, "{\"runs\":%d,\"dates\":%d,\"span\":%d}\n", RUNS, RUNS, RUNS);
	if (strcmp(dates.ptr, want) != 0)
		fail(w, "not one run a date:", dates.ptr);
	for (char *save, *line = strtok_r(lines.ptr, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *state = field(line, "state"), *tasks = field(line, "tasks");
		if (strcmp(state, "success") != 0 && strcmp(state, "failed") != 0)
			fail(w, "a run did not end:", line);
		if (!strstr(tasks, "=none"))
			check_states(w, w->set.dags.items[0], tasks);
		free(state);
		free(tasks);
	}
	mr_buf_release(&lines);
	mr_buf_release(&dates);
}

static bool all_done(struct world *w)
{
	struct mr_buf text = {0};
	struct mr_error err;
	CHECK_OK(w->store->ops->query(
		     w->store, "SELECT count(*) AS n FROM dag_run WHERE state IN ('success', 'failed')", NULL,
		     0, &text, &err),
		 err);
	char want[40];
	snprintf(want, sizeof want, "{\"n\":%d}\n", RUNS);
	bool done = strcmp(text.ptr, want) == 0;
	mr_buf_release(&text);
	return done;
}

static bool looks_back(const struct dag *dag)
{
	bool back = false;
	for (size_t t = 0; t < dag->task_count; t++)
		back |= dag->tasks[t].depends_on_past;
	return back;
}

static void put_instance(void *arg, const struct store_run *run, const struct store_task *task)
{
	if (!task_state_done(task->state))
		mr_buf_printf(arg, "\n  run %lld (%s) %.*s[%d] %s try %d", (long long)run->run_no,
			      run_state_name(run->state), MR_FMT(task->task_id), task->map_index,
			      task_state_name(task->state), task->try_number);
}

static void fail_stuck(struct world *w)
{
	struct mr_buf text = {0};
	char now[CIVIL_ISO_BYTES];
	mr_buf_printf(&text, "at %s", civil_iso(now, w->wall_us));
	core_each(w->core, put_instance, &text);
	fail(w, "not at its end", text.ptr);
}

/* An hour off, one way or the other, and back: never further. */
static int64_t jump_of(struct world *w)
{
	int64_t jump = w->off_us ? -w->off_us : (chance(w, 2) ? 60 : -60) * MINUTE_US;
	w->off_us += jump;
	return jump;
}

static void run_world(uint64_t seed)
{
	struct world w = {.seed = seed};
	struct mr_error err;
	rng_seed(&w.rng, seed);
	w.crashes = chance(&w, 2);
	w.jumps = chance(&w, 2);
	w.losses = chance(&w, 2);
	/* Europe/Berlin's clocks go forward on this day; dates end after RUNS of them. */
	CHECK(civil_parse(MR_STR("2026-03-29T00:30:00Z"), NULL, &w.wall_us));
	make_dag(&w);
	struct dag *dag = w.set.dags.items[0];
	dag->start_date_us = w.wall_us;
	dag->end_date_us = w.wall_us + (RUNS - 1) * PERIOD_US;
	CHECK_OK(store_sqlite_open(":memory:", &w.store, &err), err);
	start_scheduler(&w);
	bool done = false;
	for (int step = 0; step < 4000 && !done; step++) {
		int64_t us = (int64_t)chance(&w, 20) * SECOND_US;
		w.wall_us += us;
		w.mono_us += us;
		if (w.jumps && chance(&w, 50) == 0)
			w.wall_us += jump_of(&w);
		end_jobs(&w);
		tell(&w);
		turn(&w);
		if (step % 20 == 0)
			done = all_done(&w);
	}
	/* A run may wait for ever on a failure of the run before it: that is what depends_on_past asks. */
	if (!done && !(looks_back(dag) && !core_counts(w.core).active))
		fail_stuck(&w);
	if (done)
		check_end(&w);
	core_free(w.core);
	for (size_t i = 0; i < w.order.len; i++) {
		dag_try_unref(w.order.items[i]->try);
		free(w.order.items[i]);
	}
	mr_vec_release(&w.order);
	mr_map_release(&w.jobs);
	mr_map_release(&w.succeeded);
	w.store->ops->free(w.store);
	dag_set_release(&w.set);
}

TEST(dag_scheduler_survives_chance)
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
