/* delta/internal.h - what the files of delta/ share.
 *
 * A table handle keeps one log_state: the log replayed up to some version. Commits are
 * applied to it in place (snapshot.c), and snapshots are views of it that stay valid:
 *
 *   - data files live in a file_set, an array in chunks that only grows. An entry says in
 *     which version it came and in which it went; a snapshot of version v sees those with
 *     added <= v < removed among the entries that existed when it was taken. So a snapshot
 *     costs nothing per file, and going on costs nothing per snapshot.
 *   - metadata is parsed once per metaData action and shared by reference count.
 *   - application transactions are few and copied.
 *
 * The state belongs to the table's lock; a file_set's published entries are read by anyone.
 */
#pragma once

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/json.h"
#include "delta/action.h"
#include "delta/delta.h"
#include "delta/dv.h"
#include "delta/feature.h"
#include "delta/type.h"
#include "delta/vectors.h"

#include <pthread.h>
#include <stdatomic.h>

#define COMMIT_BYTES_MAX ((size_t)256 << 20)
#define CHECKPOINT_INTERVAL_DEFAULT 10
#define CHECKPOINT_INTERVAL_MAX 100
#define CHECKPOINT_NEW_SHARE 100
#define TOMBSTONE_MS ((int64_t)7 * 24 * 3600 * 1000)
#define ENGINE_INFO "millrace/" MR_VERSION
#define VERSION_NEVER INT64_MAX
#define ROWS_LATER (-2)
#define ROW_GROUP_ROWS 65536 /* half of DuckDB's own: each writing thread holds a few groups in memory */

/* ---- schema.c ---- */

struct table_column {
	mr_str physical;  /* its name in files, statistics and partitionValues */
	int64_t field_id; /* 0: none */
	mr_str sql_type;  /* "STRUCT(\"a\" BIGINT)" */
	mr_str read_type; /* the same by physical names */
	struct type_node *type;
	bool nested;
	bool renamed; /* inside: the two types differ in names */
	bool is_void; /* not in any file */
	bool partition;
};

enum column_mapping { MAPPING_NONE, MAPPING_NAME, MAPPING_ID };

/* One metaData action with its schema understood. */
struct table_meta {
	_Atomic int refs;
	struct arena arena;
	mr_str json; /* the whole action's body, for checkpoints */
	mr_str id;
	mr_str schema_json;
	struct column_def *defs;
	struct table_column *columns;
	size_t column_count;
	mr_str *partition_names;
	size_t *partition_index; /* into defs */
	size_t partition_count;
	struct delta_pair *configuration;
	size_t configuration_count;
	enum column_mapping mapping;
	bool has_invariants, has_generated, has_identity, has_defaults; /* column metadata says so */
	bool has_ntz, has_variant;                                      /* some type, at any depth */
};

int delta_meta_parse(struct json_parser *parser, const struct action_metadata *action,
		     struct table_meta **out, struct mr_error *err);
struct table_meta *delta_meta_ref(struct table_meta *meta);
void delta_meta_unref(struct table_meta *meta);
mr_str delta_meta_property(const struct table_meta *meta, const char *key); /* ptr NULL: not set */
/* "interval 30 days", "12 hours", down to milliseconds; `absent` for what is none. */
int64_t delta_interval_ms(mr_str text, int64_t absent);
/* How long removed files stay known: delta.deletedFileRetentionDuration, or a week. */
static inline int64_t delta_tombstones_ms(const struct table_meta *meta)
{
	return delta_interval_ms(delta_meta_property(meta, "delta.deletedFileRetentionDuration"),
				 TOMBSTONE_MS);
}
/* The schemaString of a table to be made. */
void delta_schema_write(struct mr_buf *out, const struct delta_create *create);
bool delta_schema_needs_ntz(const struct delta_create *create);

/* ---- feature.c ---- */

struct table_protocol {
	int reader, writer;
	struct arena arena;
	mr_str *reader_features, *writer_features; /* each followed by a NUL */
	size_t reader_feature_count, writer_feature_count;
};

void delta_protocol_copy(struct table_protocol *to, const struct action_protocol *from);
void delta_protocol_write(struct json_writer *w, const struct table_protocol *protocol);

/* ---- files.c ---- */

/* What few files have. */
struct file_extra {
	bool has_dv;
	struct delta_dv dv;
	int64_t base_row_id, default_row_commit_version; /* -1: none */
	mr_str tags;                                     /* JSON */
	mr_str clustering_provider;
};

