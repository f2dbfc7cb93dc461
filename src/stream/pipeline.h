/* stream/pipeline.h - a project's transformations as flows: parsed, translated, ordered.
 *
 * Grammar: Spark Declarative Pipelines SQL (CREATE STREAMING TABLE, MATERIALIZED VIEW,
 * TEMPORARY VIEW). The query inside is translated token by token from Spark's spelling to
 * DuckDB's; its text keeps its line structure, so DuckDB's error positions map back.
 *
 * A pipeline is immutable after loading. No I/O here: texts come in, flows come out.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "stream/options.h"

#define FLOW_SOURCES_MAX 64 /* a flow that reads more is refused at load */

enum flow_kind { FLOW_STREAMING_TABLE, FLOW_MATERIALIZED_VIEW, FLOW_TEMPORARY_VIEW };

struct flow_source {
	mr_str name;                   /* "bronze.access_log", as catalogued (lower case) */
	bool stream;                   /* FROM STREAM x, or STREAM(x) */
	struct stream_options options; /* of a stream */
};

struct flow {
	enum flow_kind kind;
	mr_str name;      /* "silver.page_views" */
	const char *file; /* where it was written */
	int line, column;
	mr_str query;       /* DuckDB SQL. Source tables appear as quoted paths; STREAM is gone. */
	mr_str spark_query; /* as written */
	int query_line;     /* the line of `file` on which the query's first line stands */
	const mr_str *partition_by;
	size_t partition_count;
	mr_str comment;
	const struct flow_source *sources;
	size_t source_count;
};

struct pipeline;

struct pipeline_file {
	const char *path; /* for messages */
	mr_str text;
};

/* Parse every file. A statement that fails is reported (errors[], with file:line:column, the
 * source line and a caret in the hint) and left out with all that depends on it; the others go
 * on. Returns 0 also then. `known` are tables from outside (ingest tables, topics). */
MR_NODISCARD int pipeline_load(const struct pipeline_file *files, size_t file_count, const mr_str *known,
			       size_t known_count, struct pipeline **out, struct mr_error *err);
void pipeline_free(struct pipeline *pipeline);

/* In dependency order: a flow comes after what it reads. */
size_t pipeline_flows(const struct pipeline *pipeline, const struct flow *const **out);
size_t pipeline_errors(const struct pipeline *pipeline, const struct mr_error **out);

/* Translate one ad-hoc statement from Spark's spelling to DuckDB's (for `millrace sql`, too).
 * Text that is valid in both keeps its meaning. The result lives in arena. */
MR_NODISCARD int spark_translate(mr_str sql, struct arena *arena, mr_str *out, struct mr_error *err);
