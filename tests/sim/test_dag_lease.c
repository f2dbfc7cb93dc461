/* tests/sim/test_dag_lease.c - servers that share a store, against chance: each sleeps at any step, for
 * longer than the lease, dies and comes back, is cut off from the store; wall clocks jump. From a seed.
 *
 * What must hold all the way:
 *   - no two tries of an instance run at once, on whichever server, and no try starts twice
 *   - a batch of a server that was replaced is refused
 * and once it is quiet: every run ends, every date has one, and a task that ended well in the store has not
 * been started after that.
 */
#include "test.h"

#include "base/buf.h"
#include "base/map.h"
#include "dag/civil.h"
#include "dag/core.h"
#include "dag/lease.h"
#include "env/env.h"

#include <stdlib.h>

#define SERVERS 3
#define RUNS 3
static const struct lease_terms terms = {10 * SECOND_US, 90 * SECOND_US};
#define STEPS 3000
#define QUIET_STEPS 60000 /* a retry that was due when a clock was an hour off is waited for */

enum job_state { JOB_RUNNING, JOB_ENDED, JOB_KILLED };

struct job { /* of a keeper; it outlives the server */
	struct dag_try *try;
	enum job_state state;
	int64_t ends_us;
	bool told, started_told;
};

/* Where in its loop a server is: it may fall asleep between any two. */
enum phase { TURN, APPLY, ACT, BEAT, ANSWERED };

struct server {
	int number;
	char who[16];
	/* Its keeper. */
	MR_VEC(struct job *) jobs;
	int64_t kept_until_us; /* 0: no lease */
	/* The process; gone: all of it is lost. */
	bool up, leads;
	int64_t asleep_until_us, cut_until_us, back_us;
	struct core *core;
	struct lease_watch watch;
	struct store_leader seen;
	bool claims; /* has looked, and will claim what it saw */
	uint64_t epoch;
	struct lease_hold hold;
	int64_t next_us;
	bool asked;
	int64_t asked_us, attended;
	enum phase phase;
	struct store_batch *batch;
	size_t acted;
	bool may; /* it looked at its clock, and will start a try */
};

struct world {
	uint64_t seed;
	struct mr_rng rng;
	struct dag_store *store;
	struct dag_set set;
	struct server servers[SERVERS];
	int64_t wall_us, mono_us, off_us;
	struct mr_map started, ended_well; /* tries; instances whose success is in the store */
	uint64_t claims, refusals, kills, alone;
	bool quiet;
	bool lonely; /* who is away is so for long */
};

static void fail(struct world *w, const char *what, const char *detail)
{
	test_fail(__FILE__, __LINE__, "seed %llu: %s %s", (unsigned long long)w->seed, what, detail);
}