struct file_entry {
	const uint8_t *name;             /* packed_path.c; relative, or absolute when another table's */
	mr_str *partition_values;        /* in the order of partition columns; ptr NULL: null; shared */
	int64_t size, rows, modified_ms; /* rows: those that live; -1: unknown, or in the stats */
	const char *stats;               /* NULL: none, or left in the log (stats_source.c) */
	int64_t added : 62;              /* version; that of the checkpoint when it came with one */
	bool data_change : 1;
	bool stats_later : 1;    /* a stats_source has them */
	_Atomic int64_t removed; /* VERSION_NEVER while it lives */
	int64_t removed_ms;
	struct file_extra *extra; /* NULL: nothing of it */
};

/* Statistics that an entry keeps; empty: none. */
static inline mr_str file_entry_stats(const struct file_entry *entry)
{
	return entry->stats ? mr_str_from(entry->stats) : MR_STR_NULL;
}

static inline const struct delta_dv *file_entry_dv(const struct file_entry *entry)
{
	return entry->extra && entry->extra->has_dv ? &entry->extra->dv : NULL;
}

/* Entries lie in chunks that double in size and never move: a chunk is reached without a lock by
 * whoever saw an entry of it counted. */
#define FILE_CHUNK_FIRST 256
#define FILE_CHUNKS 24

/* Folders and ends that paths share. */
#define FILE_WORDS_MAX ((size_t)65536)
#define FILE_WORDS_BLOCK ((size_t)256)

/* Where statistics are that were not kept: in the log's files, and read when a query asks. */
#define STATS_SOURCES 1024

struct file_set {
	_Atomic int refs;
	struct file_entry *chunks[FILE_CHUNKS];
	size_t count;
	struct arena arena; /* what few files have */
	char *text;         /* paths, one behind the other: what is left of the newest block */
	size_t text_left;
	struct mr_map tuples; /* partition values, each combination once; the writer's alone */
	const mr_str *last_tuple;
	struct mr_map word_ids; /* word -> its number + 1; the writer's alone */
	struct mr_buf packed;   /* the writer's */
	mr_str *words[FILE_WORDS_MAX / FILE_WORDS_BLOCK];
	size_t word_count;
	size_t last_folder, last_end; /* words that the newest path had, + 1; 0: none; the writer's */
	struct stats_source *sources[STATS_SOURCES];
	_Atomic size_t source_count;
};

struct file_set *delta_file_set_new(void);
struct file_set *delta_file_set_ref(struct file_set *set);
void delta_file_set_unref(struct file_set *set);
struct file_entry *delta_file_set_add(struct file_set *set);
struct file_entry *delta_file_set_at(const struct file_set *set, size_t index);
mr_str delta_file_set_text(struct file_set *set, mr_str text); /* a copy that lives as long */
/* The set's own copy of `count` partition values; the same pointer for the same values. '' is null. */
mr_str *delta_file_set_tuple(struct file_set *set, const mr_str *values, size_t count);

struct file_cursor {
	const struct file_set *set;
	size_t at, count;
};

static inline struct file_cursor file_cursor(const struct file_set *set, size_t count)
{
	return (struct file_cursor){set, 0, count};
}

struct file_entry *delta_file_cursor_next(struct file_cursor *cursor); /* NULL at the end */

/* The files that live, by path. It holds no path itself: an entry's index and the path's hash. */
struct live_files {
	struct live_slot {
		uint32_t index, hash; /* index + 1; 0: free; UINT32_MAX: was taken once */
	} * slots;
	size_t slot_count, used, len;
};

void delta_live_release(struct live_files *live);
void delta_live_reserve(struct live_files *live, size_t files); /* room for so many */
struct file_entry *delta_live_get(const struct live_files *live, struct file_set *set, mr_str path);
/* The entry is about to be put: its slot is fetched meanwhile. */
void delta_live_expect(const struct live_files *live, const struct file_entry *entry);
/* The entry `index` is now its path's. Returns the one that was, or NULL. */
struct file_entry *delta_live_put(struct live_files *live, const struct file_set *set, size_t index);
/* The one of the same path. */
struct file_entry *delta_live_same(const struct live_files *live, const struct file_set *set,
				   const struct file_entry *entry);
void delta_live_remove(struct live_files *live, const struct file_set *set, const struct file_entry *entry);

/* ---- packed_path.c ---- */

