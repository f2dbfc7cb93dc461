/* delta/delta.h - Delta Lake tables: open, create, append, time travel, history.
 * Protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
 *
 * A delta_table is a handle on one table directory; it caches the newest snapshot and
 * advances it incrementally. A delta_snapshot is immutable and reference-counted: readers
 * on any thread keep one as long as they like while writers go on.
 *
 * The commit is the commit point: data files are written under unique names and synced, then
 * N.json is put with link(2): it appears whole, or another writer's did.
 * A crash leaves only orphans.
 *
 * Threading: a table handle is safe from any thread (it locks, never across I/O of others'
 * making but its own commit).
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "codec/columns.h"
#include "delta/dv.h"
#include "env/env.h"
#include "sql/engine.h"

struct delta_table;
struct delta_snapshot;

struct delta_create {
	const struct column_def *columns; /* in order; partition columns included */
	size_t column_count;
	const mr_str *partition_by;
	size_t partition_count;
	mr_str description; /* metaData.description */
};

/* engine may be NULL: then no checkpoints are written or read and no files are written
 * (tests/sim). path is the table's directory; it need not exist. */
MR_NODISCARD int delta_open(const struct env *env, struct sql_engine *engine, const char *path,
			    struct delta_table **out, struct mr_error *err);
void delta_close(struct delta_table *table);
const char *delta_path(const struct delta_table *table);
const char *delta_name(const struct delta_table *table); /* for people: "s3://bucket/t", or the path */
/* For whoever lost a race once: from reading to committing by turns, so that this process's writers
 * stop losing against each other. Commits ask for no turn; one thread has it, and gives it back. */
void delta_turn_take(struct delta_table *table);
void delta_turn_give(struct delta_table *table);

/* Calls fn after each version that this handle commits, in the committing thread, without the handle's
 * lock. To be set before the handle is shared. */
void delta_on_commit(struct delta_table *table, void (*fn)(void *arg), void *arg);

/* Version 0: protocol + metaData. MR_ERR_EXISTS when the table is there. */
MR_NODISCARD int delta_create(struct delta_table *table, const struct delta_create *create,
			      struct mr_error *err);

/* The newest version (looks at the directory for commits of others). MR_ERR_NOT_FOUND when
 * there is no table; MR_ERR_UNSUPPORTED naming the feature when we cannot read it. */
MR_NODISCARD int delta_snapshot(struct delta_table *table, struct delta_snapshot **out, struct mr_error *err);
MR_NODISCARD int delta_snapshot_at(struct delta_table *table, int64_t version, struct delta_snapshot **out,
				   struct mr_error *err);
/* The newest version committed at or before that time. */
MR_NODISCARD int delta_snapshot_at_time(struct delta_table *table, int64_t ms, struct delta_snapshot **out,
					struct mr_error *err);
struct delta_snapshot *delta_snapshot_ref(struct delta_snapshot *snapshot);
void delta_snapshot_unref(struct delta_snapshot *snapshot); /* NULL is fine */

int64_t delta_version(const struct delta_snapshot *snapshot);
int64_t delta_file_count(const struct delta_snapshot *snapshot);
int64_t delta_size_bytes(const struct delta_snapshot *snapshot);
int64_t delta_row_count(const struct delta_snapshot *snapshot); /* from statistics; -1 when unknown */
size_t delta_columns(const struct delta_snapshot *snapshot, const struct column_def **out);
size_t delta_partition_columns(const struct delta_snapshot *snapshot, const mr_str **out);
mr_str delta_schema_json(const struct delta_snapshot *snapshot);
/* txn version of an application id; -1 when there is none. */
int64_t delta_txn(const struct delta_snapshot *snapshot, mr_str app_id);

/* Appends to out one SQL relation, "(SELECT ... )", that yields the snapshot's rows with the
 * table's column names, types and order. Valid for an empty table too. */
void delta_scan_sql(const struct delta_snapshot *snapshot, struct mr_buf *out);
/* The rows that came and went in versions from .. the snapshot's, with _change_type ("insert", "delete",
 * "update_preimage", "update_postimage"), _commit_version and _commit_timestamp, by the snapshot's columns.
 * MR_ERR_INVALID when one of them does not record changes (delta.enableChangeDataFeed);
 * MR_ERR_NOT_FOUND when the log no longer reaches back. */
MR_NODISCARD int delta_changes_sql(struct delta_table *table, const struct delta_snapshot *snapshot,
				   int64_t from, struct mr_buf *out, struct mr_error *err);

/* The same files under other metadata (a metaData body): as the table will be when it is committed. */
MR_NODISCARD int delta_snapshot_with(const struct delta_snapshot *snapshot, mr_str metadata,
				     struct delta_snapshot **out, struct mr_error *err);

/* ---- files: what operations that rewrite them work with ---- */

