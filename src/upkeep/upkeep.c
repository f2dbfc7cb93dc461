#include "upkeep/upkeep.h"

#include "base/buf.h"
#include "base/mem.h"
#include "stream/spark_macros.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ENGINE_BYTES ((int64_t)512 << 20)
#define INTERRUPT_AGAIN_NS 20000000
/* A server that is started anew each day vacuums all the same. */
#define FIRST_VACUUM_MS ((int64_t)3600 * 1000)

struct kept {
	struct upkeep_table is;
	struct upkeep_state state; /* the thread's */
	bool moved;                /* under the lock */
};

struct upkeep {
	const struct env *env;
	struct lake *lake;
	char *temp_dir;
	struct kept *tables;
	size_t count;
	/* Opened by the first chore. */
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct lake_session *session;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping, ended;          /* under the lock, as are the rest */
	struct sql_conn *interrupted;  /* runs a chore: to be interrupted at a stop */
	struct upkeep_record *records; /* a ring */
	size_t record_count;
};

void upkeep_new(const struct upkeep_options *options, struct upkeep **out)
{
	struct upkeep *u = mr_calloc(1, sizeof *u);
	u->env = options->env;
	u->lake = options->lake;
	u->temp_dir = options->temp_dir ? mr_strdup(options->temp_dir) : NULL;
	u->tables = mr_calloc(options->table_count + 1, sizeof *u->tables);
	u->count = options->table_count;
	u->records = mr_calloc(UPKEEP_RECORDS_MAX, sizeof *u->records);
	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->changed, &attr);
	pthread_condattr_destroy(&attr);
	int64_t now = clock_wall_ms(u->env->clock);
	for (size_t i = 0; i < u->count; i++) {
		const struct upkeep_policy *policy = &options->tables[i].policy;
		int64_t wait = mr_min_i64(policy->vacuum_every_ms, FIRST_VACUUM_MS);
		u->tables[i] = (struct kept){.is = options->tables[i], .moved = true};
		u->tables[i].state = (struct upkeep_state){
		    .files_at_look = -1, .vacuumed_ms = now - policy->vacuum_every_ms + wait};
	}
	*out = u;
}

void upkeep_free(struct upkeep *u)
{
	if (!u)
		return;
	upkeep_stop(u);
	lake_session_free(u->session);
	sql_disconnect(u->conn);
	if (u->engine)
		sql_engine_close(u->engine);
	pthread_cond_destroy(&u->changed);
	pthread_mutex_destroy(&u->lock);
	free(u->records);
	free(u->tables);
	free(u->temp_dir);
	free(u);
}

/* ---- chores ---- */

static int no_queries(void *arg, mr_str spark, struct arena *arena, mr_str *out, struct mr_error *err)
{
	(void)arg, (void)arena, (void)err;
	*out = spark;
	return 0;
}

static void allow_interrupt(struct upkeep *u, bool running)
{
	pthread_mutex_lock(&u->lock);
	u->interrupted = running ? u->conn : NULL;
	pthread_mutex_unlock(&u->lock);
}

static int open_engine(struct upkeep *u, struct mr_error *err)
{
	if (u->session)
		return 0;
	struct sql_engine_options options = {
	    .threads = 1, .memory_bytes_max = ENGINE_BYTES, .temp_dir = u->temp_dir};
	int rc = u->engine ? 0 : sql_engine_open(&options, &u->engine, err);
	if (rc == 0)
		rc = sql_engine_install(u->engine, spark_macros(), err);
	if (rc == 0)
		rc = sql_connect(u->engine, &u->conn, err);
	if (rc == 0)
		allow_interrupt(u, true);
	if (rc == 0)
		u->session = lake_session_new(u->lake, u->conn, no_queries, NULL);
	return rc;
}

static void put_property(struct mr_buf *sql, const struct delta_snapshot *snapshot, const char *key,
			 int64_t value, bool interval)
{
	char text[64];
	if (!value)
		return;
	snprintf(text, sizeof text, "%s%lld%s", interval ? "interval " : "", (long long)value,
		 interval ? " milliseconds" : "");
	if (mr_str_is(delta_property(snapshot, key), text))
		return;
	mr_buf_printf(sql, "%s'%s' = '%s'", sql->len ? ", " : "", key, text);
}