/* The entry's path from now on. */
void delta_path_keep(struct file_set *set, struct file_entry *entry, mr_str path);
mr_str delta_file_path(const struct file_set *set, const struct file_entry *entry, struct arena *arena);
/* The same bytes for the same path in the same set. *out is valid until the next call; false: no entry of the
 * set has that path (add: that cannot be). */
bool delta_path_pack(struct file_set *set, mr_str path, bool add, mr_str *out);
mr_str delta_file_packed(const struct file_entry *entry);

/* ---- stats_source.c ---- */

/* A checkpoint's file or a large commit, and which of its rows (its add actions) is which entry. */
struct stats_source {
	struct delta_table *table;
	char *path;
	bool is_checkpoint;
	bool parsed_only;         /* the checkpoint has stats_parsed and no stats */
	MR_VEC(uint32_t) entries; /* by row, or by the add action's number: entry + 1; 0: none */
};

/* NULL when there are too many: then statistics are kept. Nobody visits it before it is added, and
 * it does not change any more then. */
struct stats_source *delta_stats_source_new(const struct file_set *set, struct delta_table *table,
					    mr_str path, bool is_checkpoint);
void delta_stats_source_add(struct file_set *set, struct stats_source *source); /* takes it */
void delta_stats_source_set(struct stats_source *source, size_t row, size_t entry);
void delta_stats_source_free(struct stats_source *source); /* NULL is fine */
/* Whether all of them are still there. */
bool delta_stats_sources_exist(const struct file_set *set);
/* The sources of `from`, for a set that has its entries at other places: moved[i] + 1, or 0. */
void delta_stats_sources_copy(struct file_set *to, const struct file_set *from, const uint32_t *moved);

typedef void (*stats_fn)(void *arg, size_t entry, mr_str stats);
/* The statistics of entries below `count` that `want` (NULL: all) says, kept ones and others, in
 * no order; each call of fn is this thread's. A source that is gone says nothing: its files'
 * statistics are then unknown, which is always right. */
void delta_stats_visit(const struct file_set *set, size_t count, const bool *want, stats_fn fn, void *arg);

/* ---- snapshot.c ---- */

struct delta_log_state {
	int64_t version;
	struct file_info newest; /* of version's JSON: another table in our place shows */
	struct file_set *files;
	struct live_files live; /* a new vector replaces the entry */
	int64_t file_count, size_bytes, rows, files_without_rows, files_later;
	struct stats_source *later; /* where the statistics of what is being applied stay */
	struct arena scratch;       /* of one action */
	size_t later_row;
	struct table_protocol *protocol;
	struct table_meta *meta;
	struct mr_map txns;         /* app id -> struct txn_state */
	struct mr_map domains;      /* domain -> char *, the action's body */
	int64_t checkpoint_version; /* newest seen or written; -1 */
	int64_t commit_ms;          /* version's in-commit timestamp; -1: none, or not read */
};

struct txn_state {
	int64_t version, last_updated;
};

struct delta_log_state *delta_state_new(void);
void delta_state_free(struct delta_log_state *state);
/* A file that came, out of a checkpoint's columns; JSON's go the same way. */
struct file_arrival {
	mr_str path; /* as in the log */
	const mr_str *partition_values;
	int64_t size, modified_ms;
	mr_str stats;
	struct file_extra *extra; /* of the set's arena, or NULL */
	bool data_change;
};
int delta_state_add_file(struct delta_log_state *state, const struct file_arrival *file,
			 struct mr_error *err);
/* Leave the statistics of what is applied from here on where they are; and from here on not. */
void delta_state_begin_later(struct delta_log_state *state, struct delta_table *table, mr_str path,
			     bool is_checkpoint);
void delta_state_end_later(struct delta_log_state *state);
int delta_state_apply(struct delta_log_state *state, struct json_parser *parser, const struct action *action,
		      struct mr_error *err);
/* After the actions of a version: is there a table, can we read it? */
int delta_state_check(const struct delta_log_state *state, struct mr_error *err);
/* Forget removed files that no checkpoint needs any more, once they outnumber the live ones. */
void delta_state_compact(struct delta_log_state *state, int64_t now_ms);

struct delta_snapshot {
	_Atomic int refs;
	struct mr_disk *disk;
	char *path;
	int64_t version;
	struct file_set *files;
	size_t entry_count;
	int64_t file_count, size_bytes;
	_Atomic int64_t rows; /* ROWS_LATER: in statistics that are not read yet */
	struct table_meta *meta;
	struct arena arena;
	struct delta_txn *txns;
	size_t txn_count;
	int reader, writer; /* protocol versions */
};

