/* log/journal.h - the write-ahead journal all partitions share: one sync for all of them.
 *
 * Two preset (zero-filled, overwritten) files, DIR/journal/{0,1}.wal, used in turn. A use of a
 * file is a *generation*. All integers big-endian.
 *
 *   header, at 0, one sector   "MRJRNL01"  u32 crc of the rest  u32 0  u64 generation
 *                              u64 floor  u64 nonce
 *   frames, from 4096, each    u32 "MRJF"  u32 crc of the rest  u64 nonce  u32 number  u32 length
 *   at a multiple of 512       u32 entries  u32 0, then the entries
 *   an entry                   16 topic id  u32 partition  u32 length  i64 segment  i64 position,
 *                              then the bytes, as they stand in the segment
 *
 * Replay is physical: the bytes of an entry belong at that place of that segment, the latest
 * entry wins. Frames count up from 0 and carry the generation's random nonce, so what an earlier
 * use left in the file never replays; generations below the newest header's floor are void.
 *
 * Durability: a frame is safe after journal_sync. A file is started again only when its
 * segments have been synced (checkpoint.c), or its content is void.
 * Threading: one user at a time (the store's io_lock), but for journal_grow_ahead.
 */
#pragma once

#include "base/buf.h"
#include "env/env.h"

struct journal;

struct journal_entry {
	uint8_t topic_id[16];
	int32_t partition;
	int64_t segment;
	int64_t position;
	mr_str bytes;
};

/* Opens what is there; nothing can be added before journal_start. */
MR_NODISCARD int journal_open(const struct env *env, const char *dir, size_t file_bytes, struct journal **out,
			      struct mr_error *err);
void journal_close(struct journal *journal); /* NULL is fine; writes nothing */

typedef int (*journal_replay_fn)(void *arg, const struct journal_entry *entry, struct mr_error *err);
/* Every entry of every frame that was synced, oldest first; perhaps some that were not. */
MR_NODISCARD int journal_replay(struct journal *journal, journal_replay_fn fn, void *arg,
				struct mr_error *err);

/* Begin the next generation in the other file. `forget`: every earlier generation is void, and
 * that is durable on return; else the previous one stays valid until the next start. */
MR_NODISCARD int journal_start(struct journal *journal, bool forget, struct mr_error *err);

/* Would `entries` entries of `bytes` in total fit what is left / an empty file? */
bool journal_has_room(const struct journal *journal, size_t entries, size_t bytes);
bool journal_could_hold(const struct journal *journal, size_t entries, size_t bytes);

/* The file that is not written now, once the segments it names are synced: a step towards twice its size if
 * its last use filled it; 1 when there may be more to do. May run beside journal_add and journal_sync,
 * which use the other file, but not beside journal_start. A failure leaves it as large as it was. */
MR_NODISCARD int journal_grow_ahead(struct journal *journal, struct mr_error *err);

MR_NODISCARD int journal_add(struct journal *journal, const struct journal_entry *entry,
			     struct mr_error *err);
/* Write the last frame and make all that was added durable. */
MR_NODISCARD int journal_sync(struct journal *journal, struct mr_error *err);

/* The one that is written, and the oldest that a replay would look at. */
uint64_t journal_generation(const struct journal *journal);
uint64_t journal_floor(const struct journal *journal);

size_t journal_size(const struct journal *journal);            /* of each of its two files, at most */
uint64_t journal_bytes_written(const struct journal *journal); /* since open */
