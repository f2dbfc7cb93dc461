/* lake/session.c - which statement is whose: the table of leading words. */
#include "lake/internal.h"

#include <time.h>

struct lake_session *lake_session_new(struct lake *lake, struct sql_conn *conn, lake_bind_fn bind, void *arg)
{
	struct lake_session *session = mr_calloc(1, sizeof *session);
	*session = (struct lake_session){.lake = lake, .conn = conn, .bind = bind, .bind_arg = arg};
	return session;
}

void lake_session_reset(struct lake_session *session)
{
	for (size_t i = 0; i < session->snapshots.len; i++)
		delta_snapshot_unref(session->snapshots.items[i]);
	session->snapshots.len = session->pending.len = 0;
	session->views = 0;
	arena_reset(&session->arena);
}

size_t lake_session_attempt(const struct lake_session *session)
{
	return session->overtaken;
}

void lake_session_free(struct lake_session *session)
{
	if (!session)
		return;
	lake_session_reset(session);
	mr_vec_release(&session->snapshots);
	mr_vec_release(&session->pending);
	arena_release(&session->arena);
	free(session);
}

/* A statement that another writer's commit contradicts is read and run anew, on what that one wrote. The
 * rows are then those of the statements one after the other, and nobody was told anything yet. */
#define OVERTAKEN_MAX 30
#define PAUSE_US_MAX 500000

static const struct {
	const char *words;
	lake_statement_fn run;
	bool once; /* what it says is about the table as the user saw it */
} statements[] = {
    {"create or replace table", lake_create_or_replace, .once = true},
    {"replace table", lake_create_or_replace, .once = true},
    {"create table", lake_create, .once = true},
    {"convert to delta", lake_convert, .once = true},
    {"drop table", lake_drop, .once = true},
    {"insert into", lake_insert_into},
    {"insert overwrite", lake_insert_overwrite},
    {"insert with schema evolution", lake_insert_evolving},
    {"merge with schema evolution into", lake_merge_evolving},
    {"delete from", lake_delete},
    {"update", lake_update},
    {"merge into", lake_merge},
    {"optimize", lake_optimize},
    {"vacuum", lake_vacuum},
    {"restore", lake_restore, .once = true},
    {"fsck", lake_fsck},
    {"describe history", lake_history},
    {"desc history", lake_history},
    {"describe detail", lake_detail},
    {"desc detail", lake_detail},
    {"alter table", lake_alter, .once = true},
};

static int run_once(struct lake_session *session, mr_str text, struct mr_buf *report, bool *once,
		    struct mr_error *err)
{
	struct parser p;
	/* What cannot be lexed is the engine's to report. */
	if (parser_init(&p, text, &session->arena, NULL) < 0)
		return 0;
	p.err = err;
	for (size_t i = 0; i < MR_COUNT(statements); i++) {
		if (!parser_take(&p, statements[i].words))
			continue;
		*once = statements[i].once;
		return statements[i].run(session, &p, report);
	}
	return 0;
}

/* The writers of one process take turns (change_open); this is for those of others. */
static void pause_a_little(struct lake_session *session)
{
	uint64_t most = mr_min_size((size_t)5000 << mr_min_size(session->overtaken, 10), PAUSE_US_MAX);
	uint64_t us = rng_below(session->lake->options.env->rng, most);
	nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

int lake_execute(struct lake_session *session, mr_str statement, struct mr_buf *report, struct mr_error *err)
{
	bool once = false;
	size_t before = report->len;
	session->overtaken = 0;
	for (;;) {
		int rc = run_once(session, statement, report, &once, err);
		if (rc != MR_ERR_CONFLICT || once || session->overtaken == OVERTAKEN_MAX)
			return rc;
		session->overtaken++;
		pause_a_little(session);
		report->len = before;
		lake_session_reset(session);
	}
}
