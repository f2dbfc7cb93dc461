/* log/checkpoint.c - the point from which recovery has to look.
 *
 * A checkpoint syncs every segment written since the last one, writes out their index tails,
 * replaces DIR/checkpoint and begins a new journal generation. Big-endian:
 *
 *   "MRCHKPT2"  u32 crc of the rest  u32 partitions, then per partition
 *     16 topic id  u32 index  i64 segment (-1: none)  i64 position  i64 next offset
 *     i64 partition max timestamp  i64 segment max timestamp  i64 its last offset
 *     i64 next index position  i64 last filed timestamp  u32 .index entries  u32 .timeindex entries
 *     producers (producer_state.c), transactions (txn_table.c)
 *
 * It says: everything of this partition before `position` of `segment` is on disk and good.
 * A lost or bad checkpoint only makes recovery read everything.
 */
#include "log/store.h"
#include "log/txn_index.h"

#include "base/crc32c.h"
#include "base/varint.h"

#include "base/mem.h"

#include <stdlib.h>

static const char magic[8] = "MRCHKPT2";

enum { CHECKPOINT_HEADER = 16, PARTITION_FIXED = 92, CHECKPOINT_MAX = 1 << 30 };

static void put64(struct mr_buf *out, int64_t value)
{
	char be[8];
	mr_put_be64(be, (uint64_t)value);
	mr_buf_append(out, be, 8);
}

static void put32(struct mr_buf *out, uint32_t value)
{
	char be[4];
	mr_put_be32(be, value);
	mr_buf_append(out, be, 4);
}

/* Lock held. */
static void save_partition(const struct log_partition *partition, struct mr_buf *out)
{
	static const struct segment none = {.base = -1, .max_timestamp = -1};
	/* Within a round a newer segment may be there already, of which nothing is stable yet. */
	size_t at = partition->segments.len;
	while (at > 0 && partition->segments.items[at - 1]->base > partition->stable_offset)
		at--;
	const struct segment *segment = at ? partition->segments.items[at - 1] : &none;
	const struct index_tail *index = &segment->index;
	mr_buf_append(out, partition->topic->id, 16);
	put32(out, (uint32_t)partition->index);
	put64(out, segment->base);
	put64(out, segment->stable_size);
	put64(out, partition->stable_offset);
	put64(out, partition->max_timestamp);
	put64(out, index->max_timestamp);
	put64(out, index->max_timestamp_last);
	put64(out, index->next_at);
	put64(out, index->filed_timestamp);
	/* What is in memory is filed before this is written (checkpoint_side_files). */
	put32(out, index->offsets_filed + (uint32_t)index->offsets.len);
	put32(out, index->times_filed + (uint32_t)index->times.len);
	producers_save(&partition->producers, partition->stable_offset, out);
	txns_save(&partition->txns, partition->stable_offset, out);
}

void checkpoint_record(struct log_store *store, struct mr_buf *out)
{
	mr_buf_append(out, magic, 8);
	put64(out, 0);
	uint32_t count = 0;
	pthread_mutex_lock(&store->topics_lock);
	mr_map_each (&store->topics, entry) {
		struct log_topic *topic = entry->value;
		for (int32_t i = 0; i < log_topic_partition_count(topic); i++, count++) {
			struct log_partition *partition = log_partition_at(topic, i);
			pthread_mutex_lock(&partition->lock);
			save_partition(partition, out);
			pthread_mutex_unlock(&partition->lock);
		}
	}
	pthread_mutex_unlock(&store->topics_lock);
	mr_put_be32(out->ptr + 12, count);
	mr_put_be32(out->ptr + 8, mr_crc32c(0, out->ptr + 12, out->len - 12));
}

/* What is in memory of the segments' indexes: the last may have nothing yet; of the others all are filed that
 * lie before the first one that has nothing. */
static struct index_flush *take_indexes(struct log_partition *partition, size_t *count)
{
	MR_VEC(struct index_flush) taken = {0};
	pthread_mutex_lock(&partition->lock);
	size_t last = partition->deleted ? 0 : partition->segments.len;
	for (size_t i = last; i-- > 0;) {
		struct index_flush flush;
		if (index_flush_take(partition->segments.items[i], &flush))
			mr_vec_push(&taken, flush);
		else if (i + 1 < last)
			break;
	}
	pthread_mutex_unlock(&partition->lock);
	*count = taken.len;
	return taken.items;
}

static void write_index(struct log_partition *partition, struct index_flush *flush)
{
	int64_t base = flush->base;
	uint32_t offsets = (uint32_t)flush->offsets.len, times = (uint32_t)flush->times.len;
	index_flush_write(flush, partition->topic->store->env->disk, partition->dir);
	pthread_mutex_lock(&partition->lock);
	struct segment *segment = partition_segment(partition, base);
	if (segment)
		index_flush_done(segment, offsets, times);
	pthread_mutex_unlock(&partition->lock);
}

void checkpoint_side_files(struct log_partition *partition)
{
	if (partition->kafka_files_due) {
		partition->kafka_files_due = false;
		kafka_files_write(partition);
	}
	size_t count;
	struct index_flush *taken = take_indexes(partition, &count);
	for (size_t i = 0; i < count; i++)
		write_index(partition, &taken[i]);
	free(taken);
}

