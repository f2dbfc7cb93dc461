/* log/index.h - from offset or time to a place in a segment: sparse, and only a hint.
 *
 * Files, Kafka's own (big-endian):
 *   .index      8 bytes an entry: u32 last offset of a batch - base, u32 position of that batch
 *   .timeindex 12 bytes an entry: i64 largest timestamp so far, u32 offset of it - base
 * An entry is made for the first batch after every 4 KiB of batches. The newest entries, not
 * yet written to the files, are the tail in memory; a checkpoint or a roll writes them out.
 *
 * Invariant: nothing believes an entry. A reader checks that the batch at the position ends at
 * the offset the entry says, and has the index made again when it does not. So a lost, stale
 * or garbled index costs time and never a wrong answer.
 *
 * Durability: never synced. Threading: the tail is guarded by the partition's lock.
 */
#pragma once

#include "base/vec.h"
#include "env/disk.h"

#define INDEX_INTERVAL 4096

struct segment;

struct index_entry {
	uint32_t last_offset; /* relative to the segment's base */
	uint32_t position;
};

struct time_entry {
	int64_t timestamp;
	uint32_t offset; /* relative */
};

struct index_tail {
	MR_VEC(struct index_entry) offsets;
	MR_VEC(struct time_entry) times;
	uint32_t offsets_filed; /* entries the file holds before the tail's */
	uint32_t times_filed;
	int64_t next_at;         /* the position from which the next entry is due */
	int64_t filed_timestamp; /* the last time entry's */
	int64_t max_timestamp;   /* so far, and the last offset of its batch */
	int64_t max_timestamp_last;
};

void index_tail_init(struct index_tail *tail);
void index_tail_release(struct index_tail *tail);

/* Account for one stable batch (its header) at `position`. */
void index_note(struct segment *segment, const char *batch, int64_t position);
/* A roll: close the time index with the segment's largest timestamp, as Kafka does. */
void index_seal(struct segment *segment);

/* What is to be appended to the two files; taken under the lock, written without it. */
struct index_flush {
	int64_t base;
	uint32_t offsets_at, times_at;
	MR_VEC(struct index_entry) offsets;
	MR_VEC(struct time_entry) times;
};

bool index_flush_take(struct segment *segment, struct index_flush *out); /* false: nothing to write */
/* Writes and releases. A failure leaves a short file, which readers notice. */
void index_flush_write(struct index_flush *flush, struct mr_disk *disk, const char *dir);
/* Forget the first entries of the tail, which a flush has written; under the lock again. */
void index_flush_done(struct segment *segment, uint32_t offsets, uint32_t times);

/* Entries in the two files of a segment, 0 when absent or of no whole number of entries. */
void index_count_files(struct mr_disk *disk, const char *dir, int64_t base, uint32_t *offsets,
		       uint32_t *times);

/* The greatest of the first `count` entries with last_offset <= target: 1 and *out, 0 when none. */
MR_NODISCARD int index_find_offset(struct mr_disk *disk, const char *dir, int64_t base, uint32_t count,
				   uint32_t target, struct index_entry *out, struct mr_error *err);
/* The same by position <= target. */
MR_NODISCARD int index_find_position(struct mr_disk *disk, const char *dir, int64_t base, uint32_t count,
				     uint32_t target, struct index_entry *out, struct mr_error *err);
/* The greatest of the first `count` entries with timestamp < target: 1 and *out, 0 when none. */
MR_NODISCARD int index_find_time(struct mr_disk *disk, const char *dir, int64_t base, uint32_t count,
				 int64_t target, struct time_entry *out, struct mr_error *err);

/* Make the index of the first `size` bytes of the log anew, in memory (tail, initialised).
 * Damage in the log ends it early. */
MR_NODISCARD int index_build(struct mr_disk *disk, const char *dir, int64_t base, int64_t size,
			     struct index_tail *tail, struct mr_error *err);
/* index_build, then replace both files. */
MR_NODISCARD int index_rebuild(struct mr_disk *disk, const char *dir, int64_t base, int64_t size,
			       struct index_tail *tail, struct mr_error *err);