/* What the project says of the table, where the table says something else. 1: nothing. */
static int set_properties(struct upkeep *u, struct kept *kept, const struct delta_snapshot *snapshot,
			  struct mr_error *err)
{
	const struct upkeep_policy *policy = &kept->is.policy;
	struct mr_buf properties = {0}, sql = {0}, report = {0};
	put_property(&properties, snapshot, "delta.deletedFileRetentionDuration", policy->retain_ms, true);
	put_property(&properties, snapshot, "delta.logRetentionDuration", policy->log_retention_ms, true);
	put_property(&properties, snapshot, "delta.checkpointInterval", policy->checkpoint_every, false);
	int rc = 1;
	bool needed = properties.len && !kept->is.derived;
	if (needed)
		rc = open_engine(u, err);
	if (needed && rc == 0) {
		mr_buf_cstr(&sql, "ALTER TABLE ");
		sql_quote_path(&sql, mr_str_from(kept->is.name));
		mr_buf_printf(&sql, " SET TBLPROPERTIES (%s)", properties.ptr);
		rc = lake_execute(u->session, mr_buf_view(&sql), &report, err);
		rc = rc == 1 ? 0 : rc < 0 ? rc : mr_fail(err, MR_ERR_INTERNAL, "not a statement of the lake");
	}
	mr_buf_release(&properties);
	mr_buf_release(&sql);
	mr_buf_release(&report);
	return rc;
}

/* 0: done; 1: there was nothing to do. */
static int carry_out(struct upkeep *u, struct kept *kept, enum chore chore,
		     const struct delta_snapshot *snapshot, struct mr_error *err)
{
	const struct upkeep_policy *policy = &kept->is.policy;
	struct lake_compaction how = {.target_bytes = policy->target_file_bytes,
				      .small_bytes = upkeep_small_bytes(policy)};
	int64_t files, bytes;
	/* A server whose tables need nothing has no second engine. */
	int rc = chore == CHORE_PROPERTIES ? 0 : open_engine(u, err);
	if (rc < 0)
		return rc;
	switch (chore) {
	case CHORE_PROPERTIES:
		rc = set_properties(u, kept, snapshot, err);
		break;
	case CHORE_OPTIMIZE:
		rc = lake_compact(u->session, kept->is.table, &how, err);
		break;
	case CHORE_VACUUM:
		rc = lake_sweep(u->session, kept->is.table, &files, &bytes, err);
		break;
	case CHORE_NONE:
		break;
	}
	if (u->session)
		lake_session_reset(u->session);
	return rc;
}

/* ---- records ---- */

static void figures_of(const struct delta_snapshot *snapshot, int64_t *files, int64_t *bytes)
{
	*files = snapshot ? delta_file_count(snapshot) : 0;
	*bytes = snapshot ? delta_size_bytes(snapshot) : 0;
}

static void keep_record(struct upkeep *u, const struct upkeep_record *record)
{
	pthread_mutex_lock(&u->lock);
	u->records[u->record_count++ % UPKEEP_RECORDS_MAX] = *record;
	pthread_mutex_unlock(&u->lock);
}

size_t upkeep_records(struct upkeep *u, struct upkeep_record *out, size_t max)
{
	pthread_mutex_lock(&u->lock);
	size_t have = mr_min_size(u->record_count, UPKEEP_RECORDS_MAX), n = mr_min_size(have, max);
	for (size_t i = 0; i < n; i++)
		out[i] = u->records[(u->record_count - n + i) % UPKEEP_RECORDS_MAX];
	pthread_mutex_unlock(&u->lock);
	return n;
}

/* ---- one step ---- */

static void note_done(struct kept *kept, enum chore chore, int64_t now_ms, int64_t files)
{
	struct upkeep_state *state = &kept->state;
	state->backoff_ms = state->retry_ms = 0;
	if (chore == CHORE_PROPERTIES)
		state->properties_done = true;
	if (chore == CHORE_VACUUM)
		state->vacuumed_ms = now_ms;
	if (chore == CHORE_OPTIMIZE)
		state->files_at_look = files;
}

