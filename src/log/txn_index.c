/* log/txn_index.c - writing, reading and rebuilding .txnindex files. See the header. */
#include "log/txn_index.h"

#include "log/batch_bytes.h"

#include <stdlib.h>

#define INDEX_BYTES_MAX (1 << 30)
#define MARKER_BYTES_MAX 512 /* of a control batch; ours have 78 */

void txn_index_encode(const struct txn_aborted *aborted, char entry[TXN_INDEX_ENTRY])
{
	mr_put_be16(entry, 0);
	mr_put_be64(entry + 2, (uint64_t)aborted->producer_id);
	mr_put_be64(entry + 10, (uint64_t)aborted->first_offset);
	mr_put_be64(entry + 18, (uint64_t)aborted->last_offset);
	mr_put_be64(entry + 26, (uint64_t)aborted->last_stable_offset);
}

static struct txn_aborted decode(const char *entry)
{
	return (struct txn_aborted){
	    .producer_id = (int64_t)mr_get_be64(entry + 2),
	    .first_offset = (int64_t)mr_get_be64(entry + 10),
	    .last_offset = (int64_t)mr_get_be64(entry + 18),
	    .last_stable_offset = (int64_t)mr_get_be64(entry + 26),
	};
}

static struct mr_disk *disk_of(const struct log_partition *partition)
{
	return partition->topic->store->env->disk;
}

/* ---- writing ---- */

/* The entries of one segment as a file. */
static int write_segment(struct log_partition *partition, int64_t base, size_t from, size_t to)
{
	struct mr_buf bytes = {0};
	for (size_t i = from; i < to; i++) {
		char entry[TXN_INDEX_ENTRY];
		txn_index_encode(&partition->txns.aborted.items[i], entry);
		mr_buf_append(&bytes, entry, sizeof entry);
	}
	char *path = segment_path(partition->dir, base, ".txnindex");
	struct mr_error quiet;
	int rc = disk_replace_file(disk_of(partition), path, mr_buf_view(&bytes), &quiet);
	free(path);
	mr_buf_release(&bytes);
	return rc;
}

/* Only holders of io_lock change `aborted`, so it may be read here without the partition's lock. */
void txn_index_write(struct log_partition *partition)
{
	struct txn_table *txns = &partition->txns;
	size_t end = txns->aborted.len;
	int rc = 0;
	for (size_t s = partition->segments.len; s-- > 0 && end > txns->filed && rc == 0;) {
		int64_t base = partition->segments.items[s]->base;
		size_t from = end;
		while (from > 0 && txns->aborted.items[from - 1].last_offset >= base)
			from--;
		if (from < end)
			rc = write_segment(partition, base, from, end);
		end = from;
	}
	if (rc == 0)
		txns->filed = txns->aborted.len;
}

/* ---- reading ---- */

static void read_segment(struct log_partition *partition, int64_t base, int64_t offset)
{
	struct mr_buf bytes = {0};
	char *path = segment_path(partition->dir, base, ".txnindex");
	struct mr_error quiet;
	int rc = disk_read_file(disk_of(partition), path, INDEX_BYTES_MAX, &bytes, &quiet);
	free(path);
	for (size_t at = 0; rc == 0 && at + TXN_INDEX_ENTRY <= bytes.len; at += TXN_INDEX_ENTRY) {
		struct txn_aborted aborted = decode(bytes.ptr + at);
		if (aborted.last_offset < offset)
			mr_vec_push(&partition->txns.aborted, aborted);
	}
	mr_buf_release(&bytes);
}

/* ---- making it again ---- */

struct rebuild {
	struct segment_scan scan;
	struct txn_table txns;
	struct mr_error *err;
};

/* Without CRC checks a scan has only headers; a marker's few bytes are read for themselves. */
static int rebuild_note(void *arg, const char *header, int64_t position)
{
	struct rebuild *rebuild = arg;
	char batch[MARKER_BYTES_MAX];
	size_t size = (size_t)bb_size(header), got = BATCH_HEADER_SIZE;
	if (!(mr_get_be16(header + BATCH_AT_ATTRIBUTES) & BATCH_CONTROL)) {
		txns_note(&rebuild->txns, header, BATCH_HEADER_SIZE);
		return 0;
	}
	if (size > sizeof batch)
		return 0;
	int rc = file_read_at(rebuild->scan.file, batch, size, position, &got, rebuild->err);
	if (rc == 0 && got == size)
		txns_note(&rebuild->txns, batch, size);
	return rc;
}

static int rebuild_segment(struct log_partition *partition, struct segment *segment, int64_t offset,
			   struct rebuild *rebuild, struct mr_error *err)
{
	int rc = segment_open_file(segment, disk_of(partition), partition->dir, &partition->lock, err);
	if (rc < 0)
		return rc;
	rebuild->err = err;
	rebuild->scan = (struct segment_scan){
	    .file = segment->file->file,
	    .limit = segment->size,
	    .next_offset = segment->base,
	    .fn = rebuild_note,
	    .arg = rebuild,
	};
	rc = segment_scan(&rebuild->scan, err);
	txns_publish(&rebuild->txns, mr_min_i64(rebuild->scan.next_offset, offset));
	return rc < 0 ? rc : 0; /* 1: damage, which the recovery's own scan names */
}

static int rebuild_all(struct log_partition *partition, int64_t offset, struct mr_error *err)
{
	struct rebuild rebuild = {0};
	int rc = 0;
	for (size_t i = 0; i < partition->segments.len && rc == 0; i++) {
		struct segment *segment = partition->segments.items[i];
		if (segment->base < offset)
			rc = rebuild_segment(partition, segment, offset, &rebuild, err);
	}
	mr_vec_release(&partition->txns.aborted);
	partition->txns.aborted.items = rebuild.txns.aborted.items;
	partition->txns.aborted.len = rebuild.txns.aborted.len;
	partition->txns.aborted.cap = rebuild.txns.aborted.cap;
	mr_vec_release(&rebuild.txns.open);
	partition->txns.filed = 0;
	if (rc == 0)
		txn_index_write(partition);
	return rc;
}

int txn_index_load(struct log_partition *partition, int64_t offset, const struct txn_index_mark *mark,
		   struct mr_error *err)
{
	if (mark->count == 0)
		return 0;
	for (size_t i = 0; i < partition->segments.len; i++)
		read_segment(partition, partition->segments.items[i]->base, offset);
	struct txn_index_mark found = txns_mark(&partition->txns);
	if (found.count != mark->count || found.crc != mark->crc)
		return rebuild_all(partition, offset, err);
	partition->txns.filed = partition->txns.aborted.len;
	return 0;
}
