/* stream/ddl.h - one CREATE statement of Spark Declarative Pipelines SQL.
 *
 *   CREATE [OR REFRESH] STREAMING TABLE [IF NOT EXISTS] name [USING delta]
 *     {PARTITIONED BY (c, …) | COMMENT 'text' | TBLPROPERTIES (…)}* AS query
 *   CREATE [OR REFRESH] MATERIALIZED VIEW …the same…
 *   CREATE TEMPORARY VIEW name AS query
 *
 * What the grammar has and this engine has not (CREATE FLOW, AUTO CDC, expectations, column
 * lists, CLUSTER BY) is refused by its name.
 */
#pragma once

#include "stream/lex.h"
#include "stream/pipeline.h"

struct ddl {
	enum flow_kind kind;
	size_t name_token, name_count;
	mr_str name; /* lower case, parts joined by '.' */
	mr_str *partition_by;
	size_t partition_count;
	mr_str comment;
	size_t query_token; /* the first token of the query */
};

/* On failure *error_token says which token is at fault. */
MR_NODISCARD int ddl_parse(const struct token *tokens, size_t count, struct arena *arena, struct ddl *out,
			   size_t *error_token, struct mr_error *err);

/* "Bronze"."Access_Log" -> bronze.access_log */
mr_str ddl_name(const struct token *tokens, size_t count, struct arena *arena);