struct delta_snapshot *delta_snapshot_new(const struct delta_log_state *state, struct mr_disk *disk,
					  const char *path);
/* The next file that the snapshot sees. */
struct file_entry *delta_snapshot_next_file(const struct delta_snapshot *snapshot,
					    struct file_cursor *cursor);

/* ---- table.c, log.c ---- */

struct delta_table {
	const struct env *env;
	struct sql_engine *engine;
	char *path, *log_path;
	char *name; /* what people call the path (env/disk.h) */
	pthread_mutex_t lock;
	struct json_parser *parser;      /* under lock */
	struct delta_log_state *state;   /* under lock; NULL until read */
	struct delta_snapshot *snapshot; /* under lock; of state->version, or NULL */
	pthread_mutex_t turn;            /* of delta_turn_take */
	pthread_mutex_t queue_lock;
	struct append *queue, **queue_end; /* under queue_lock: appends that wait for the lock */
	void (*on_commit)(void *arg);      /* may be NULL */
	void *on_commit_arg;
};

/* All below with the table's lock held. */
int delta_log_load(struct delta_table *table, int64_t version_max, struct delta_log_state **out,
		   struct mr_error *err);
/* Bring table->state to the newest version. */
int delta_log_advance(struct delta_table *table, struct mr_error *err);
/* The log is read from nothing next time. */
void delta_log_forget(struct delta_table *table);
int delta_log_apply_commit(struct delta_table *table, struct delta_log_state *state, mr_str bytes,
			   int64_t version, struct mr_error *err);

/* ---- sync.c ---- */

/* Files, and the folders that name them up to the table's own, each folder once. */
struct sync_list {
	const struct delta_table *table;
	MR_VEC(struct disk_sync) items;
	struct mr_map folders;
	struct arena arena;
};

void delta_sync_init(struct sync_list *list, const struct delta_table *table);
void delta_sync_release(struct sync_list *list);
void delta_sync_add(struct sync_list *list, const char *path); /* a file alone */
void delta_sync_add_file(struct sync_list *list, mr_str relative);
/* The files that are left to these commits. */
void delta_sync_add_commits(struct sync_list *list, const struct delta_commit *const *commits, size_t count);
int delta_sync_run(struct sync_list *list, struct mr_error *err);
/* Whether so many new files are better synced with their commit. */
bool delta_sync_later(const struct delta_table *table, const struct delta_file *files, size_t count);

/* ---- store.c ---- */

struct delta_log_version {
	int64_t version;
	struct file_info info;
};

struct delta_log_part {
	int64_t version;
	int part, parts; /* 0 of 0: a single file */
	char *name;
};

struct delta_log_range {
	int64_t from, to;
};

struct delta_log_listing {
	MR_VEC(struct delta_log_version) commits; /* ascending */
	MR_VEC(struct delta_log_range) compacted; /* in no order */
	MR_VEC(struct delta_log_part) checkpoints;
};

int delta_store_list(struct delta_table *table, struct delta_log_listing *out, struct mr_error *err);
void delta_log_listing_release(struct delta_log_listing *listing);
char *delta_store_commit_path(const struct delta_table *table, int64_t version);
/* The bytes of N.json, appended; MR_ERR_NOT_FOUND when there is none. */
int delta_store_read_commit(struct delta_table *table, int64_t version, struct mr_buf *out,
			    struct mr_error *err);
/* The lines of a file of the log, a piece of whole ones at a time, `at` bytes into it; MR_ERR_NOT_FOUND when
 * there is none. A positive answer of fn ends it. */
typedef int (*store_lines_fn)(void *arg, mr_str lines, size_t at, struct mr_error *err);
int delta_store_visit_lines(struct delta_table *table, const char *path, store_lines_fn fn, void *arg,
			    struct mr_error *err);
/* A commit on its way: its bytes under a temporary name, until a version's name is free. */
struct staged_commit {
	char *temporary;     /* path; NULL: nothing is there */
	struct mr_buf bytes; /* what is there, and synced */
};
/* The bytes are on the disk, with all that `with` lists; nothing is done when they and no others are. */
int delta_store_stage(struct delta_table *table, struct staged_commit *staged, mr_str bytes,
		      struct sync_list *with, struct mr_error *err);
/* N.json whole and durable, or MR_ERR_EXISTS and nothing changed: then it is still staged. */
int delta_store_put_commit(struct delta_table *table, int64_t version, struct staged_commit *staged,
			   struct mr_error *err);
