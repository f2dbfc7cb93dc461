/* lake/describe.c - DESCRIBE HISTORY t [LIMIT n], DESCRIBE DETAIL t. */
#include "lake/cluster.h"
#include "lake/internal.h"

static int find(struct lake_session *s, struct parser *p, struct delta_table **table)
{
	struct table_name name;
	int rc = parser_table(p, &name);
	if (rc == 0)
		rc = lake_resolve(s, &name, false, table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	return rc;
}

static void put_text(struct mr_buf *out, mr_str text)
{
	mr_buf_cstr(out, ", ");
	if (text.ptr)
		sql_quote_literal(out, text);
	else
		mr_buf_cstr(out, "NULL");
}

int lake_history(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct delta_table *table;
	struct delta_history_entry *entries;
	size_t count;
	int64_t limit = 0;
	int rc = find(s, p, &table);
	if (rc == 0 && parser_take(p, "limit"))
		rc = parser_integer(p, "a number of versions", &limit);
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = delta_history(table, limit > 0 ? (size_t)limit : 0, &s->arena, &entries, &count, p->err);
	if (rc < 0)
		return rc;
	mr_buf_cstr(report, "SELECT version, make_timestamptz(ms * 1000) AS timestamp, operation, "
			    "\"operationParameters\", \"operationMetrics\", \"engineInfo\" FROM (VALUES ");
	for (size_t i = 0; i < count; i++) {
		mr_buf_printf(report, "%s(CAST(%lld AS BIGINT), CAST(%lld AS BIGINT)", i ? ", " : "",
			      (long long)entries[i].version, (long long)entries[i].timestamp_ms);
		put_text(report, entries[i].operation);
		put_text(report, entries[i].operation_parameters);
		put_text(report, entries[i].operation_metrics);
		put_text(report, entries[i].engine_info);
		mr_buf_char(report, ')');
	}
	mr_buf_cstr(report, ") AS h(version, ms, operation, \"operationParameters\", \"operationMetrics\", "
			    "\"engineInfo\") ORDER BY version DESC");
	return 1;
}

static void put_list(struct mr_buf *out, const mr_str *names, size_t count)
{
	mr_buf_cstr(out, "CAST([");
	for (size_t i = 0; i < count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		sql_quote_literal(out, names[i]);
	}
	mr_buf_cstr(out, "] AS VARCHAR[])");
}

int lake_detail(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct delta_table *table;
	struct delta_snapshot *snapshot;
	int reader, writer;
	const mr_str *partitions;
	int rc = find(s, p, &table);
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = delta_snapshot(table, &snapshot, p->err);
	if (rc < 0)
		return rc;
	struct clustering clustering;
	rc = cluster_read(table, snapshot, &s->arena, &clustering, p->err);
	if (rc < 0) {
		delta_snapshot_unref(snapshot);
		return rc;
	}
	size_t count = delta_partition_columns(snapshot, &partitions);
	delta_protocol_versions(snapshot, &reader, &writer);
	mr_buf_cstr(report, "SELECT 'delta' AS format, ");
	sql_quote_literal(report, delta_table_id(snapshot));
	mr_buf_cstr(report, " AS id, ");
	sql_quote_literal(report, mr_str_from(delta_name(table)));
	mr_buf_cstr(report, " AS location, ");
	put_list(report, partitions, count);
	mr_buf_cstr(report, " AS \"partitionColumns\", ");
	put_list(report, clustering.names, clustering.count);
	mr_buf_printf(
	    report,
	    " AS \"clusteringColumns\", CAST(%lld AS BIGINT) AS \"numFiles\", CAST(%lld AS BIGINT) AS "
	    "\"sizeInBytes\", CAST(%lld AS BIGINT) AS version, %d AS \"minReaderVersion\", %d AS "
	    "\"minWriterVersion\"",
	    (long long)delta_file_count(snapshot), (long long)delta_size_bytes(snapshot),
	    (long long)delta_version(snapshot), reader, writer);
	delta_snapshot_unref(snapshot);
	return 1;
}