static uint64_t chance(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

static mr_str instance_of(const struct dag_try *try, struct mr_buf *out)
{
	mr_buf_printf(out, "%lld/%.*s", (long long)try->run_no, MR_FMT(try->task->id));
	return mr_buf_view(out);
}

/* ---- the keepers ---- */

static void check_alone(struct world *w, const struct dag_try *try)
{
	for (int s = 0; s < SERVERS; s++) {
		for (size_t i = 0; i < w->servers[s].jobs.len; i++) {
			const struct job *job = w->servers[s].jobs.items[i];
			if (job->state == JOB_RUNNING && job->try->run_no == try->run_no &&
			    mr_str_eq(job->try->task->id, try->task->id))
				fail(w, "two tries at once:", job->try->task->id.ptr);
		}
	}
}

static struct job *find_job(struct server *s, const char *id)
{
	for (size_t i = 0; i < s->jobs.len; i++) {
		if (strcmp(s->jobs.items[i]->try->id, id) == 0)
			return s->jobs.items[i];
	}
	return NULL;
}

static bool lease_over(const struct world *w, const struct server *s)
{
	return s->kept_until_us && w->mono_us >= s->kept_until_us;
}

static void report(struct server *s, const char *id, enum dag_report_kind kind, enum dag_outcome outcome)
{
	struct dag_report report = {
	    .kind = kind, .id = id, .at_us = NO_TIME, .until_us = NO_TIME, .outcome = outcome};
	core_report(s->core, &report);
}

static void start_job(struct world *w, struct server *s, struct dag_try *try)
{
	struct mr_buf name = {0};
	if (find_job(s, try->id))
		return;
	if (lease_over(w, s)) {
		report(s, try->id, DAG_REPORT_LOST, 0);
		return;
	}
	mr_buf_printf(&name, "%lld/%.*s/%d", (long long)try->run_no, MR_FMT(try->task->id), try->try_number);
	if (mr_map_put(&w->started, mr_buf_view(&name), w))
		fail(w, "a try starts twice:", name.ptr);
	mr_buf_clear(&name);
	if (mr_map_get(&w->ended_well, instance_of(try, &name)))
		fail(w, "runs again after it ended well in the store:", name.ptr);
	mr_buf_release(&name);
	check_alone(w, try);
	struct job *job = mr_calloc(1, sizeof *job);
	job->try = dag_try_ref(try);
	job->ends_us = w->mono_us + (int64_t)(1 + chance(w, w->lonely ? 60 : 15)) * SECOND_US;
	mr_vec_push(&s->jobs, job);
}

/* The keeper never sleeps here: a machine that does has its tasks asleep too. */
static void keep(struct world *w, struct server *s)
{
	for (size_t i = 0; i < s->jobs.len; i++) {
		struct job *job = s->jobs.items[i];
		if (job->state != JOB_RUNNING)
			continue;
		if (job->ends_us <= w->mono_us) {
			job->state = JOB_ENDED;
		} else if (lease_over(w, s)) {
			job->state = JOB_KILLED;
			w->kills++;
		}
	}
}

static void tell(struct world *w, struct server *s)
{
	for (size_t i = 0; i < s->jobs.len; i++) {
		struct job *job = s->jobs.items[i];
		if (job->told || chance(w, 3) == 0)
			continue;
		if (job->state == JOB_RUNNING) {
			if (!job->started_told)
				report(s, job->try->id, DAG_REPORT_STARTED, 0);
			job->started_told = true;
			continue;
		}
		job->told = true;
		bool well = job->state == JOB_ENDED && job->try->id[0] % 4 != 0;
		report(s, job->try->id, DAG_REPORT_FINISHED, well ? DAG_SUCCEEDED : DAG_FAILED);
	}
}

/* ---- a server ---- */

static void forget(struct server *s)
{
	core_free(s->core);
	store_batch_free(s->batch);
	s->core = NULL;
	s->batch = NULL;
	s->leads = s->claims = s->may = s->asked = false;
	s->watch.any = false;
	s->phase = TURN;
}

/* In its senses: it stops its tasks itself. */
static void step_down(struct world *w, struct server *s)
{
	s->kept_until_us = 1;
	keep(w, s);
	forget(s);
}

static void take_over(struct world *w, struct server *s)
{
	struct core_options options = {.store = w->store,
				       .rng = &w->rng,
				       .load = {.disk = env_linux()->disk},
				       .parallelism = 4,
				       .hostname = mr_str_from(s->who),
				       .seen = &s->seen};
	struct mr_error err;
	int64_t from = w->mono_us;
	int rc = core_new(&options, w->wall_us, w->mono_us, &s->core, &err);
	if (rc == 1)
		return;
	CHECK_OK(rc, err);
	w->claims++;
	s->leads = true;
	s->epoch = core_epoch(s->core);
	s->hold = lease_held(from, &terms);
	s->kept_until_us = s->hold.until_us;
	s->next_us = from + lease_beat_us(&terms);
	core_set_dags(s->core, &w->set);
	struct dag_try **tries;
	size_t n = core_reattach(s->core, &tries);
	for (size_t i = 0; i < n; i++) {
		struct job *job = find_job(s, tries[i]->id);
		if (job)
			job->told = job->started_told = false;
		else
			report(s, tries[i]->id, DAG_REPORT_LOST, 0);
	}
	free(tries);
}

static void stand_by(struct world *w, struct server *s, bool cut)
{
	struct mr_error err;
	if (s->claims) {
		s->claims = false;
		if (!cut)
			take_over(w, s);
		return;
	}
	if (w->mono_us < s->next_us)
		return;
	s->next_us = w->mono_us + lease_beat_us(&terms);
	if (cut) {
		s->watch.any = false;
		return;
	}
	CHECK_OK(w->store->ops->look(w->store, &s->seen, &err), err);
	CHECK_OK(w->store->ops->attend(w->store, &err), err);
	s->claims = lease_left_us(&s->watch, &s->seen, s->who, w->mono_us, &terms) == 0;
}

static void note_written(struct world *w, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->tasks.len; i++) {
		const struct store_task *task = &batch->tasks.items[i];
		struct mr_buf name = {0};
		mr_buf_printf(&name, "%lld/%.*s", (long long)task->run_no, MR_FMT(task->task_id));
		if (task->state == TASK_SUCCESS)
			mr_map_put(&w->ended_well, mr_buf_view(&name), w);
		mr_buf_release(&name);
	}
}

