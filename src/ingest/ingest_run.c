/* ingest/ingest_run.c - when to commit: the runner thread, the log's news, the figures.
 *
 * The log's committer tells how far partitions got; the runner sleeps until the oldest waiting
 * record is old enough, or enough wait. It never polls: no news, no wake-up.
 */
#include "ingest/dead_letters.h"
#include "ingest/ingest_internal.h"

#include "base/log.h"
#include "log/transactions.h"

#include <time.h>

#define BACKOFF_MS_FIRST 100
#define BACKOFF_MS_MOST 10000
#define STOP_MS 2000 /* for what is committed on the way out */

static int64_t now_us(const struct ingest *ingest)
{
	return clock_mono_us(ingest->options.env->clock);
}

/* About how many records of the topic make so many bytes, by what the log holds now. */
uint64_t ingest_records_in(const struct ingest *ingest, uint64_t bytes)
{
	double records = 0, size = 0;
	int32_t count = log_topic_partition_count(ingest->topic);
	for (int32_t p = 0; p < count; p++) {
		const struct log_partition *partition = log_partition_at(ingest->topic, p);
		records += (double)(log_end_offset(partition) - log_start_offset(partition));
		size += (double)log_size_bytes(partition);
	}
	if (records <= 0 || size <= records)
		return bytes;
	return (uint64_t)((double)bytes * records / size);
}

/* ---- news ---- */

static void see_partitions(struct ingest *ingest, size_t count)
{
	while (ingest->seen.len < count)
		mr_vec_push(&ingest->seen, (struct ingest_seen){0, 0});
}

/* In the log's committer thread: short, and without a call back into the log but for the offset. */
void ingest_moved(void *arg, struct log_partition *const *moved, size_t count)
{
	struct ingest *ingest = arg;
	uint64_t news = 0;
	pthread_mutex_lock(&ingest->lock);
	for (size_t i = 0; i < count; i++) {
		if (log_partition_topic(moved[i]) != ingest->topic)
			continue;
		size_t p = (size_t)log_partition_index(moved[i]);
		int64_t stable = log_last_stable_offset(moved[i]);
		see_partitions(ingest, p + 1);
		struct ingest_seen *seen = &ingest->seen.items[p];
		if (stable > seen->stable) {
			news += (uint64_t)(stable - seen->stable);
			seen->stable = stable;
		}
	}
	bool first = news && !ingest->waiting, enough = ingest->waiting < ingest->enough;
	ingest->waiting += news;
	if (first)
		ingest->first_us = now_us(ingest);
	enough = enough && ingest->waiting >= ingest->enough;
	if (first || enough)
		pthread_cond_signal(&ingest->moved);
	pthread_mutex_unlock(&ingest->lock);
}

void ingest_note_positions(struct ingest *ingest, const struct ingest_positions *at)
{
	uint64_t enough = ingest_records_in(ingest, (uint64_t)ingest->conf.commit_bytes);
	pthread_mutex_lock(&ingest->lock);
	see_partitions(ingest, at->count);
	ingest->waiting = 0;
	for (size_t p = 0; p < at->count; p++) {
		struct ingest_seen *seen = &ingest->seen.items[p];
		seen->committed = at->items[p].from;
		/* The listener may have seen more since. */
		seen->stable = mr_max_i64(seen->stable, at->items[p].stable);
		ingest->waiting += (uint64_t)(seen->stable - seen->committed);
	}
	ingest->enough = mr_max_size(mr_min_size(enough, (uint64_t)ingest->conf.commit_rows), 1);
	ingest->first_us = ingest->step_us; /* what still waits came after the step looked */
	pthread_mutex_unlock(&ingest->lock);
}

/* ---- the runner ---- */

/* Wait on the condition for at most us; the lock is held. */
static void wait_us(struct ingest *ingest, int64_t us)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + (us % 1000000) * 1000;
	until.tv_sec += us / 1000000 + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(&ingest->moved, &ingest->lock, &until);
}