/* A partition that nobody writes to holds neither memory for batches nor a file. */
static void release_idle(struct log_partition *partition, struct segment *segment)
{
	pthread_mutex_lock(&partition->lock);
	struct shared_file *file = segment->file;
	segment->file = NULL;
	if (partition->pending.len == 0)
		mr_buf_release(&partition->pending);
	if (partition->flight.len == 0)
		mr_buf_release(&partition->flight);
	pthread_mutex_unlock(&partition->lock);
	shared_file_drop(file);
}

void checkpoint_tidy(struct log_partition *partition)
{
	size_t count = partition->segments.len;
	txn_index_write(partition);
	for (size_t i = count; i-- > 0;) {
		struct segment *segment = partition->segments.items[i];
		if (i + 1 < count && !segment->file)
			break; /* older ones have been closed by an earlier checkpoint */
		release_idle(partition, segment);
	}
}

int checkpoint_replace(struct log_store *store, mr_str bytes, struct mr_error *err)
{
	char *path = mr_asprintf("%s/checkpoint", store->dir);
	int rc = disk_replace_file(store->env->disk, path, bytes, err);
	free(path);
	return rc;
}

int checkpoint_write(struct log_store *store, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	flush_finish(store); /* or it would put its older record over this one */
	for (size_t i = 0; i < store->dirty.len; i++) {
		struct log_partition *partition = store->dirty.items[i];
		if (partition->deleted)
			continue;
		int rc = partition_sync(partition, err);
		if (rc < 0)
			return rc;
		pthread_mutex_lock(&partition->sync_lock);
		checkpoint_side_files(partition);
		pthread_mutex_unlock(&partition->sync_lock);
		checkpoint_tidy(partition);
	}
	checkpoint_record(store, &bytes);
	int rc = checkpoint_replace(store, mr_buf_view(&bytes), err);
	mr_buf_release(&bytes);
	if (rc == 0)
		rc = journal_start(store->journal, true, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < store->dirty.len; i++)
		store->dirty.items[i]->dirty = false;
	store->dirty.len = 0;
	store->direct_bytes = 0;
	store->journal_broken = false;
	store->flush_failed = false;
	store->checkpoints++;
	return 0;
}

static struct log_partition *find_partition(struct log_store *store, const char *at)
{
	uint8_t id[16];
	memcpy(id, at, 16);
	struct log_topic *topic = topic_by_id(store, id);
	return topic ? log_partition_at(topic, (int32_t)mr_get_be32(at + 16)) : NULL;
}

static int64_t get64(const char *at)
{
	return (int64_t)mr_get_be64(at);
}

/* Returns the bytes used, 0 when they are not what save_partition wrote. */
static size_t load_partition(struct log_store *store, mr_str bytes)
{
	if (bytes.len < PARTITION_FIXED)
		return 0;
	const char *at = bytes.ptr;
	struct log_partition *partition = find_partition(store, at);
	struct producer_table no_producers = {0};
	struct txn_table no_txns = {0};
	struct txn_index_mark mark = {0};
	size_t producers = producers_load(partition ? &partition->producers : &no_producers,
					  mr_str_tail(bytes, PARTITION_FIXED));
	size_t txns = producers == 0 ? 0
				     : txns_load(partition ? &partition->txns : &no_txns,
						 mr_str_tail(bytes, PARTITION_FIXED + producers), &mark);
	producers_release(&no_producers);
	txns_release(&no_txns);
	if (txns == 0)
		return 0;
	if (partition) {
		partition->checkpoint = (struct partition_checkpoint){
		    .present = true,
		    .segment = get64(at + 20),
		    .position = get64(at + 28),
		    .next_offset = get64(at + 36),
		    .max_timestamp = get64(at + 44),
		    .index = {.max_timestamp = get64(at + 52),
			      .max_timestamp_last = get64(at + 60),
			      .next_at = get64(at + 68),
			      .filed_timestamp = get64(at + 76),
			      .offsets_filed = mr_get_be32(at + 84),
			      .times_filed = mr_get_be32(at + 88)},
		    .txns = mark,
		};
	}
	return PARTITION_FIXED + producers + txns;
}

int checkpoint_load(struct log_store *store, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	char *path = mr_asprintf("%s/checkpoint", store->dir);
	int rc = disk_read_file(store->env->disk, path, CHECKPOINT_MAX, &bytes, err);
	free(path);
	mr_str rest = mr_str_tail(mr_buf_view(&bytes), CHECKPOINT_HEADER);
	bool good = rc == 0 && bytes.len >= CHECKPOINT_HEADER && memcmp(bytes.ptr, magic, 8) == 0 &&
		    mr_get_be32(bytes.ptr + 8) == mr_crc32c(0, bytes.ptr + 12, bytes.len - 12);
	store->checkpoint_lost = !good;
	uint32_t count = good ? mr_get_be32(bytes.ptr + 12) : 0;
	for (uint32_t i = 0; i < count; i++) {
		size_t used = load_partition(store, rest);
		if (used == 0)
			break;
		rest = mr_str_tail(rest, used);
	}
	mr_buf_release(&bytes);
	return rc == 0 || rc == MR_ERR_NOT_FOUND ? 0 : rc;
}
