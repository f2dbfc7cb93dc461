/* log/segment.h - one file of record batches and its sparse index.
 *
 * A segment is DIR/<20 digits>.log: whole batches one after the other, offsets growing,
 * the name is the offset the segment starts at. Beside it lie .index and .timeindex
 * (log/index.h), which can always be made again from the .log.
 *
 * Four sizes, never decreasing but for a cut after a fault:
 *   synced_size <= written_size <= size, synced_size <= stable_size <= size
 * size is what rounds have placed in it, stable_size what readers may see, written_size what is in
 * the file (a tail in memory has the rest, log/write_back.c), synced_size what a sync of this very
 * file has covered (the journal covers the rest). Only the last segment has bytes to be written.
 *
 * Threading: stable_size, written_size, max_timestamp, the index tail and `file` change under the
 * partition's lock; the rest belongs to whoever holds the store's io_lock. A reader copies what it
 * needs under the partition's lock and then works without any lock.
 */
#pragma once

#include "log/index.h"

#include "base/buf.h"
#include "env/disk.h"

#include <pthread.h>

#define SEGMENT_SIZE_MAX INT32_MAX /* positions in .index are 32 bits */

/* A file that the committer and readers hold at once; closed with the last hold. */
struct shared_file {
	struct mr_file *file;
	_Atomic int holds;
};

struct shared_file *shared_file_hold(struct shared_file *shared);
void shared_file_drop(struct shared_file *shared); /* NULL is fine */

struct segment {
	int64_t base;
	uint32_t version; /* how often it has been compacted */
	int64_t size;
	int64_t stable_size;
	int64_t written_size;
	int64_t synced_size;
	int64_t created_ms;       /* wall clock; decides segment.ms */
	int64_t max_timestamp;    /* -1 none, SEGMENT_TIME_UNKNOWN until somebody needs it */
	struct shared_file *file; /* NULL while sealed or idle */
	struct index_tail index;
};

#define SEGMENT_TIME_UNKNOWN INT64_MIN

struct segment *segment_new(int64_t base);
void segment_free(struct segment *segment);

/* "DIR/00000000000000000042.log"; free(). ending: ".log", ".index", ".timeindex". */
char *segment_path(const char *dir, int64_t base, const char *ending);
/* 20 digits and ".log": the base offset, else -1. */
int64_t segment_parse_name(const char *name);

/* Have segment->file open for writing; makes the file when absent. `lock` is the partition's,
 * taken to set the field: readers look at it. */
MR_NODISCARD int segment_open_file(struct segment *segment, struct mr_disk *disk, const char *dir,
				   pthread_mutex_t *lock, struct mr_error *err);
/* Open for writing what is there, for the caller alone; *out is held once. */
MR_NODISCARD int segment_open_shared(struct mr_disk *disk, const char *dir, int64_t base,
				     struct shared_file **out, struct mr_error *err);
/* Remove the segment's files; absent is success. */
MR_NODISCARD int segment_unlink(struct mr_disk *disk, const char *dir, int64_t base, struct mr_error *err);

/* Called for each batch of a scan: its bytes (whole when the scan checks CRCs, else only the
 * header) and its place. Non-zero ends the scan. */
typedef int (*segment_batch_fn)(void *arg, const char *batch, int64_t position);

struct segment_scan {
	struct mr_file *file;
	int64_t position;    /* in: where to start. out: the end of the last good batch */
	int64_t limit;       /* do not read past it */
	int64_t next_offset; /* in: the least offset to expect. out: past the last good batch */
	bool check_crc;
	segment_batch_fn fn; /* may be NULL */
	void *arg;
};

/* Walk batches from scan->position: 0 at the limit, 1 at bytes that are no good batch, or
 * fn's non-zero answer; negative on a read error. */
MR_NODISCARD int segment_scan(struct segment_scan *scan, struct mr_error *err);