struct delta_data_file {
	mr_str path;                     /* as in the log, decoded */
	const mr_str *partition_values;  /* in the order of partition columns */
	int64_t size, rows, modified_ms; /* rows: those that live; -1: unknown */
	mr_str stats;
	const struct delta_dv *dv;                       /* NULL: no row is deleted */
	bool clustered;                                  /* its rows were sorted (clusteringProvider) */
	int64_t base_row_id, default_row_commit_version; /* -1: none */
};
/* Those that the snapshot sees; they live as long as it does, the array in arena. */
size_t delta_files(const struct delta_snapshot *snapshot, struct arena *arena, struct delta_data_file **out);
/* How many files are below so many bytes and share their partition with another such file. */
int64_t delta_small_files(const struct delta_snapshot *snapshot, int64_t below_bytes);
struct delta_removed {
	mr_str path;
	const struct delta_dv *dv; /* that it had; NULL: none */
};
/* Files that left the table, or got another vector, at that time or later, as far as the log still
 * knows. */
size_t delta_removed_since(const struct delta_snapshot *snapshot, int64_t ms, struct arena *arena,
			   struct delta_removed **out);
/* MR_ERR_UNSUPPORTED, naming the feature, for a table that cannot be written here. */
MR_NODISCARD int delta_check_writable(struct delta_table *table, struct mr_error *err);
/* As delta_scan_sql, of these files only, with two columns more: DELTA_FILE_COLUMN, the index into
 * files, and DELTA_ROW_COLUMN, the row's position in its file. Deleted rows do not show. */
#define DELTA_FILE_COLUMN "__mr_file"
#define DELTA_ROW_COLUMN "__mr_row"
void delta_scan_files_sql(const struct delta_snapshot *snapshot, const struct delta_data_file *files,
			  size_t count, struct mr_buf *out);
/* Without them. */
void delta_scan_rows_sql(const struct delta_snapshot *snapshot, const struct delta_data_file *files,
			 size_t count, struct mr_buf *out);
/* (VALUES ...) rows of DELTA_FILE_COLUMN and the partition columns, one a file: for predicates on
 * partition columns alone. */
void delta_partition_values_sql(const struct delta_snapshot *snapshot, const struct delta_data_file *files,
				size_t count, struct mr_buf *out);
/* The metaData action's body, a property of the table (ptr NULL: not set). */
mr_str delta_metadata_json(const struct delta_snapshot *snapshot);
mr_str delta_property(const struct delta_snapshot *snapshot, const char *key);
/* One that is an interval ("interval 30 days"), in milliseconds; `absent` when it is not set. */
int64_t delta_property_ms(const struct delta_snapshot *snapshot, const char *key, int64_t absent);
/* DuckDB's spelling of a column's type; nested ones in full. */
mr_str delta_column_sql_type(const struct delta_snapshot *snapshot, size_t column);
void delta_protocol_versions(const struct delta_snapshot *snapshot, int *reader, int *writer);
mr_str delta_table_id(const struct delta_snapshot *snapshot);
/* The configuration of the newest version's domain of that name, in arena; ptr NULL when there is none. */
MR_NODISCARD int delta_domain_configuration(struct delta_table *table, const char *name, struct arena *arena,
					    mr_str *out, struct mr_error *err);

/* ---- writing ---- */

struct delta_row_ids {
	int64_t base, version; /* of a file's first row; that its rows came in */
};

struct delta_file {               /* an `add` action to be */
	mr_str path;              /* relative to the table, as in the log before URI encoding */
	mr_str *partition_values; /* in the order of partition columns; ptr NULL: null */
	int64_t size;
	int64_t rows;
	mr_str stats_json;
	const struct delta_dv *dv;           /* NULL: none */
	const struct delta_row_ids *row_ids; /* of a file that comes back; NULL: those it has, or new ones */
	bool clustered;                      /* its rows are sorted along the table's clustering columns */
	bool unsynced;                       /* perhaps not on the disk yet: its commit sees to that */
};

struct delta_txn { /* application transaction: idempotence and offsets */
	mr_str app_id;
	int64_t version;
};

/* How much of what happened in between an operation bears (Spark's words). */
enum delta_isolation {
	DELTA_WRITE_SERIALIZABLE, /* blind appends of others may be as if they came later */
	DELTA_SERIALIZABLE,
	DELTA_SNAPSHOT, /* for what changes no rows */
};

struct delta_metric {
	const char *name; /* "numDeletedRows" */
	int64_t value;
};

struct delta_domain {
	mr_str name;
	mr_str configuration; /* text */
	bool removed;
};

/* What is to become one version. An append gives files and txns. An operation that read the
 * table gives the snapshot that it read as `base`, and what it took from it: the versions since
 * are held against that (conflict.h), and MR_ERR_CONFLICT names the first that contradicts. */
struct delta_commit {
	const struct delta_file *files;
	size_t file_count;
	const struct delta_txn *txns;
	size_t txn_count;
	bool overwrite;              /* remove every file of the newest snapshot first */
	const char *operation;       /* commitInfo: "STREAMING UPDATE", "WRITE", ... */
	mr_str operation_parameters; /* JSON object, or empty */
	/* Expectations: MR_ERR_CONFLICT when the newest snapshot's txn of this app_id is not
	 * expected_version, which fences a second writer of the same flow. */
	const struct delta_txn *expect;
	size_t expect_count;
	/* The snapshot that the files were written for, or NULL: MR_ERR_CONFLICT when the table's
	 * metadata is no longer its. */
	const struct delta_snapshot *read;

