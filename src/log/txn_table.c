/* log/txn_table.c - transactions of a partition in memory, and the bytes of their markers.
 *
 * Saved form, big-endian: open u32, then per transaction producer id i64, first offset i64; then
 * aborted u32 and their CRC u32.
 */
#include "log/txn_table.h"

#include "log/batch_bytes.h"
#include "log/txn_index.h"

enum { OPEN_SAVED = 16, MARK_SAVED = 8, MARKER_RECORD = 17 };

void txns_release(struct txn_table *table)
{
	mr_vec_release(&table->open);
	mr_vec_release(&table->aborted);
}

static struct txn_open *find_undecided(const struct txn_table *table, int64_t producer_id)
{
	for (size_t i = table->open.len; i-- > 0;) {
		struct txn_open *open = &table->open.items[i];
		if (open->producer_id == producer_id && open->last_offset < 0)
			return open;
	}
	return NULL;
}

int64_t txns_undecided(const struct txn_table *table, int64_t producer_id)
{
	const struct txn_open *open = find_undecided(table, producer_id);
	return open ? open->first_offset : -1;
}

int64_t txns_last_stable(const struct txn_table *table, int64_t stable)
{
	return table->open.len ? mr_min_i64(stable, table->open.items[0].first_offset) : stable;
}

/* Where readers will stand once this one is out of the way and its marker is stable. */
static int64_t stable_without(const struct txn_table *table, const struct txn_open *but, int64_t marker)
{
	for (size_t i = 0; i < table->open.len; i++) {
		const struct txn_open *open = &table->open.items[i];
		if (open != but && open->last_offset < 0)
			return open->first_offset;
	}
	return marker + 1;
}

static void decide(struct txn_table *table, int64_t producer_id, int64_t marker, bool commit)
{
	struct txn_open *open = find_undecided(table, producer_id);
	if (!open || open->first_offset > marker)
		return;
	open->last_stable_offset = stable_without(table, open, marker);
	open->last_offset = marker;
	open->aborted = !commit;
}

void txns_note(struct txn_table *table, const char *batch, size_t size)
{
	unsigned attributes = mr_get_be16(batch + BATCH_AT_ATTRIBUTES);
	int64_t producer_id = bb_producer_id(batch);
	if (!(attributes & BATCH_TRANSACTIONAL) || producer_id < 0)
		return;
	if (attributes & BATCH_CONTROL) {
		int32_t coordinator_epoch;
		int kind = txn_marker_read(batch, size, &coordinator_epoch);
		if (kind >= 0)
			decide(table, producer_id, bb_offset(batch), kind == 1);
	} else if (!find_undecided(table, producer_id)) {
		mr_vec_push(&table->open, (struct txn_open){
					      .producer_id = producer_id,
					      .first_offset = bb_offset(batch),
					      .last_offset = -1,
					  });
	}
}

static void add_aborted(struct txn_table *table, const struct txn_open *open)
{
	size_t len = table->aborted.len;
	if (len > 0 && table->aborted.items[len - 1].last_offset >= open->last_offset)
		return; /* a second look at the same marker */
	mr_vec_push(&table->aborted, (struct txn_aborted){open->producer_id, open->first_offset,
							  open->last_offset, open->last_stable_offset});
}

/* The decided one with the least marker below `stable`; -1 when there is none. */
static ptrdiff_t next_decided(const struct txn_table *table, int64_t stable)
{
	ptrdiff_t least = -1;
	for (size_t i = 0; i < table->open.len; i++) {
		const struct txn_open *open = &table->open.items[i];
		if (open->last_offset < 0 || open->last_offset >= stable)
			continue;
		if (least < 0 || open->last_offset < table->open.items[least].last_offset)
			least = (ptrdiff_t)i;
	}
	return least;
}

void txns_publish(struct txn_table *table, int64_t stable)
{
	ptrdiff_t at;
	while ((at = next_decided(table, stable)) >= 0) {
		if (table->open.items[at].aborted)
			add_aborted(table, &table->open.items[at]);
		mr_vec_remove(&table->open, (size_t)at);
	}
}

void txns_roll_back(struct txn_table *table, int64_t offset)
{
	for (size_t i = table->open.len; i-- > 0;) {
		struct txn_open *open = &table->open.items[i];
		if (open->first_offset >= offset)
			mr_vec_remove(&table->open, i);
		else if (open->last_offset >= offset)
			open->last_offset = -1;
	}
}

void txns_drop_before(struct txn_table *table, int64_t offset)
{
	size_t gone = 0;
	while (gone < table->aborted.len && table->aborted.items[gone].last_offset < offset)
		gone++;
	if (gone == 0)
		return;
	memmove(table->aborted.items, table->aborted.items + gone,
		(table->aborted.len - gone) * sizeof table->aborted.items[0]);
	table->aborted.len -= gone;
	table->filed -= mr_min_size(gone, table->filed);
}

/* ---- the checkpoint ---- */

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

