/* tests/interop/delta_tool.c - makes and reads Delta tables for run.py.
 *
 *   delta_tool write FOLDER           tables of every kind below FOLDER
 *   delta_tool read TABLE VERSION OUT the rows of a version (-1: the newest) as a Parquet file
 *   delta_tool append TABLE QUERY     commit the query's rows
 */
#include "base/mem.h"
#include "delta/delta.h"

#include <stdio.h>
#include <stdlib.h>

struct tool {
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct arena arena;
	struct mr_error err;
};

static void must(struct tool *tool, int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "delta_tool: %s %s\n", tool->err.message, tool->err.hint);
	exit(1);
}

static struct delta_table *open_table(struct tool *tool, const char *path)
{
	struct delta_table *table;
	must(tool, delta_open(env_linux(), tool->engine, path, &table, &tool->err));
	return table;
}

static void append(struct tool *tool, struct delta_table *table, const char *query, bool overwrite)
{
	struct delta_snapshot *snapshot;
	struct delta_file *files;
	int64_t version;
	struct delta_txn txn = {MR_STR("interop"), 7};
	struct delta_commit commit = {
	    .overwrite = overwrite, .txns = &txn, .txn_count = 1, .operation = "WRITE"};
	must(tool, delta_snapshot(table, &snapshot, &tool->err));
	must(tool, delta_write_files(table, snapshot, tool->conn, mr_str_from(query), &tool->arena, &files,
				     &commit.file_count, &tool->err));
	commit.files = files;
	commit.read = snapshot;
	must(tool, delta_commit(table, &commit, &version, &tool->err));
	delta_snapshot_unref(snapshot);
}

struct sample {
	const char *name;
	const char *shape; /* a query whose columns are the table's */
	const char *partition_by[3];
	const char *rows; /* "%d" is the number of the commit; NULL: none */
	int commits;
	bool overwrite_last;
};

#define TYPES_SHAPE \
	"SELECT true AS a, 1::TINYINT AS b, 1::SMALLINT AS c, 1::INTEGER AS d, 1::BIGINT AS e, 1::FLOAT AS " \
	"f, " \
	"1::DOUBLE AS g, 1::DECIMAL(12, 3) AS h, 's' AS i, 'b'::BLOB AS j, DATE '2024-01-01' AS k, " \
	"TIMESTAMPTZ '2024-01-01 00:00:00+00' AS l, 1::DECIMAL(38, 0) AS m"

static const struct sample samples[] = {
    {"types",
     TYPES_SHAPE,
     {0},
     "SELECT x %% 2 = 0 AS a, x - 100 AS b, x * 100 AS c, x * 1000003 AS d, x * 5000000011 AS e, x / 7 AS f, "
     "x / 9 AS g, x * 1.001 AS h, CASE WHEN x %% 5 = 0 THEN NULL ELSE repeat('ü', x) END AS i, "
     "encode('b' || x) AS j, DATE '1600-01-01' + (x * 3000)::INTEGER AS k, "
     "TIMESTAMPTZ '1969-12-31 23:59:58.999999+00' + INTERVAL (x) MILLISECOND AS l, "
     "x::HUGEINT * 1234567890123456789012345678901 AS m FROM range(200) t(x)",
     2,
     false},
    {"ntz",
     "SELECT 1 AS n, TIMESTAMP '2024-01-01 00:00:00' AS t",
     {0},
     "SELECT %d AS n, TIMESTAMP '2024-01-01 00:00:00.000001' AS t",
     2,
     false},
    {"partitions",
     "SELECT 1::BIGINT AS n, 's' AS p, DATE '2024-01-01' AS d",
     {"p", "d"},
     "SELECT x AS n, ['plain', 'NULL', 'a/b', 'x=y', '100%%', 'ü é', 'it''s', '[a]*?', '..', NULL][x %% 10 + "
     "1] AS p, "
     "CASE WHEN x %% 3 = 0 THEN NULL ELSE DATE '2024-01-01' + %d END AS d FROM range(60) t(x)",
     3,
     false},
    {"partitions_time",
     "SELECT 1::BIGINT AS n, now() AS t, 1::DECIMAL(5, 2) AS q, true AS b",
     {"t", "q", "b"},
     "SELECT x AS n, TIMESTAMPTZ '2024-01-01 10:00:00.000001+00' + INTERVAL (x %% 3) HOUR AS t, x %% 2 + %d "
     "/ 4 AS q, "
     "x %% 2 = 0 AS b FROM range(20) t(x)",
     2,
     false},
    {"checkpoint",
     "SELECT 1::BIGINT AS n, 's' AS p",
     {"p"},
     "SELECT %d AS n, 'p' || (%d %% 3) AS p",
     33,
     false},
    {"overwrite", "SELECT 1::BIGINT AS n", {0}, "SELECT x AS n FROM range(%d * 10) t(x)", 12, true},
    {"empty", "SELECT 1::BIGINT AS n, 's' AS s", {0}, NULL, 0, false},
};