static void apply(struct world *w, struct server *s)
{
	struct mr_error err;
	int rc = w->store->ops->apply(w->store, s->batch, &err);
	if (rc == MR_ERR_CONFLICT) {
		w->refusals++;
		step_down(w, s);
		return;
	}
	CHECK_OK(rc, err);
	note_written(w, s->batch);
	/* Its answer may be lost: then it comes again. */
	if (chance(w, 20) == 0)
		return;
	s->acted = 0;
	s->phase = ACT;
}

static void act(struct world *w, struct server *s)
{
	if (s->acted == s->batch->submits.len) {
		store_batch_free(s->batch);
		s->batch = NULL;
		s->phase = TURN;
	} else if (!s->may) {
		s->may = w->mono_us < s->hold.until_us;
	} else {
		s->may = false;
		start_job(w, s, s->batch->submits.items[s->acted++]);
	}
}

/* Its own thread: between asking and being answered it may sleep as well. */
static bool beat(struct world *w, struct server *s, bool cut)
{
	struct mr_error err;
	int rc = MR_ERR_UNAVAILABLE;
	if (w->mono_us < s->next_us)
		return true;
	s->next_us = w->mono_us + lease_beat_us(&terms);
	s->asked_us = w->mono_us;
	if (!cut)
		rc = w->store->ops->beat(w->store, s->epoch, lease_tells(&s->hold), &s->attended, &err);
	if (rc == 0) {
		s->asked = true;
		w->alone += !lease_tells(&s->hold);
		return true;
	}
	if (rc == MR_ERR_CONFLICT || w->mono_us >= s->hold.until_us) {
		step_down(w, s);
		return false;
	}
	return true;
}

static void lead(struct world *w, struct server *s, bool cut)
{
	if (s->asked) { /* the answer, perhaps long after */
		lease_beaten(&s->hold, s->asked_us, s->attended, &terms);
		s->kept_until_us = s->hold.until_us;
		s->asked = false;
	} else if ((w->quiet || chance(w, 2) == 0) && !beat(w, s, cut)) {
		return;
	}
	tell(w, s);
	if (s->phase == TURN) {
		core_turn(s->core, w->wall_us, w->mono_us);
		s->batch = core_take_batch(s->core);
		s->phase = s->batch ? APPLY : TURN;
	} else if (s->phase == APPLY && !cut) {
		apply(w, s);
	} else if (s->phase == ACT) {
		act(w, s);
	}
}

static bool is_busy(const struct server *s)
{
	bool busy = false;
	for (size_t i = 0; i < s->jobs.len; i++)
		busy |= s->jobs.items[i]->state == JOB_RUNNING;
	return busy;
}

static void mishap(struct world *w, struct server *s)
{
	int64_t us = (int64_t)chance(w, w->lonely ? 400 : 40) * SECOND_US;
	switch (chance(w, 160)) {
	case 0:
		s->asleep_until_us = w->mono_us + us;
		break;
	case 1:
		s->cut_until_us = w->mono_us + us;
		break;
	case 2:
		forget(s);
		s->up = false;
		s->back_us = w->mono_us + us;
		break;
	case 3: /* a stop, with nothing that runs on */
		if (s->leads && !is_busy(s)) {
			struct mr_error err;
			step_down(w, s);
			CHECK_OK(w->store->ops->resign(w->store, s->epoch, &err), err);
			s->up = false;
			s->back_us = w->mono_us + us;
		}
		break;
	default:
		break;
	}
}

static void step(struct world *w)
{
	int64_t us = (int64_t)chance(w, w->quiet ? 5 : 10) * SECOND_US / 10;
	w->mono_us += us;
	w->wall_us += us;
	if (w->off_us ? w->quiet || chance(w, 300) == 0 : !w->quiet && chance(w, 300) == 0) {
		int64_t jump = w->off_us ? -w->off_us : (chance(w, 2) ? 60 : -60) * INT64_C(60000000);
		w->wall_us += jump;
		w->off_us += jump;
	}
	for (int n = 0; n < SERVERS; n++)
		keep(w, &w->servers[n]);
	struct server *s = &w->servers[chance(w, SERVERS)];
	if (!w->quiet)
		mishap(w, s);
	if (!s->up && w->mono_us >= s->back_us) {
		s->up = true;
		s->next_us = 0;
	}
	if (!s->up || w->mono_us < s->asleep_until_us)
		return;
	bool cut = w->mono_us < s->cut_until_us;
	if (s->leads)
		lead(w, s, cut);
	else
		stand_by(w, s, cut);
}