/* Returns when a commit is due or the ingest stops; the lock is held. */
static void wait_for_due(struct ingest *ingest)
{
	while (!ingest->stopping) {
		if (!ingest->waiting) {
			pthread_cond_wait(&ingest->moved, &ingest->lock);
			continue;
		}
		int64_t due = ingest->first_us + ingest->conf.commit_every_ms * 1000;
		int64_t left = due - now_us(ingest);
		if (left <= 0 || ingest->waiting >= ingest->enough)
			return;
		wait_us(ingest, left);
	}
}

/* A step failed: say so, and wait longer each time; the lock is held. */
static void back_off(struct ingest *ingest, const struct mr_error *err)
{
	struct ingest_stats *stats = &ingest->stats;
	if (stats->error.code != err->code)
		mr_log_error("ingest", err);
	stats->error = *err;
	stats->retries++;
	int64_t ms = BACKOFF_MS_FIRST;
	for (uint64_t i = 1; i < stats->retries && ms < BACKOFF_MS_MOST; i++)
		ms *= 2;
	int64_t until = now_us(ingest) + mr_min_i64(ms, BACKOFF_MS_MOST) * 1000;
	for (int64_t left; !ingest->stopping && (left = until - now_us(ingest)) > 0;)
		wait_us(ingest, left);
}

static void note_success(struct ingest *ingest, uint64_t lost_before)
{
	if (ingest->stats.retries)
		mr_info("ingest", "table %.*s: goes on after %llu tries", MR_FMT(ingest->layout->table),
			(unsigned long long)ingest->stats.retries + 1);
	if (ingest->stats.lost > lost_before)
		mr_log_error("ingest", &ingest->loss);
	ingest->stats.retries = 0;
	ingest->stats.error = (struct mr_error){0};
}

static int run_step(struct ingest *ingest)
{
	struct mr_error err = {0};
	uint64_t lost = ingest->stats.lost;
	pthread_mutex_unlock(&ingest->lock);
	int rc = ingest_step(ingest, &err);
	pthread_mutex_lock(&ingest->lock);
	if (rc < 0)
		back_off(ingest, &err);
	else
		note_success(ingest, lost);
	return rc;
}

static void *run(void *arg)
{
	struct ingest *ingest = arg;
	pthread_mutex_lock(&ingest->lock);
	/* The first step finds out what waits. */
	int rc = run_step(ingest);
	while (!ingest->stopping) {
		if (rc >= 0)
			wait_for_due(ingest);
		if (!ingest->stopping)
			rc = run_step(ingest);
	}
	int64_t until = now_us(ingest) + STOP_MS * 1000;
	do {
		rc = run_step(ingest);
	} while (rc > 0 && now_us(ingest) < until);
	pthread_mutex_unlock(&ingest->lock);
	return NULL;
}

void ingest_start(struct ingest *ingest)
{
	MR_ASSERT(!ingest->running);
	ingest->stopping = false;
	ingest->running = true;
	MR_ASSERT(pthread_create(&ingest->thread, NULL, run, ingest) == 0);
}

void ingest_stop(struct ingest *ingest)
{
	if (!ingest->running)
		return;
	pthread_mutex_lock(&ingest->lock);
	ingest->stopping = true;
	pthread_cond_signal(&ingest->moved);
	pthread_mutex_unlock(&ingest->lock);
	pthread_join(ingest->thread, NULL);
	ingest->running = false;
}

void ingest_stats(struct ingest *ingest, struct ingest_stats *out)
{
	pthread_mutex_lock(&ingest->lock);
	*out = ingest->stats;
	out->lag_rows = ingest->waiting;
	out->lag_seconds = ingest->waiting ? (double)(now_us(ingest) - ingest->first_us) / 1e6 : 0;
	if (!out->error.code)
		out->error = ingest->loss;
	pthread_mutex_unlock(&ingest->lock);
}
