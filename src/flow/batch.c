#include "flow/batch.h"

#include "base/vec.h"
#include "lake/lake.h"
#include "query/bind.h"

#include <stdlib.h>

/* The table of a flow that runs for the first time: its columns are its query's. */
static int create_table(const struct flow *flow, struct delta_table *table, struct sql_conn *conn,
			mr_str query, struct arena *arena, struct mr_error *err)
{
	struct column_def *columns;
	size_t count;
	int rc = sql_describe(conn, query, arena, &columns, &count, err);
	if (rc < 0)
		return rc;
	struct delta_create create = {.columns = columns,
				      .column_count = count,
				      .partition_by = flow->partition_by,
				      .partition_count = flow->partition_count,
				      .description = flow->comment};
	rc = delta_create(table, &create, err);
	return rc == MR_ERR_EXISTS ? 0 : rc;
}

static bool same(const struct delta_stream_offset *a, const struct delta_stream_offset *b)
{
	return a->version == b->version && a->index == b->index && a->initial == b->initial;
}

static bool moved(const struct flow *flow, const struct bind_flow_batch *at)
{
	for (size_t i = 0; i < flow->source_count; i++) {
		bool counts = flow->kind == FLOW_MATERIALIZED_VIEW || flow->sources[i].stream;
		if (counts && !same(&at->to[i], &at->from[i]))
			return true;
	}
	return false;
}

struct run {
	struct catalog_entry *entry;
	struct sql_conn *conn;
	struct mr_rng *rng;
	struct flow_memory *memory;
	struct binding *binding;
	struct delta_snapshot *snapshot; /* of its table; NULL: there is none */
	struct arena arena;
	struct mr_buf query;
	struct bind_flow_batch batch;
	mr_str metadata; /* that its table needs for columns that the query brings anew, or empty */
};

/* What the commit says of where the flow stands, and what it expects to find. */
struct progress {
	struct arena *arena;
	const struct delta_snapshot *snapshot;
	struct delta_txn txns[FLOW_SOURCES_MAX + BIND_POSITION_PARTS],
	    expect[FLOW_SOURCES_MAX + BIND_POSITION_PARTS];
	size_t count;
};

static void put_part(struct progress *p, const struct flow *flow, size_t source, enum bind_position_part part,
		     int64_t value)
{
	char app_id[BIND_APP_ID_SIZE];
	bind_flow_app_id(flow, source, part, app_id);
	mr_str id = arena_copy(p->arena, mr_str_from(app_id));
	p->txns[p->count] = (struct delta_txn){id, value};
	p->expect[p->count++] = (struct delta_txn){id, delta_txn(p->snapshot, id)};
}

static void put_position(struct progress *p, const struct flow *flow, size_t source,
			 const struct delta_stream_offset *from, const struct delta_stream_offset *to)
{
	if (to->version < 0)
		return;
	put_part(p, flow, source, to->initial ? BIND_INITIAL : BIND_VERSION, to->version);
	if (from->index || to->index)
		put_part(p, flow, source, BIND_INDEX, to->index);
}

static int commit(struct run *r, struct delta_file *files, size_t file_count,
		  struct flow_batch_result *result, struct mr_error *err)
{
	const struct flow *flow = r->entry->flow;
	struct progress p = {.arena = &r->arena, .snapshot = r->snapshot};
	for (size_t i = 0; i < flow->source_count; i++)
		put_position(&p, flow, i, &r->batch.from[i], &r->batch.to[i]);
	bool view = flow->kind == FLOW_MATERIALIZED_VIEW;
	struct delta_commit commit = {.files = files,
				      .file_count = file_count,
				      .txns = p.txns,
				      .txn_count = p.count,
				      .expect = p.expect,
				      .expect_count = p.count,
				      .overwrite = view,
				      .base = r->metadata.len ? r->snapshot : NULL,
				      .metadata = r->metadata,
				      .operation = view ? "REFRESH MATERIALIZED VIEW" : "STREAMING UPDATE"};
	for (size_t i = 0; i < file_count; i++)
		result->rows += files[i].rows;
	return delta_commit(r->entry->table, &commit, &result->version, err);
}