struct txn_index_mark txns_mark(const struct txn_table *table)
{
	struct txn_index_mark mark = {.count = (uint32_t)table->aborted.len};
	for (size_t i = 0; i < table->aborted.len; i++) {
		char entry[TXN_INDEX_ENTRY];
		txn_index_encode(&table->aborted.items[i], entry);
		mark.crc = mr_crc32c(mark.crc, entry, sizeof entry);
	}
	return mark;
}

void txns_save(const struct txn_table *table, int64_t offset, struct mr_buf *out)
{
	size_t at = out->len;
	uint32_t saved = 0;
	put32(out, 0);
	for (size_t i = 0; i < table->open.len; i++) {
		const struct txn_open *open = &table->open.items[i];
		if (open->first_offset >= offset)
			continue;
		put64(out, open->producer_id);
		put64(out, open->first_offset);
		saved++;
	}
	mr_put_be32(out->ptr + at, saved);
	struct txn_index_mark mark = txns_mark(table);
	put32(out, mark.count);
	put32(out, mark.crc);
}

size_t txns_load(struct txn_table *table, mr_str bytes, struct txn_index_mark *mark)
{
	if (bytes.len < 4)
		return 0;
	size_t count = mr_get_be32(bytes.ptr);
	size_t size = 4 + count * OPEN_SAVED + MARK_SAVED;
	if (bytes.len < size)
		return 0;
	for (size_t i = 0; i < count; i++) {
		const char *from = bytes.ptr + 4 + i * OPEN_SAVED;
		mr_vec_push(&table->open, (struct txn_open){
					      .producer_id = (int64_t)mr_get_be64(from),
					      .first_offset = (int64_t)mr_get_be64(from + 8),
					      .last_offset = -1,
					  });
	}
	mark->count = mr_get_be32(bytes.ptr + size - 8);
	mark->crc = mr_get_be32(bytes.ptr + size - 4);
	return size;
}

/* ---- markers ----
 *
 * One record: key  i16 version 0, i16 type (0 abort, 1 commit)
 *             value i16 version 0, i32 coordinator epoch
 */

void txn_marker_write(char batch[TXN_MARKER_SIZE], int64_t producer_id, int16_t epoch, bool commit,
		      int32_t coordinator_epoch, int64_t now_ms)
{
	static const char record[MARKER_RECORD] = {
	    2 * (MARKER_RECORD - 1), 0, 0, 0, 2 * 4, 0, 0, 0, 0, 2 * 6};
	memset(batch, 0, TXN_MARKER_SIZE);
	mr_put_be32(batch + BATCH_AT_LENGTH, TXN_MARKER_SIZE - BATCH_LENGTH_PREFIX);
	batch[BATCH_AT_MAGIC] = 2;
	mr_put_be16(batch + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL | BATCH_CONTROL);
	mr_put_be64(batch + 27, (uint64_t)now_ms);
	mr_put_be64(batch + 35, (uint64_t)now_ms);
	mr_put_be64(batch + 43, (uint64_t)producer_id);
	mr_put_be16(batch + 51, (uint16_t)epoch);
	mr_put_be32(batch + 53, UINT32_MAX);
	mr_put_be32(batch + 57, 1);
	char *at = batch + BATCH_HEADER_SIZE;
	memcpy(at, record, sizeof record);
	mr_put_be16(at + 7, commit);
	mr_put_be32(at + 12, (uint32_t)coordinator_epoch);
	mr_put_be32(batch + BATCH_AT_CRC, bb_compute_crc(batch, TXN_MARKER_SIZE));
}

static size_t get_varint(mr_str bytes, int64_t *out)
{
	uint64_t raw;
	size_t used = mr_get_uvarint(bytes.ptr, bytes.len, &raw);
	if (used > 0)
		*out = mr_unzigzag(raw);
	return used;
}

int txn_marker_read(const char *batch, size_t size, int32_t *coordinator_epoch)
{
	mr_str rest = mr_str_n(batch + BATCH_HEADER_SIZE, size - BATCH_HEADER_SIZE);
	static const bool is_byte[] = {false, true, false, false, false};
	int64_t value = -1; /* length, attributes, two deltas, the key's length */
	for (size_t i = 0; i < MR_COUNT(is_byte); i++) {
		size_t used = is_byte[i] ? rest.len > 0 : get_varint(rest, &value);
		if (used == 0)
			return -1;
		rest = mr_str_tail(rest, used);
	}
	if (value < 4 || rest.len < 4)
		return -1;
	unsigned type = mr_get_be16(rest.ptr + 2);
	rest = mr_str_tail(rest, (size_t)mr_min_i64(value, (int64_t)rest.len));
	size_t used = get_varint(rest, &value);
	rest = mr_str_tail(rest, used);
	*coordinator_epoch = used && value >= 6 && rest.len >= 6 ? (int32_t)mr_get_be32(rest.ptr + 2) : -1;
	return type <= 1 ? (int)type : -1;
}