void delta_store_unstage(struct delta_table *table, struct staged_commit *staged);
/* N.crc whole, not synced; MR_ERR_EXISTS when there is one. */
int delta_store_put_checksum(struct delta_table *table, int64_t version, mr_str bytes, struct mr_error *err);
/* x.y.compacted.json, whole and synced, and its bytes. */
int delta_store_put_compacted(struct delta_table *table, int64_t from, int64_t to, mr_str bytes,
			      struct mr_error *err);
int delta_store_read_compacted(struct delta_table *table, int64_t from, int64_t to, struct mr_buf *out,
			       struct mr_error *err);
int delta_store_sync_file(struct delta_table *table, const char *path, struct mr_error *err);

/* How many files the checkpoint that starts at `from` has; 0 when some are missing. */
size_t delta_log_parts_complete(const struct delta_log_listing *listing, size_t from);

/* ---- checksum.c, clean_up.c ---- */

/* N.crc of the table's state, after its commit. */
void delta_checksum_write(struct delta_table *table);
/* MR_ERR_CORRUPT when there is one for the state's version that contradicts. */
int delta_checksum_check(struct delta_table *table, const struct delta_log_state *state,
			 struct mr_error *err);
/* The log's expired files go. Returns how many. */
size_t delta_clean_up(struct delta_table *table);

/* ---- checkpoint.c, checkpoint_read.c ---- */

int delta_checkpoint_read(struct delta_table *table, const struct delta_log_part *parts, size_t count,
			  struct delta_log_state *state, struct mr_error *err);
int delta_checkpoint_write(struct delta_table *table, struct mr_error *err);
/* Commits from one checkpoint to the next: as the property says, else by the number of files and versions. */
int64_t delta_checkpoint_interval(mr_str property, size_t file_count, int64_t version);
bool delta_checkpoint_is_due(struct delta_table *table);

/* ---- file_json.c ---- */

void delta_file_extra_read(struct arena *arena, const struct action_file *action, struct file_extra **out);
struct file_extra *delta_file_extra_copy(struct arena *arena, const struct file_extra *extra);
/* A file as an action names it, by the snapshot's partition columns; statistics are left out. */
int delta_data_file_read(const struct delta_snapshot *snapshot, const struct action_file *action,
			 struct arena *arena, struct delta_data_file *out, struct mr_error *err);
/* The members path and partitionValues. */
void delta_file_place_write(struct json_writer *w, const struct table_meta *meta, mr_str path,
			    const mr_str *partition_values);
/* stats: empty, none are written. */
void delta_file_add_write(struct json_writer *w, const struct table_meta *meta, const struct file_entry *file,
			  mr_str path, mr_str stats, bool data_change);
void delta_file_remove_write(struct json_writer *w, const struct table_meta *meta,
			     const struct file_entry *file, mr_str path, int64_t now_ms, bool data_change);

/* ---- frame.c ---- */

/* What a commit says of itself, whichever version it becomes: so its bytes can stay when it loses a race. */
struct commit_stamp {
	int64_t now_ms, read_version; /* -1: it read none */
	char txn_id[37];
};

void delta_stamp_init(struct commit_stamp *stamp, const struct delta_table *table,
		      const struct delta_commit *commit);

/* What a version is made with, besides its commits. */
struct version_frame {
	int64_t version, now_ms;
	const struct commit_stamp *stamp;
	struct table_meta *meta;        /* that it will have; a reference */
	struct table_protocol protocol; /* that comes with it, if new_protocol */
	bool new_protocol;
	mr_str metadata;             /* the body of its metaData action; empty: none */
	int64_t in_commit_ms;        /* -1: it bears no in-commit timestamp */
	bool tracks_rows, backfills; /* files get row ids; those that are there too */
	int64_t row_id_mark;         /* the highest row id given so far; -1: none */
	struct arena arena;
};

/* With the table's lock held. Release it whatever comes of it. */
int delta_frame_init(struct version_frame *frame, struct delta_table *table,
		     const struct delta_commit *commit, const struct commit_stamp *stamp,
		     struct mr_error *err);
void delta_frame_release(struct version_frame *frame);
/* The protocol that the version will have. */
const struct table_protocol *delta_frame_protocol(const struct version_frame *frame,
						  const struct delta_log_state *before);
/* A metaData body with these properties set, or unset where the value's ptr is NULL; in arena. */
int delta_metadata_set(struct json_parser *parser, mr_str metadata, const struct delta_pair *pairs,
		       size_t count, struct arena *arena, mr_str *out, struct mr_error *err);

