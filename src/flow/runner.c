#include "flow/runner.h"

#include "base/mem.h"
#include "flow/batch.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define BACKOFF_MS_FIRST 500
#define BACKOFF_MS_MOST 30000

struct running_flow {
	struct runner *runner;
	struct catalog_entry *entry;
	struct sql_conn *conn;
	pthread_t thread;
	bool started;
	bool moved; /* a source has a new version */
	int64_t backoff_ms;
	struct flow_memory memory; /* of this run */
	struct flow_status status;
};

struct runner {
	struct runner_options options;
	struct running_flow *flows;
	size_t count;
	pthread_mutex_t lock; /* over every flow's `moved` and `status`, and `stopping` */
	pthread_cond_t changed;
	bool stopping;
};

const char *flow_state_name(enum flow_state state)
{
	static const char *const names[] = {"idle", "running", "failed", "stopped"};
	return names[state];
}

int runner_new(const struct runner_options *options, struct runner **out, struct mr_error *err)
{
	struct catalog_entry *const *entries;
	size_t entry_count = catalog_entries(options->catalog, &entries);
	struct runner *runner = mr_calloc(1, sizeof *runner);
	runner->options = *options;
	runner->flows = mr_calloc(entry_count, sizeof *runner->flows);
	pthread_mutex_init(&runner->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&runner->changed, &attr);
	pthread_condattr_destroy(&attr);
	int rc = 0;
	for (size_t i = 0; i < entry_count && rc == 0; i++) {
		if (entries[i]->kind != CATALOG_FLOW || !entries[i]->table)
			continue;
		struct running_flow *flow = &runner->flows[runner->count++];
		flow->runner = runner;
		flow->entry = entries[i];
		flow->moved = true; /* look once at start */
		flow->status = (struct flow_status){.name = entries[i]->name,
						    .kind = entries[i]->flow->kind,
						    .state = FLOW_STOPPED,
						    .version = -1};
		rc = sql_connect(catalog_engine(options->catalog), &flow->conn, err);
	}
	if (rc < 0) {
		runner_free(runner);
		return rc;
	}
	*out = runner;
	return 0;
}

/* One batch, and what came of it into the status. Returns flow_batch's answer. */
static int run_once(struct running_flow *flow, struct mr_error *err)
{
	struct runner *runner = flow->runner;
	struct mr_clock *clock = runner->options.env->clock;
	int64_t start_us = clock_mono_us(clock);
	struct flow_batch_result result;
	int rc = flow_batch(runner->options.catalog, flow->entry, flow->conn, &flow->memory, &result, err);

	pthread_mutex_lock(&runner->lock);
	struct flow_status *status = &flow->status;
	status->state = rc < 0 ? FLOW_FAILED : FLOW_IDLE;
	if (rc < 0) {
		status->error = *err;
		flow->backoff_ms =
		    flow->backoff_ms ? mr_min_i64(flow->backoff_ms * 2, BACKOFF_MS_MOST) : BACKOFF_MS_FIRST;
	} else {
		status->error = (struct mr_error){0};
		flow->backoff_ms = 0;
	}
	flow->moved |= rc > 0 && result.more;
	if (rc > 0) {
		status->batches++;
		status->rows += result.rows;
		status->version = result.version;
		status->last_commit_ms = clock_wall_ms(clock);
		status->last_duration_us = clock_mono_us(clock) - start_us;
	}
	pthread_mutex_unlock(&runner->lock);
	if (rc > 0)
		runner_table_moved(runner, mr_str_from(flow->entry->name));
	return rc;
}

/* Wait, with the lock held, until `until_us` or a stop; a move only ends the wait when asked. */
static void wait_locked(struct running_flow *flow, int64_t until_us, bool for_move)
{
	struct runner *runner = flow->runner;
	struct timespec until = {until_us / 1000000, (until_us % 1000000) * 1000};
	while (!runner->stopping && !(for_move && flow->moved)) {
		if (until_us < 0)
			pthread_cond_wait(&runner->changed, &runner->lock);
		else if (pthread_cond_timedwait(&runner->changed, &runner->lock, &until) != 0)
			return;
	}
}