/* ---- the world ---- */

static const char dag_text[] =
    "d:\n  schedule: '*/10 * * * *'\n  start_date: 2026-03-29\n  catchup: true\n  max_active_runs: 2\n"
    "  default_args: {retries: 1000, retry_delay: 1}\n  tasks:\n"
    "    a: {operator: BashOperator, bash_command: x}\n"
    "    b: {operator: BashOperator, bash_command: x, dependencies: [a]}\n"
    "    c: {operator: BashOperator, bash_command: x, dependencies: [a]}\n"
    "    e: {operator: BashOperator, bash_command: x, dependencies: [b, c]}\n";

static void make_dag(struct world *w)
{
	struct dag_load_options options = {.disk = env_linux()->disk};
	dag_load_text(&options, "d.yml", mr_str_from(dag_text), &w->set);
	dag_set_finish(&options, &w->set);
	CHECK_INT(w->set.faults.len, 0);
	struct dag *dag = w->set.dags.items[0];
	CHECK(civil_parse(MR_STR("2026-03-29T00:30:00Z"), NULL, &w->wall_us));
	dag->start_date_us = w->wall_us;
	dag->end_date_us = w->wall_us + (RUNS - 1) * 10 * INT64_C(60000000);
	w->wall_us = dag->end_date_us + 1; /* all are due at once */
}

static bool all_done(struct world *w)
{
	struct mr_buf text = {0};
	struct mr_error err;
	char want[80];
	snprintf(want, sizeof want, "{\"n\":%d,\"dates\":%d}\n", RUNS, RUNS);
	CHECK_OK(w->store->ops->query(
		     w->store,
		     "SELECT count(*) AS n, count(DISTINCT run_after) AS dates FROM dag_run WHERE "
		     "state = 'success'",
		     NULL, 0, &text, &err),
		 err);
	bool done = strcmp(text.ptr, want) == 0;
	mr_buf_release(&text);
	return done;
}

static void release(struct world *w)
{
	for (int n = 0; n < SERVERS; n++) {
		struct server *s = &w->servers[n];
		forget(s);
		for (size_t i = 0; i < s->jobs.len; i++) {
			dag_try_unref(s->jobs.items[i]->try);
			free(s->jobs.items[i]);
		}
		mr_vec_release(&s->jobs);
	}
	mr_map_release(&w->started);
	mr_map_release(&w->ended_well);
	w->store->ops->free(w->store);
	dag_set_release(&w->set);
}

struct totals {
	uint64_t claims, refusals, kills, alone;
};

static void run_world(uint64_t seed, struct totals *totals)
{
	struct world w = {.seed = seed, .mono_us = SECOND_US};
	struct mr_error err;
	rng_seed(&w.rng, seed);
	w.lonely = chance(&w, 2);
	make_dag(&w);
	CHECK_OK(store_sqlite_open(":memory:", &w.store, &err), err);
	for (int n = 0; n < SERVERS; n++) {
		w.servers[n] = (struct server){.number = n, .up = true};
		snprintf(w.servers[n].who, sizeof w.servers[n].who, "host-%d", n);
	}
	for (int i = 0; i < STEPS; i++)
		step(&w);
	w.quiet = true;
	bool done = false;
	for (int i = 0; i < QUIET_STEPS && !done; i++) {
		step(&w);
		done = i % 20 == 0 && all_done(&w);
	}
	if (!done && !all_done(&w))
		fail(&w, "not every run ended well", "");
	totals->claims += w.claims;
	totals->refusals += w.refusals;
	totals->kills += w.kills;
	totals->alone += w.alone;
	release(&w);
}

TEST(dag_servers_stand_by_for_each_other)
{
	struct totals totals = {0};
	const char *one = getenv("MR_DAG_SEED");
	int rounds = one ? 1 : test_rounds(40);
	for (int seed = 1; seed <= rounds; seed++)
		run_world(one ? strtoull(one, NULL, 10) : (uint64_t)seed, &totals);
	/* Else nothing was tested. */
	if (!one)
		CHECK(totals.claims > (uint64_t)rounds * 2 && totals.refusals > 0 &&
		      totals.kills > (uint64_t)rounds / 4 && totals.alone > (uint64_t)rounds);
}