	const struct delta_snapshot *base; /* NULL: nothing was read, or the table is to be made */
	enum delta_isolation isolation;
	const mr_str *removes; /* paths of base's files that go */
	size_t remove_count;
	const mr_str *reads; /* paths of base's files whose rows were looked at */
	size_t read_count;
	bool reads_table; /* all of it, whatever it holds: any file that came or went contradicts */
	/* Whether a file of that partition could have held rows that the operation looked for, had it
	 * been there; NULL: any. Called with the table's lock held. */
	bool (*may_match)(void *arg, const mr_str *partition_values);
	void *may_match_arg;
	bool rearranges; /* the same rows in other files: dataChange=false */
	const struct delta_file *cdc;
	size_t cdc_count;
	mr_str metadata; /* the body of a metaData action, or empty */
	/* Table features that it needs, beyond those that the table has. */
	const char *const *features;
	size_t feature_count;
	const char *drops_feature; /* a writers' feature that goes; NULL: none */
	const struct delta_domain *domains;
	size_t domain_count;
	const struct delta_metric *metrics; /* in place of the counts that are made here */
	size_t metric_count;
	bool creates;  /* version 0: MR_ERR_EXISTS when there is a table */
	bool enforced; /* the rows were held against constraints and generated columns */
};

/* Commit after whatever is newest, behind other winners (with jitter); *version_out is the version
 * written. Appends that wait for the handle at the same time become one version. Writes a
 * checkpoint when one is due. */
MR_NODISCARD int delta_commit(struct delta_table *table, const struct delta_commit *commit,
			      int64_t *version_out, struct mr_error *err);

/* Run `query` (its columns must be the table's, by name) into Parquet files under the table,
 * cast to the table's types, split by partition, with statistics. Not yet part of the table, and small
 * ones not yet synced: pass them to delta_commit, as they are. *files live in arena. Zero rows: zero files.
 */
MR_NODISCARD int delta_write_files(struct delta_table *table, const struct delta_snapshot *snapshot,
				   struct sql_conn *conn, mr_str query, struct arena *arena,
				   struct delta_file **files, size_t *count, struct mr_error *err);

/* The same for a table whose metadata is yet to be committed: the body of its metaData action. */
MR_NODISCARD int delta_write_files_for(struct delta_table *table, mr_str metadata, struct sql_conn *conn,
				       mr_str query, struct arena *arena, struct delta_file **files,
				       size_t *count, struct mr_error *err);
/* Parquet files that are below the table's folder already, given by path and partition values: their size,
 * rows and statistics, out of their footers. For a table whose metadata is yet to be committed. */
MR_NODISCARD int delta_adopt_files(struct delta_table *table, mr_str metadata, struct sql_conn *conn,
				   struct delta_file *files, size_t count, struct arena *arena,
				   struct mr_error *err);
/* A path as a literal for read_parquet, its pattern characters made plain. */
void delta_scan_put_path(struct mr_buf *out, mr_str path);
/* Change data files, for delta_commit.cdc: the query gives the table's columns and _change_type. */
MR_NODISCARD int delta_write_changes(struct delta_table *table, const struct delta_snapshot *snapshot,
				     struct sql_conn *conn, mr_str query, struct arena *arena,
				     struct delta_file **files, size_t *count, struct mr_error *err);

/* Newest first; at most limit (0: all) versions. The strings live in arena. */
struct delta_history_entry {
	int64_t version;
	int64_t timestamp_ms;
	mr_str operation;
	mr_str operation_parameters; /* JSON */
	mr_str operation_metrics;    /* JSON */
	mr_str engine_info;
};
MR_NODISCARD int delta_history(struct delta_table *table, size_t limit, struct arena *arena,
			       struct delta_history_entry **out, size_t *count, struct mr_error *err);

MR_NODISCARD int delta_checkpoint(struct delta_table *table, struct mr_error *err); /* now */
/* The commits from .. to as one file beside them, which readers that start before `from` take in their
 * place. MR_ERR_EXISTS when there is one. */
MR_NODISCARD int delta_compact_log(struct delta_table *table, int64_t from, int64_t to, struct mr_error *err);
/* Calls fn for each way in which a checkpoint that is there says another thing than the commits before it:
 * "lacks FILE". Both are read anew; the handle's lock is held. */
typedef void (*delta_audit_fn)(void *arg, int64_t version, mr_str what);
MR_NODISCARD int delta_audit_checkpoints(struct delta_table *table, delta_audit_fn fn, void *arg,
					 struct mr_error *err);

/* The newest version whose commit tells of deletion vectors, of files that came or went, and when it was
 * made; -1: none that is left. */
MR_NODISCARD int delta_vectors_last_seen(struct delta_table *table, int64_t *version, int64_t *ms,
					 struct mr_error *err);
/* A checkpoint of the newest version, and the log before that goes: so do the versions. */
MR_NODISCARD int delta_truncate_log(struct delta_table *table, struct mr_error *err);
