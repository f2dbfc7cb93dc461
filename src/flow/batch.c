#include "flow/batch.h"

#include "base/vec.h"
#include "query/bind.h"

struct positions {
	int64_t from[FLOW_SOURCES_MAX];
	int64_t to[FLOW_SOURCES_MAX];
};

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

static bool moved(const struct flow *flow, const struct positions *at)
{
	for (size_t i = 0; i < flow->source_count; i++) {
		bool counts = flow->kind == FLOW_MATERIALIZED_VIEW || flow->sources[i].stream;
		if (counts && at->to[i] != at->from[i])
			return true;
	}
	return false;
}

static int commit(const struct flow *flow, struct delta_table *table, const struct positions *at,
		  struct delta_file *files, size_t file_count, struct arena *arena,
		  struct flow_batch_result *result, struct mr_error *err)
{
	struct delta_txn txns[FLOW_SOURCES_MAX], expect[FLOW_SOURCES_MAX];
	size_t count = 0;
	for (size_t i = 0; i < flow->source_count; i++) {
		if (at->to[i] < 0)
			continue;
		char app_id[BIND_APP_ID_SIZE];
		bind_flow_app_id(flow, i, app_id);
		mr_str id = arena_copy(arena, mr_str_from(app_id));
		txns[count] = (struct delta_txn){id, at->to[i]};
		expect[count++] = (struct delta_txn){id, at->from[i]};
	}
	bool view = flow->kind == FLOW_MATERIALIZED_VIEW;
	struct delta_commit commit = {.files = files,
				      .file_count = file_count,
				      .txns = txns,
				      .txn_count = count,
				      .expect = expect,
				      .expect_count = count,
				      .overwrite = view,
				      .operation = view ? "REFRESH MATERIALIZED VIEW" : "STREAMING UPDATE"};
	for (size_t i = 0; i < file_count; i++)
		result->rows += files[i].rows;
	return delta_commit(table, &commit, &result->version, err);
}

static int run(struct catalog *catalog, struct catalog_entry *entry, struct sql_conn *conn,
	       struct binding *binding, struct delta_snapshot **snapshot, struct arena *arena,
	       struct mr_buf *query, struct flow_batch_result *result, struct mr_error *err)
{
	const struct flow *flow = entry->flow;
	MR_ASSERT(flow->source_count <= FLOW_SOURCES_MAX);
	int rc = delta_snapshot(entry->table, snapshot, err);
	if (rc < 0 && rc != MR_ERR_NOT_FOUND)
		return rc;
	struct positions at;
	for (size_t i = 0; i < flow->source_count; i++)
		at.from[i] = bind_flow_position(flow, i, *snapshot);
	size_t new_files;
	rc = bind_flow(binding, flow, at.from, at.to, &new_files, query, err);
	if (rc == MR_ERR_NOT_FOUND && flow->kind == FLOW_STREAMING_TABLE)
		return 0; /* its source has not come to be yet */
	if (rc < 0)
		return rc;
	if (!*snapshot) {
		rc = create_table(flow, entry->table, conn, mr_buf_view(query), arena, err);
		if (rc == 0)
			rc = delta_snapshot(entry->table, snapshot, err);
		if (rc < 0)
			return rc;
	}
	/* Commits that bring no files (a checkpoint's, OPTIMIZE's) are passed over with the next
	 * that does: they cost no commit of ours. */
	if (!moved(flow, &at) || (flow->kind == FLOW_STREAMING_TABLE && new_files == 0))
		return 0;
	struct delta_file *files;
	size_t file_count;
	rc = delta_write_files(entry->table, *snapshot, conn, mr_buf_view(query), arena, &files, &file_count,
			       err);
	if (rc == 0)
		rc = commit(flow, entry->table, &at, files, file_count, arena, result, err);
	return rc < 0 ? rc : 1;
}

int flow_batch(struct catalog *catalog, struct catalog_entry *entry, struct sql_conn *conn,
	       struct flow_batch_result *result, struct mr_error *err)
{
	*result = (struct flow_batch_result){.version = -1};
	struct arena arena = {0};
	struct mr_buf query = {0};
	struct delta_snapshot *snapshot = NULL;
	struct binding *binding = binding_new(catalog, conn, BIND_COMMITTED);
	int rc = run(catalog, entry, conn, binding, &snapshot, &arena, &query, result, err);
	delta_snapshot_unref(snapshot);
	binding_free(binding);
	mr_buf_release(&query);
	arena_release(&arena);
	return rc < 0 ? mr_error_wrap(err, rc, "%.*s", MR_FMT(entry->flow->name)) : rc;
}