static void *flow_thread(void *arg)
{
	struct running_flow *flow = arg;
	struct runner *runner = flow->runner;
	struct mr_clock *clock = runner->options.env->clock;
	int64_t every_ms = flow->entry->flow->kind == FLOW_MATERIALIZED_VIEW
			       ? runner->options.materialize_every_ms
			       : runner->options.stream_every_ms;
	pthread_mutex_lock(&runner->lock);
	for (;;) {
		if (!flow->backoff_ms)
			wait_locked(flow, -1, true);
		if (runner->stopping)
			break;
		flow->moved = false;
		flow->status.state = FLOW_RUNNING;
		pthread_mutex_unlock(&runner->lock);

		int64_t start_us = clock_mono_us(clock);
		struct mr_error err;
		int rc = run_once(flow, &err);
		/* A view that takes long to recompute rests as long as it worked, so that it
		 * never takes more than half a core. */
		int64_t took_us = clock_mono_us(clock) - start_us;
		int64_t rest_us =
		    rc < 0 ? flow->backoff_ms * 1000 : mr_max_i64(every_ms * 1000 - took_us, took_us);

		pthread_mutex_lock(&runner->lock);
		wait_locked(flow, clock_mono_us(clock) + rest_us, false);
	}
	flow->status.state = FLOW_STOPPED;
	pthread_mutex_unlock(&runner->lock);
	return NULL;
}

void runner_start(struct runner *runner)
{
	runner->stopping = false;
	for (size_t i = 0; i < runner->count; i++) {
		struct running_flow *flow = &runner->flows[i];
		flow->status.state = FLOW_IDLE;
		flow->moved = true;
		flow_memory_release(&flow->memory);
		int rc = pthread_create(&flow->thread, NULL, flow_thread, flow);
		MR_ASSERT(rc == 0);
		flow->started = true;
	}
}

void runner_stop(struct runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	runner->stopping = true;
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
	for (size_t i = 0; i < runner->count; i++) {
		if (runner->flows[i].started)
			pthread_join(runner->flows[i].thread, NULL);
		runner->flows[i].started = false;
	}
}

void runner_free(struct runner *runner)
{
	if (!runner)
		return;
	runner_stop(runner);
	for (size_t i = 0; i < runner->count; i++)
		sql_disconnect(runner->flows[i].conn);
	for (size_t i = 0; i < runner->count; i++)
		flow_memory_release(&runner->flows[i].memory);
	pthread_cond_destroy(&runner->changed);
	pthread_mutex_destroy(&runner->lock);
	free(runner->flows);
	free(runner);
}

/* Itself, or through temporary views. */
static bool flow_reads(struct catalog *catalog, const struct flow *flow, mr_str table)
{
	for (size_t i = 0; i < flow->source_count; i++) {
		if (mr_str_eq(flow->sources[i].name, table))
			return true;
		struct catalog_entry *view = catalog_find(catalog, flow->sources[i].name);
		if (view && view->kind == CATALOG_FLOW && !view->table &&
		    flow_reads(catalog, view->flow, table))
			return true;
	}
	return false;
}

void runner_table_moved(struct runner *runner, mr_str table)
{
	pthread_mutex_lock(&runner->lock);
	for (size_t i = 0; i < runner->count; i++) {
		if (flow_reads(runner->options.catalog, runner->flows[i].entry->flow, table))
			runner->flows[i].moved = true;
	}
	pthread_cond_broadcast(&runner->changed);
	pthread_mutex_unlock(&runner->lock);
}

int runner_drain(struct runner *runner, struct mr_error *err)
{
	/* In dependency order one pass is enough for a table, but a batch may be bounded. */
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < runner->count; i++) {
			int rc = run_once(&runner->flows[i], err);
			if (rc < 0)
				return rc;
			again |= rc > 0;
		}
	}
	return 0;
}

size_t runner_flow_count(const struct runner *runner)
{
	return runner->count;
}

size_t runner_status(struct runner *runner, struct flow_status *out, size_t max)
{
	pthread_mutex_lock(&runner->lock);
	size_t n = mr_min_size(max, runner->count);
	for (size_t i = 0; i < n; i++)
		out[i] = runner->flows[i].status;
	pthread_mutex_unlock(&runner->lock);
	return n;
}