/* 1: done and recorded; 0: there was nothing to do after all. */
static int do_chore(struct upkeep *u, struct kept *kept, enum chore chore,
		    const struct delta_snapshot *before, struct mr_error *err)
{
	struct mr_clock *clock = u->env->clock;
	struct delta_snapshot *after = NULL;
	int64_t start_us = clock_mono_us(clock);
	struct upkeep_record record = {
	    .table = kept->is.name, .chore = chore, .started_ms = clock_wall_ms(clock), .version = -1};
	figures_of(before, &record.files_before, &record.bytes_before);
	record.files_after = record.files_before;
	record.bytes_after = record.bytes_before;
	allow_interrupt(u, true);
	int rc = carry_out(u, kept, chore, before, err);
	allow_interrupt(u, false);
	if (rc == 0 && delta_snapshot(kept->is.table, &after, NULL) == 0) {
		figures_of(after, &record.files_after, &record.bytes_after);
		if (chore != CHORE_VACUUM)
			record.version = delta_version(after);
		delta_snapshot_unref(after);
	}
	record.took_us = clock_mono_us(clock) - start_us;
	if (rc < 0) {
		record.error = *err;
		upkeep_failed(&kept->state, clock_wall_ms(clock));
	} else {
		note_done(kept, chore, clock_wall_ms(clock), record.files_after);
	}
	if (rc != 1)
		keep_record(u, &record);
	return rc < 0 ? rc : rc == 0;
}

int upkeep_step(struct upkeep *u, size_t table, struct mr_error *err)
{
	struct kept *kept = &u->tables[table];
	const struct upkeep_policy *policy = &kept->is.policy;
	struct delta_snapshot *snapshot;
	int rc = delta_snapshot(kept->is.table, &snapshot, err);
	if (rc < 0)
		return rc == MR_ERR_NOT_FOUND ? 0 : rc;
	/* Each chore that finds nothing to do makes room for the next. */
	for (rc = 0; rc == 0;) {
		struct upkeep_figures figures = {.now_ms = clock_wall_ms(u->env->clock),
						 .derived = kept->is.derived};
		if (figures.now_ms < kept->state.retry_ms)
			break;
		int64_t files = delta_file_count(snapshot);
		kept->state.files_at_look = mr_min_i64(kept->state.files_at_look, files);
		figures.looked = !kept->is.derived && upkeep_looks(policy, &kept->state, files);
		if (figures.looked)
			figures.mergeable = delta_small_files(snapshot, upkeep_small_bytes(policy));
		enum chore chore = upkeep_choose(policy, &kept->state, &figures);
		if (figures.looked && chore != CHORE_OPTIMIZE)
			kept->state.files_at_look = files;
		if (chore == CHORE_NONE)
			break;
		rc = do_chore(u, kept, chore, snapshot, err);
	}
	delta_snapshot_unref(snapshot);
	return rc;
}

/* ---- the thread ---- */

/* The next table that moved, or count when none did; with the lock held. */
static size_t next_moved(struct upkeep *u)
{
	for (size_t i = 0; i < u->count; i++) {
		if (u->tables[i].moved) {
			u->tables[i].moved = false;
			return i;
		}
	}
	return u->count;
}

static void *upkeep_thread(void *arg)
{
	struct upkeep *u = arg;
	pthread_mutex_lock(&u->lock);
	while (!u->stopping) {
		size_t table = next_moved(u);
		if (table == u->count) {
			pthread_cond_wait(&u->changed, &u->lock);
			continue;
		}
		pthread_mutex_unlock(&u->lock);
		struct mr_error err;
		int rc = upkeep_step(u, table, &err); /* a failure is in the records */
		pthread_mutex_lock(&u->lock);
		u->tables[table].moved |= rc > 0;
	}
	u->ended = true;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

void upkeep_start(struct upkeep *u)
{
	u->stopping = u->ended = false;
	int rc = pthread_create(&u->thread, NULL, upkeep_thread, u);
	MR_ASSERT(rc == 0);
	u->started = true;
}

void upkeep_stop(struct upkeep *u)
{
	pthread_mutex_lock(&u->lock);
	u->stopping = true;
	pthread_cond_broadcast(&u->changed);
	/* A chore is several queries: an interrupt may fall between two of them. */
	while (u->started && !u->ended) {
		struct timespec until;
		if (u->interrupted)
			sql_interrupt(u->interrupted);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += INTERRUPT_AGAIN_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&u->changed, &u->lock, &until);
	}
	pthread_mutex_unlock(&u->lock);
	if (u->started)
		pthread_join(u->thread, NULL);
	u->started = false;
}

void upkeep_table_moved(struct upkeep *u, size_t table)
{
	pthread_mutex_lock(&u->lock);
	u->tables[table].moved = true;
	pthread_cond_signal(&u->changed);
	pthread_mutex_unlock(&u->lock);
}