/* ---- commit_time.c ---- */

/* Are in-commit timestamps enabled? */
bool delta_commit_time_inside(const struct table_meta *meta);
/* The in-commit timestamp of the version after the table's; -1 when it needs none. */
int delta_commit_time_next(struct delta_table *table, const struct table_meta *meta, int64_t now_ms,
			   int64_t *out, struct mr_error *err);
/* Properties that have to change with it: at most 2. */
size_t delta_commit_time_properties(struct version_frame *frame, const struct table_meta *before,
				    struct delta_pair *out);
/* The newest version at or before that time. The table's state is read. */
int delta_commit_time_find(struct delta_table *table, int64_t ms, int64_t *out, struct mr_error *err);

/* When a version was made, milliseconds since 1970. The table's state is read. */
int delta_commit_time_of(struct delta_table *table, int64_t version, int64_t *out, struct mr_error *err);

/* ---- changes.c ---- */

/* As delta_changes_sql, of versions from .. to only, by the snapshot's columns; from > to: no rows. */
int delta_changes_between_sql(struct delta_table *table, const struct delta_snapshot *snapshot, int64_t from,
			      int64_t to, struct mr_buf *out, struct mr_error *err);

/* ---- row_tracking.c ---- */

#define ROW_TRACKING_DOMAIN "delta.rowTracking"

bool delta_rows_are_tracked(const struct table_protocol *protocol, const struct table_meta *meta);
/* The highest row id that was given, as the state's domain says, or a domain's configuration; -1. */
int64_t delta_row_id_mark(struct json_parser *parser, const struct delta_log_state *state);
int64_t delta_row_id_mark_of(struct json_parser *parser, mr_str configuration);
/* Properties that have to come with it: at most 2. */
size_t delta_row_tracking_properties(struct version_frame *frame, const struct table_meta *before,
				     struct mr_rng *rng, struct delta_pair *out);
void delta_row_tracking_begin(struct version_frame *frame, struct delta_table *table);
/* Ids for a file of so many rows, those that deletion vectors hide among them. live: the entry of
 * the same path, or NULL. Without a row count there are none, and the commit is refused. */
void delta_row_tracking_assign(struct version_frame *frame, const struct file_entry *live, int64_t rows,
			       struct file_extra *extra);

/* ---- commit_lines.c ---- */

/* A version's lines: one commit, or several appends as one. */
void delta_commit_lines(struct mr_buf *out, const struct delta_table *table,
			const struct delta_commit *const *commits, size_t count, struct version_frame *frame);

/* ---- partition.c ---- */

/* What add.path holds, and back: every byte but unreserved ones and '/' as %XX. */
void delta_path_encode(struct mr_buf *out, mr_str path);
/* MR_ERR_CORRUPT for what leaves the table's folder. An absolute path of this machine (a shallow
 * clone's) stays one; MR_ERR_UNSUPPORTED for those of other stores. */
int delta_path_decode(mr_str encoded, struct arena *arena, mr_str *out, struct mr_error *err);
/* The SQL expression that makes a partition value's text of a column, as Delta writes it. */
void delta_partition_text_sql(struct mr_buf *out, const struct column_def *def, mr_str expression);
/* And the SQL literal that reads it back. */
void delta_partition_literal_sql(struct mr_buf *out, const struct table_meta *meta, size_t column,
				 mr_str value);

/* Statistics by an entry's index, below `count`; empty where there are none, or not wanted. */
mr_str *delta_stats_texts(const struct file_set *set, size_t count, const bool *want, struct arena *arena);

/* ---- stats.c ---- */

/* Delta's statistics of a file out of what COPY ... RETURN_STATS says of it (a JSON object of
 * column path -> figures). *null_column: a NOT NULL column that holds NULLs, or SIZE_MAX. */
void delta_stats_write(struct mr_buf *out, const struct table_meta *meta, int64_t rows,
		       struct json_value figures, size_t *null_column);
int64_t delta_stats_rows(mr_str stats_json); /* numRecords; -1 when unknown */

/* ---- scan.c ---- */

/* A file of a table as a literal for read_parquet, fetched when it is a store's. */
void delta_scan_put_file(struct mr_buf *out, struct mr_disk *disk, const char *table_path, mr_str name);

/* delta_scan_sql of the entries that keep (NULL: all) says. */
void delta_scan_entries_sql(const struct delta_snapshot *snapshot, const bool *keep, struct mr_buf *out);
