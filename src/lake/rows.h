/* lake/rows.h - rows on their way into a table: columns in place, constraints held. */
#pragma once

#include "lake/internal.h"

/* `query` (DuckDB's SQL) gives the table's columns in order, or those of `names` when count > 0;
 * what is left out is its default, a generated column its expression. *out is a query that gives
 * every column by name. */
MR_NODISCARD int rows_arrange(struct lake_session *s, const struct delta_snapshot *snapshot, mr_str query,
			      const mr_str *names, size_t count, bool by_name, struct mr_buf *out,
			      struct mr_error *err);
/* Around a query that gives every column: rows that break a constraint, an invariant or a
 * generated column end it with an error that names it. */
MR_NODISCARD int rows_guard(struct lake_session *s, const struct delta_snapshot *snapshot, mr_str query,
			    struct mr_buf *out, struct mr_error *err);
/* Guarded, and into files. */
MR_NODISCARD int rows_write(struct lake_session *s, struct delta_table *table,
			    const struct delta_snapshot *snapshot, mr_str query, struct delta_file **files,
			    size_t *count, struct mr_error *err);
