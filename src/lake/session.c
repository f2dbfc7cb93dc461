/* lake/session.c - which statement is whose: the table of leading words. */
#include "lake/internal.h"

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
	session->snapshots.len = 0;
	session->views = 0;
	arena_reset(&session->arena);
}

void lake_session_free(struct lake_session *session)
{
	if (!session)
		return;
	lake_session_reset(session);
	mr_vec_release(&session->snapshots);
	arena_release(&session->arena);
	free(session);
}

static const struct {
	const char *words;
	lake_statement_fn run;
} statements[] = {
    {"create or replace table", lake_create_or_replace},
    {"replace table", lake_create_or_replace},
    {"create table", lake_create},
    {"drop table", lake_drop},
    {"insert into", lake_insert_into},
    {"insert overwrite", lake_insert_overwrite},
    {"insert with schema evolution", lake_insert_evolving},
    {"merge with schema evolution into", lake_merge_evolving},
    {"delete from", lake_delete},
    {"update", lake_update},
    {"merge into", lake_merge},
    {"optimize", lake_optimize},
    {"vacuum", lake_vacuum},
    {"restore", lake_restore},
    {"fsck", lake_fsck},
    {"describe history", lake_history},
    {"desc history", lake_history},
    {"describe detail", lake_detail},
    {"desc detail", lake_detail},
    {"alter table", lake_alter},
};

int lake_execute(struct lake_session *session, mr_str statement, struct mr_buf *report, struct mr_error *err)
{
	struct parser p;
	/* What cannot be lexed is the engine's to report. */
	if (parser_init(&p, statement, &session->arena, NULL) < 0)
		return 0;
	p.err = err;
	for (size_t i = 0; i < MR_COUNT(statements); i++)
		if (parser_take(&p, statements[i].words))
			return statements[i].run(session, &p, report);
	return 0;
}
