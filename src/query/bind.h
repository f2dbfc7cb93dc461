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
#include "delta/stream.h"
#include "query/catalog.h"
#include "sql/engine.h"
#include "sql/predicate.h"

enum bind_mode {
	BIND_FRESH,     /* committed rows and the tail */
	BIND_COMMITTED, /* committed rows only: what a flow that must be repeatable reads */
};

struct binding;

/* Start a statement on conn. Free it when the statement's result is read: it keeps the
 * snapshots, and so the files' names, alive. */
struct binding *binding_new(struct catalog *catalog, struct sql_conn *conn, enum bind_mode mode);
void binding_free(struct binding *binding);

/* What the statement asks of its tables' rows: files that hold none of them are left out. Before
 * bind_tables; borrowed until then. */
void bind_predicates(struct binding *binding, const struct sql_table_predicate *predicates, size_t count);
/* Capture what the tables reach and bind a view for each of them. A name that is neither a table
 * nor a topic is left to the engine, which then reports it. */
MR_NODISCARD int bind_tables(struct binding *binding, const mr_str *names, size_t count,
			     struct mr_error *err);
/* Every table and topic there is: for SHOW TABLES, DESCRIBE, information_schema. */
MR_NODISCARD int bind_all(struct binding *binding, struct mr_error *err);

/* How far a flow's table has consumed its sources, in the txn actions of these application ids:
 *
 *   millrace-flow/<flow>/<source>           all versions up to this one
 *   millrace-flow/<flow>/<source>/index     and so many files of the next
 *   millrace-flow/<flow>/<source>/initial   or, while the first is missing: of this snapshot
 *
 * Of a source that is not a stream only the first. */
enum bind_position_part { BIND_VERSION, BIND_INDEX, BIND_INITIAL, BIND_POSITION_PARTS };
#define BIND_APP_ID_SIZE 600
void bind_flow_app_id(const struct flow *flow, size_t source, enum bind_position_part part,
		      char out[BIND_APP_ID_SIZE]);
/* Nothing consumed when snapshot is NULL. */
struct delta_stream_offset bind_flow_position(const struct flow *flow, size_t source,
					      const struct delta_snapshot *snapshot);

/* For the runner of a flow: bind its sources under a schema of its own and append to `query` the
 * flow's query over them, a batch of its stream at most. */
struct bind_flow_batch {
	struct delta_stream_offset from[FLOW_SOURCES_MAX];
	/* The stream's schemaString that it was planned with, or empty; what it is now goes to
	 * schema_now, which lives as long as the binding. */
	mr_str schema, schema_now;
	/* Set on return: how far the batch reaches; of sources that are no streams the version captured.
	 * -1 when that table does not exist yet. */
	struct delta_stream_offset to[FLOW_SOURCES_MAX];
	size_t new_files; /* that streams bring */
	bool more;        /* there is another batch */
	bool decided;     /* `to` is to be kept though it may bring no files */
};
MR_NODISCARD int bind_flow(struct binding *binding, const struct flow *flow, struct bind_flow_batch *batch,
			   struct mr_buf *query, struct mr_error *err);
