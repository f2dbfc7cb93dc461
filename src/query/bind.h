/* query/bind.h - table names into relations, each at one consistent moment.
 *
 * For one statement every table it reaches is captured once, readers before what they
 * read: a streaming table's snapshot says up to which version of its source it has consumed,
 * so the source captured after it is never behind it. The table then is
 *
 *     its committed rows  UNION ALL  its query over what it has not consumed
 *
 * and for an ingest table the second half is the topic from the offsets in the snapshot's txn
 * actions up to the stable offsets. No row is missed or seen twice.
 *
 * What is captured is bound as views in the connection's private catalogue. The delta log is
 * read, no data files are: cost is that of the newest commits.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "query/catalog.h"
#include "sql/engine.h"

enum bind_mode {
	BIND_FRESH,     /* committed rows and the tail */
	BIND_COMMITTED, /* committed rows only: what a flow that must be repeatable reads */
};

struct binding;

/* Start a statement on conn. Free it when the statement's result is read: it keeps the
 * snapshots, and so the files' names, alive. */
struct binding *binding_new(struct catalog *catalog, struct sql_conn *conn, enum bind_mode mode);
void binding_free(struct binding *binding);

/* Capture what the tables reach and bind a view for each of them. A name that is neither a table
 * nor a topic is left to the engine, which then reports it. */
MR_NODISCARD int bind_tables(struct binding *binding, const mr_str *names, size_t count,
			     struct mr_error *err);
/* Every table and topic there is: for SHOW TABLES, DESCRIBE, information_schema. */
MR_NODISCARD int bind_all(struct binding *binding, struct mr_error *err);

/* How far a flow's table has consumed a source: the version in the txn action of this
 * application id; -1 when nothing yet, or when snapshot is NULL. */
#define BIND_APP_ID_SIZE 600
void bind_flow_app_id(const struct flow *flow, size_t source, char out[BIND_APP_ID_SIZE]);
int64_t bind_flow_position(const struct flow *flow, size_t source, const struct delta_snapshot *snapshot);

/* For the runner of a flow: bind its sources under a schema of its own and append to `query` the
 * flow's query over them. stream_from[i] is the version of sources[i] consumed so far (-1: none);
 * entries of sources that are not streams are ignored. On return stream_to[i] is the version
 * captured of sources[i] (-1 when that table does not exist yet), *new_files counts the files
 * that streams bring. */
MR_NODISCARD int bind_flow(struct binding *binding, const struct flow *flow, const int64_t *stream_from,
			   int64_t *stream_to, size_t *new_files, struct mr_buf *query, struct mr_error *err);