static void write_sample(struct tool *tool, const char *folder, const struct sample *sample)
{
	struct column_def *defs;
	size_t count;
	mr_str partitions[3];
	struct delta_create create = {.partition_by = partitions};
	must(tool,
	     sql_describe(tool->conn, mr_str_from(sample->shape), &tool->arena, &defs, &count, &tool->err));
	for (; create.partition_count < 3 && sample->partition_by[create.partition_count];
	     create.partition_count++)
		partitions[create.partition_count] =
		    mr_str_from(sample->partition_by[create.partition_count]);
	create.columns = defs;
	create.column_count = count;
	struct delta_table *table =
	    open_table(tool, arena_printf(&tool->arena, "%s/%s", folder, sample->name).ptr);
	must(tool, delta_create(table, &create, &tool->err));
	for (int i = 1; i <= sample->commits; i++) {
		struct mr_buf query = {0};
		for (const char *at = sample->rows; *at; at++) {
			if (strncmp(at, "%d", 2) == 0)
				mr_buf_printf(&query, "%d", i), at++;
			else if (strncmp(at, "%%", 2) == 0)
				mr_buf_char(&query, *at++);
			else
				mr_buf_char(&query, *at);
		}
		append(tool, table, mr_buf_view(&query).ptr, sample->overwrite_last && i == sample->commits);
		mr_buf_release(&query);
	}
	delta_close(table);
}

static void read_table(struct tool *tool, const char *path, int64_t version, const char *out)
{
	struct delta_table *table = open_table(tool, path);
	struct delta_snapshot *snapshot;
	must(tool, version < 0 ? delta_snapshot(table, &snapshot, &tool->err)
			       : delta_snapshot_at(table, version, &snapshot, &tool->err));
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "COPY (SELECT * FROM ");
	delta_scan_sql(snapshot, &sql);
	mr_buf_cstr(&sql, ") TO ");
	sql_quote_literal(&sql, mr_str_from(out));
	mr_buf_cstr(&sql, " (FORMAT parquet)");
	must(tool, sql_exec(tool->conn, mr_buf_view(&sql), &tool->err));
	printf("%lld %lld %lld\n", (long long)delta_version(snapshot), (long long)delta_file_count(snapshot),
	       (long long)delta_row_count(snapshot));
	mr_buf_release(&sql);
	delta_snapshot_unref(snapshot);
	delta_close(table);
}

int main(int argc, char **argv)
{
	struct tool tool = {0};
	const struct sql_engine_options options = {.threads = 2};
	must(&tool, sql_engine_open(&options, &tool.engine, &tool.err));
	must(&tool, sql_connect(tool.engine, &tool.conn, &tool.err));
	if (argc == 3 && strcmp(argv[1], "write") == 0) {
		for (size_t i = 0; i < MR_COUNT(samples); i++)
			write_sample(&tool, argv[2], &samples[i]);
	} else if (argc == 5 && strcmp(argv[1], "read") == 0) {
		read_table(&tool, argv[2], strtoll(argv[3], NULL, 10), argv[4]);
	} else if (argc == 4 && strcmp(argv[1], "append") == 0) {
		struct delta_table *table = open_table(&tool, argv[2]);
		append(&tool, table, argv[3], false);
		delta_close(table);
	} else {
		fprintf(stderr,
			"usage: delta_tool write FOLDER | read TABLE VERSION OUT | append TABLE QUERY\n");
		return 2;
	}
	arena_release(&tool.arena);
	sql_disconnect(tool.conn);
	sql_engine_close(tool.engine);
	return 0;
}
