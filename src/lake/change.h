/* lake/change.h - an operation on a table's rows, on its way to one commit.
 *
 * It reads one snapshot. Rows that go take their whole file with them: the rows of that file that
 * stay are written again (copy on write); or, with delta.enableDeletionVectors, they are marked as
 * gone (mark.c). What was looked at and what came and went is kept, and
 * change_commit makes it one version, or fails with the conflict's name and nothing changed; files
 * that were written are then removed.
 *
 * SQL given here is DuckDB's, over the table's column names.
 */
#pragma once

#include "lake/internal.h"

struct change {
	struct lake_session *s;
	struct delta_table *table;
	struct delta_snapshot *base;
	mr_str alias;                  /* by which conditions may name the table, quoted */
	struct delta_data_file *files; /* of base */
	size_t file_count;
	bool *removed; /* by index into files */
	bool *read;
	bool looks; /* what it does depends on the table's rows, those that are not there included */
	bool reads_table, has_feed, rearranges;
	bool has_turn; /* the statement lost a race: delta_turn_take */
	MR_VEC(struct delta_file) added;
	MR_VEC(struct delta_file) marked; /* of base's files: again, with a new vector */
	MR_VEC(struct delta_file) cdc;
	MR_VEC(struct delta_metric) metrics;
	mr_str metadata; /* a new metaData, or empty */
	const char *const *features;
	size_t feature_count;
	const char *drops_feature;
	const struct delta_domain *domain; /* one that changes, or NULL */
	mr_str partition_condition;        /* over partition columns alone; files elsewhere do not matter */
	int64_t rows_removed;
};

MR_NODISCARD int change_open(struct change *c, struct lake_session *s, struct delta_table *table,
			     struct mr_error *err);
/* The same for rows that only come: no file of the table is looked at. */
MR_NODISCARD int change_open_append(struct change *c, struct lake_session *s, struct delta_table *table,
				    struct mr_error *err);
void change_close(struct change *c); /* removes files that were not committed */

void change_remove(struct change *c, size_t file);
/* The rows that a query gives, guarded, as new files. */
MR_NODISCARD int change_add_rows(struct change *c, mr_str query, struct mr_error *err);
int64_t change_rows_added(const struct change *c);
/* Change data: a query with the table's columns and _change_type. Nothing without the feed. */
MR_NODISCARD int change_add_feed(struct change *c, mr_str query, struct mr_error *err);
void change_metric(struct change *c, const char *name, int64_t value);

/* Whether rows of these files may go by deletion vectors. */
bool change_can_mark(const struct change *c, const size_t *chosen, size_t count);
/* Rows go by vectors: the query gives each once, its file (an index into `of`, or into files when of
 * is NULL) and its position there. */
MR_NODISCARD int change_mark(struct change *c, mr_str query, const size_t *of, struct mr_error *err);
/* Those of the chosen files for which the condition is true. */
MR_NODISCARD int change_mark_where(struct change *c, const size_t *chosen, size_t count, mr_str condition,
				   struct mr_error *err);

/* Rows for which the condition is true go. */
MR_NODISCARD int change_delete_where(struct change *c, mr_str condition, struct mr_error *err);
/* Files of partitions for which the condition is true. 1: it is not one on partition columns alone,
 * or there are none. */
MR_NODISCARD int change_find_partitions(struct change *c, mr_str condition, size_t **chosen, size_t *count);
/* Files that hold rows for which the condition is true: *chosen (indexes, in the session's arena),
 * and how many such rows. Marks what was looked at. */
MR_NODISCARD int change_find(struct change *c, mr_str condition, size_t **chosen, size_t *count,
			     int64_t *rows, struct mr_error *err);
/* "(SELECT ...)" over these files, with DELTA_FILE_COLUMN (index into chosen) and DELTA_ROW_COLUMN. */
void change_scan(const struct change *c, const size_t *chosen, size_t count, struct mr_buf *out);
/* "a", "b", ... of the table, each after prefix. */
void change_columns(const struct change *c, const char *prefix, struct mr_buf *out);
/* WITH SCHEMA EVOLUTION (grow.c): columns that a query (DuckDB's) gives and the table lacks come into base.
 * Names are those given, or the query's where by_name, else go by position. */
MR_NODISCARD int change_grow(struct change *c, mr_str query, const mr_str *names, size_t count, bool by_name,
			     struct mr_error *err);
/* Nothing when nothing came or went. parameters: a JSON object. */
MR_NODISCARD int change_commit(struct change *c, const char *operation, const char *parameters,
			       struct mr_error *err);