/* Remember what the run began with; a table made anew in between would have another. */
static void remember(struct flow_memory *memory, mr_str schema)
{
	if (memory && !memory->schema && schema.len)
		memory->schema = mr_strndup(schema);
}

void flow_memory_release(struct flow_memory *memory)
{
	free(memory->schema);
	memory->schema = NULL;
}

static int bind(struct run *r, struct mr_error *err)
{
	const struct flow *flow = r->entry->flow;
	MR_ASSERT(flow->source_count <= FLOW_SOURCES_MAX);
	int rc = delta_snapshot(r->entry->table, &r->snapshot, err);
	if (rc < 0 && rc != MR_ERR_NOT_FOUND)
		return rc;
	for (size_t i = 0; i < flow->source_count; i++)
		r->batch.from[i] = bind_flow_position(flow, i, r->snapshot);
	if (r->memory && r->memory->schema)
		r->batch.schema = mr_str_from(r->memory->schema);
	rc = bind_flow(r->binding, flow, &r->batch, &r->query, err);
	if (rc == 0)
		remember(r->memory, r->batch.schema_now);
	return rc;
}

/* It has not come to be yet. */
static bool stream_is_missing(const struct flow *flow, const struct bind_flow_batch *batch)
{
	for (size_t i = 0; i < flow->source_count; i++)
		if (flow->sources[i].stream && batch->to[i].version < 0)
			return true;
	return false;
}

/* Columns that the query brings and the table lacks come into it, in the same version; a view has its
 * query's alone. */
static int write_batch(struct run *r, mr_str query, struct flow_batch_result *result, struct mr_error *err)
{
	struct delta_file *files;
	size_t file_count;
	bool view = r->entry->flow->kind == FLOW_MATERIALIZED_VIEW;
	int rc = lake_grown_metadata(r->snapshot, r->rng, r->conn, query, view, &r->arena, &r->metadata, err);
	if (rc == 0 && r->metadata.len)
		rc = delta_write_files_for(r->entry->table, r->metadata, r->conn, query, &r->arena, &files,
					   &file_count, err);
	else if (rc == 0)
		rc = delta_write_files(r->entry->table, r->snapshot, r->conn, query, &r->arena, &files,
				       &file_count, err);
	return rc == 0 ? commit(r, files, file_count, result, err) : rc;
}

static int run(struct run *r, struct flow_batch_result *result, struct mr_error *err)
{
	const struct flow *flow = r->entry->flow;
	bool streams = flow->kind == FLOW_STREAMING_TABLE;
	int rc = bind(r, err);
	if (rc == MR_ERR_NOT_FOUND && streams && stream_is_missing(flow, &r->batch))
		return 0;
	if (rc < 0)
		return rc;
	mr_str query = mr_buf_view(&r->query);
	if (!r->snapshot) {
		rc = create_table(flow, r->entry->table, r->conn, query, &r->arena, err);
		if (rc == 0)
			rc = delta_snapshot(r->entry->table, &r->snapshot, err);
		if (rc < 0)
			return rc;
	}
	/* Commits that bring no files (a checkpoint's, OPTIMIZE's) are passed over with the next
	 * that does: they cost no commit of ours. */
	if (!moved(flow, &r->batch) || (streams && !r->batch.new_files && !r->batch.decided))
		return 0;
	rc = write_batch(r, query, result, err);
	result->more = r->batch.more;
	return rc < 0 ? rc : 1;
}

int flow_batch(struct catalog *catalog, struct catalog_entry *entry, struct sql_conn *conn,
	       struct flow_memory *memory, struct flow_batch_result *result, struct mr_error *err)
{
	*result = (struct flow_batch_result){.version = -1};
	struct run r = {.entry = entry, .conn = conn, .rng = catalog_env(catalog)->rng, .memory = memory};
	r.binding = binding_new(catalog, conn, BIND_COMMITTED);
	int rc = run(&r, result, err);
	delta_snapshot_unref(r.snapshot);
	binding_free(r.binding);
	mr_buf_release(&r.query);
	arena_release(&r.arena);
	return rc < 0 ? mr_error_wrap(err, rc, "%.*s", MR_FMT(entry->flow->name)) : rc;
}
