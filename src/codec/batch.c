#include "codec/batch.h"

#include "base/crc32c.h"
#include "base/mem.h"

#define PLAIN_LIMIT ((size_t)128 << 20)
#define MAGIC 2
#define VARINT_MAX 10
#define CRC_FROM 21 /* the CRC covers everything from `attributes` on */
/* length, attributes, timestamp, offset, two lengths, header count */
#define RECORD_OVERHEAD_MAX (5 + 1 + VARINT_MAX + 5 + 5 + 5 + 5)

/* ---- the header ---- */

int64_t batch_size(mr_str bytes, struct mr_error *err)
{
	if (bytes.len < BATCH_LENGTH_PREFIX)
		return 0;
	int32_t length = (int32_t)mr_get_be32(bytes.ptr + 8);
	if (length < BATCH_HEADER_SIZE - BATCH_LENGTH_PREFIX || length > INT32_MAX - BATCH_LENGTH_PREFIX)
		return mr_fail(err, MR_ERR_CORRUPT, "record batch with the impossible length %d", length);
	if (bytes.len > 16 && bytes.ptr[16] != MAGIC)
		return mr_fail(err, MR_ERR_CORRUPT, "record batch of message format %d; only 2 is known",
			       bytes.ptr[16]);
	int64_t size = (int64_t)length + BATCH_LENGTH_PREFIX;
	return (uint64_t)size > bytes.len ? 0 : size;
}

static void header_get(const char *p, struct batch_header *h)
{
	h->base_offset = (int64_t)mr_get_be64(p);
	h->batch_length = (int32_t)mr_get_be32(p + 8);
	h->leader_epoch = (int32_t)mr_get_be32(p + 12);
	h->magic = (int8_t)p[16];
	h->crc = mr_get_be32(p + 17);
	h->attributes = (int16_t)mr_get_be16(p + 21);
	h->last_offset_delta = (int32_t)mr_get_be32(p + 23);
	h->base_timestamp = (int64_t)mr_get_be64(p + 27);
	h->max_timestamp = (int64_t)mr_get_be64(p + 35);
	h->producer_id = (int64_t)mr_get_be64(p + 43);
	h->producer_epoch = (int16_t)mr_get_be16(p + 51);
	h->base_sequence = (int32_t)mr_get_be32(p + 53);
	h->record_count = (int32_t)mr_get_be32(p + 57);
}

static void header_put(char *p, const struct batch_header *h)
{
	mr_put_be64(p, (uint64_t)h->base_offset);
	mr_put_be32(p + 8, (uint32_t)h->batch_length);
	mr_put_be32(p + 12, (uint32_t)h->leader_epoch);
	p[16] = (char)h->magic;
	mr_put_be16(p + 21, (uint16_t)h->attributes);
	mr_put_be32(p + 23, (uint32_t)h->last_offset_delta);
	mr_put_be64(p + 27, (uint64_t)h->base_timestamp);
	mr_put_be64(p + 35, (uint64_t)h->max_timestamp);
	mr_put_be64(p + 43, (uint64_t)h->producer_id);
	mr_put_be16(p + 51, (uint16_t)h->producer_epoch);
	mr_put_be32(p + 53, (uint32_t)h->base_sequence);
	mr_put_be32(p + 57, (uint32_t)h->record_count);
}

static void header_seal(char *batch, size_t size)
{
	mr_put_be32(batch + 17, mr_crc32c(0, batch + CRC_FROM, size - CRC_FROM));
}

int batch_read_header(mr_str batch, struct batch_header *out, struct mr_error *err)
{
	if (batch.len < BATCH_HEADER_SIZE)
		return mr_fail(err, MR_ERR_CORRUPT, "record batch of %zu bytes is shorter than its header",
			       batch.len);
	struct batch_header h;
	header_get(batch.ptr, &h);
	if (h.magic != MAGIC)
		return mr_fail(err, MR_ERR_CORRUPT, "record batch of message format %d; only 2 is known",
			       h.magic);
	if (h.batch_length < 0 || (size_t)h.batch_length + BATCH_LENGTH_PREFIX != batch.len)
		return mr_fail(err, MR_ERR_CORRUPT, "record batch says %d bytes and has %zu", h.batch_length,
			       batch.len - BATCH_LENGTH_PREFIX);
	if (h.record_count < 0 || h.last_offset_delta < 0 ||
	    (int64_t)h.record_count > (int64_t)h.last_offset_delta + 1)
		return mr_fail(err, MR_ERR_CORRUPT, "record batch says %d records in %lld offsets",
			       h.record_count, (long long)h.last_offset_delta + 1);
	*out = h;
	return 0;
}

bool batch_crc_ok(mr_str batch)
{
	return batch.len >= BATCH_HEADER_SIZE &&
	       mr_get_be32(batch.ptr + 17) == mr_crc32c(0, batch.ptr + CRC_FROM, batch.len - CRC_FROM);
}

/* ---- reading records ---- */

/* A reader with a sticky error: after a bad read it stands at its end and gives zeros. */
struct reader {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static __attribute__((noinline)) int64_t read_varint_slow(struct reader *r)
{
	uint64_t v;
	size_t n = mr_get_uvarint(r->p, (size_t)(r->end - r->p), &v);
	if (n == 0) {
		r->bad = true;
		r->p = r->end;
		return 0;
	}
	r->p += n;
	return mr_unzigzag(v);
}

static inline int64_t read_varint(struct reader *r)
{
	if (MR_LIKELY(r->p < r->end && *r->p < 0x80))
		return mr_unzigzag(*r->p++);
	if (r->end - r->p >= 2 && r->p[1] < 0x80) {
		uint64_t v = (r->p[0] & 0x7fu) | (uint64_t)r->p[1] << 7;
		r->p += 2;
		return mr_unzigzag(v);
	}
	return read_varint_slow(r);
}

/* A length and that many bytes; -1 is null. */
static inline mr_str read_bytes(struct reader *r)
{
	int64_t len = read_varint(r);
	if (MR_LIKELY((uint64_t)len <= (uint64_t)(r->end - r->p))) {
		mr_str s = {(const char *)r->p, (size_t)len};
		r->p += len;
		return s;
	}
	if (len != -1) {
		r->bad = true;
		r->p = r->end;
	}
	return MR_STR_NULL;
}

int batch_iter_start(struct batch_iter *it, mr_str batch, struct mr_error *err)
{
	it->left = 0;
	it->rest = MR_STR_NULL;
	struct batch_header header;
	int rc = batch_read_header(batch, &header, err);
	if (rc)
		return rc;
	mr_str records = mr_str_tail(batch, BATCH_HEADER_SIZE);
	int codec = header.attributes & BATCH_CODEC_MASK;
	/* An empty batch has nothing to decode, whatever its codec. */
	if (codec != BATCH_NONE && (header.record_count || records.len)) {
		if (!it->compression)
			it->compression = compression_new();
		mr_buf_clear(&it->plain);
		rc = decompress_append(it->compression, codec, records,
				       it->plain_limit ? it->plain_limit : PLAIN_LIMIT, &it->plain, err);
		if (rc)
			return rc;
		records = mr_buf_view(&it->plain);
	}
	it->header = header;
	it->rest = records;
	it->left = header.record_count;
	return 0;
}

static int record_corrupt(struct batch_iter *it, struct mr_error *err)
{
	int32_t index = it->header.record_count - it->left;
	it->left = 0;
	it->rest = MR_STR_NULL;
	return mr_fail(err, MR_ERR_CORRUPT, "record %d of %d in the batch at offset %lld is malformed", index,
		       it->header.record_count, (long long)it->header.base_offset);
}

int batch_iter_next(struct batch_iter *it, struct record *out, struct mr_error *err)
{
	if (it->left == 0)
		return it->rest.len ? record_corrupt(it, err) : 0;
	struct reader r = {(const uint8_t *)it->rest.ptr, (const uint8_t *)it->rest.ptr + it->rest.len,
			   false};
	int64_t length = read_varint(&r);
	if (length < 0 || length > r.end - r.p || length == 0)
		return record_corrupt(it, err);
	const uint8_t *end = r.p + length;
	size_t rest = (size_t)(r.end - end);
	r.end = end;
	r.p++; /* attributes: no bit is defined */
	int64_t timestamp_delta = read_varint(&r);
	int64_t offset_delta = read_varint(&r);
	mr_str key = read_bytes(&r);
	mr_str value = read_bytes(&r);
	int64_t header_count = read_varint(&r);
	size_t headers = (size_t)(end - r.p);
	/* A header is two bytes at least. */
	if (r.bad || (uint64_t)offset_delta > (uint64_t)it->header.last_offset_delta ||
	    (uint64_t)header_count > headers / 2 || (header_count == 0 && headers))
		return record_corrupt(it, err);
	out->offset = (int64_t)((uint64_t)it->header.base_offset + (uint64_t)offset_delta);
	out->timestamp = it->header.attributes & BATCH_LOG_APPEND_TIME
			     ? it->header.max_timestamp
			     : (int64_t)((uint64_t)it->header.base_timestamp + (uint64_t)timestamp_delta);
	out->key = key;
	out->value = value;
	out->headers = (mr_str){(const char *)r.p, headers};
	out->header_count = (int32_t)header_count;
	it->rest = (mr_str){(const char *)end, rest};
	it->left--;
	return 1;
}

void batch_iter_release(struct batch_iter *it)
{
	mr_buf_release(&it->plain);
	compression_free(it->compression);
	*it = (struct batch_iter){.plain_limit = it->plain_limit};
}

int record_header_next(mr_str *cursor, struct record_header *out, struct mr_error *err)
{
	if (cursor->len == 0)
		return 0;
	struct reader r = {(const uint8_t *)cursor->ptr, (const uint8_t *)cursor->ptr + cursor->len, false};
	struct record_header header;
	header.key = read_bytes(&r);
	header.value = read_bytes(&r);
	if (r.bad || !header.key.ptr) {
		*cursor = MR_STR_NULL;
		return mr_fail(err, MR_ERR_CORRUPT, "malformed record header");
	}
	*out = header;
	*cursor = (mr_str){(const char *)r.p, (size_t)(r.end - r.p)};
	return 1;
}

/* ---- writing ---- */

void batch_writer_init(struct batch_writer *w, size_t limit)
{
	*w = (struct batch_writer){0};
	if (limit == 0)
		limit = PLAIN_LIMIT;
	mr_buf_init(&w->bytes, mr_min_size(limit, INT32_MAX - BATCH_LENGTH_PREFIX));
	mr_buf_init(&w->packed, 0); /* only kept when smaller than bytes */
	batch_writer_start(w);
}

void batch_writer_release(struct batch_writer *w)
{
	mr_buf_release(&w->bytes);
	mr_buf_release(&w->packed);
	compression_free(w->compression);
	w->compression = NULL;
	w->count = w->next_delta = 0;
}

void batch_writer_start(struct batch_writer *w)
{
	mr_buf_clear(&w->bytes);
	static const char room[BATCH_HEADER_SIZE];
	mr_buf_append(&w->bytes, room, sizeof room);
	w->count = 0;
	w->next_delta = 0;
	w->base_fixed = false;
	w->base_timestamp = w->max_timestamp = -1;
}

static size_t bytes_size(mr_str s)
{
	return s.ptr ? mr_uvarint_size(mr_zigzag((int64_t)s.len)) + s.len : 1;
}

static char *put_varint(char *p, int64_t v)
{
	return p + mr_put_uvarint(p, mr_zigzag(v));
}

static char *put_bytes(char *p, mr_str s)
{
	if (!s.ptr)
		return put_varint(p, -1);
	p = put_varint(p, (int64_t)s.len);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	return p + s.len;
}

static size_t headers_size(const struct record_header *headers, size_t count)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += bytes_size(headers[i].key) + bytes_size(headers[i].value);
	return size;
}

size_t batch_record_size_max(mr_str key, mr_str value, const struct record_header *headers,
			     size_t header_count)
{
	return RECORD_OVERHEAD_MAX + key.len + value.len + headers_size(headers, header_count);
}

void batch_writer_add(struct batch_writer *w, int64_t timestamp_ms, mr_str key, mr_str value,
		      const struct record_header *headers, size_t header_count)
{
	if (w->count == 0) {
		w->max_timestamp = timestamp_ms;
		if (!w->base_fixed)
			w->base_timestamp = timestamp_ms;
	}
	int64_t timestamp_delta = (int64_t)((uint64_t)timestamp_ms - (uint64_t)w->base_timestamp);
	size_t body = 1 + mr_uvarint_size(mr_zigzag(timestamp_delta)) +
		      mr_uvarint_size(mr_zigzag(w->next_delta)) + bytes_size(key) + bytes_size(value) +
		      mr_uvarint_size(mr_zigzag((int64_t)header_count)) + headers_size(headers, header_count);
	if (!mr_buf_reserve(&w->bytes, body + VARINT_MAX))
		return; /* sticky; _finish tells */
	char *p = w->bytes.ptr + w->bytes.len;
	p = put_varint(p, (int64_t)body);
	*p++ = 0; /* attributes */
	p = put_varint(p, timestamp_delta);
	p = put_varint(p, w->next_delta);
	p = put_bytes(p, key);
	p = put_bytes(p, value);
	p = put_varint(p, (int64_t)header_count);
	for (size_t i = 0; i < header_count; i++) {
		p = put_bytes(p, headers[i].key.ptr ? headers[i].key : MR_STR(""));
		p = put_bytes(p, headers[i].value);
	}
	w->bytes.len = (size_t)(p - w->bytes.ptr);
	w->max_timestamp = mr_max_i64(w->max_timestamp, timestamp_ms);
	w->count++;
	w->next_delta++;
}

/* The batch's bytes, packed when that makes it smaller; *codec is what was used. */
static int writer_pack(struct batch_writer *w, enum batch_codec *codec, struct mr_buf **out,
		       struct mr_error *err)
{
	*out = &w->bytes;
	if (*codec == BATCH_NONE || w->count == 0) {
		*codec = BATCH_NONE;
		return 0;
	}
	if (!w->compression)
		w->compression = compression_new();
	mr_buf_clear(&w->packed);
	mr_buf_append(&w->packed, w->bytes.ptr, BATCH_HEADER_SIZE);
	mr_str plain = mr_str_tail(mr_buf_view(&w->bytes), BATCH_HEADER_SIZE);
	int rc = compress_append(w->compression, *codec, plain, &w->packed, err);
	if (rc)
		return rc;
	if (w->packed.len < w->bytes.len)
		*out = &w->packed;
	else
		*codec = BATCH_NONE;
	return 0;
}

int batch_writer_finish(struct batch_writer *w, enum batch_codec codec, mr_str *out, struct mr_error *err)
{
	if (w->bytes.overflow)
		return mr_fail(err, MR_ERR_LIMIT, "record batch is larger than %zu bytes", w->bytes.limit);
	if (w->next_delta == 0)
		return mr_fail(err, MR_ERR_INVALID, "record batch without a record");
	struct mr_buf *bytes;
	int rc = writer_pack(w, &codec, &bytes, err);
	if (rc)
		return rc;
	struct batch_header header = {
	    .batch_length = (int32_t)(bytes->len - BATCH_LENGTH_PREFIX),
	    .leader_epoch = -1,
	    .magic = MAGIC,
	    .attributes = (int16_t)codec,
	    .last_offset_delta = w->next_delta - 1,
	    .base_timestamp = w->base_timestamp,
	    .max_timestamp = w->max_timestamp,
	    .producer_id = -1,
	    .producer_epoch = -1,
	    .base_sequence = -1,
	    .record_count = w->count,
	};
	header_put(bytes->ptr, &header);
	header_seal(bytes->ptr, bytes->len);
	*out = mr_buf_view(bytes);
	return 0;
}

void batch_writer_inherit(struct batch_writer *w, const struct batch_header *from, mr_str batch)
{
	char *p = w->bytes.ptr == batch.ptr ? w->bytes.ptr : w->packed.ptr;
	MR_ASSERT(p == batch.ptr);
	struct batch_header header;
	header_get(p, &header);
	header.attributes =
	    (int16_t)((header.attributes & BATCH_CODEC_MASK) | (from->attributes & ~BATCH_CODEC_MASK));
	if (header.record_count == 0) {
		header.base_timestamp = w->base_fixed ? w->base_timestamp : from->base_timestamp;
		header.max_timestamp = from->max_timestamp;
	}
	header.producer_id = from->producer_id;
	header.producer_epoch = from->producer_epoch;
	header.base_sequence = from->base_sequence;
	header_put(p, &header);
	header_seal(p, batch.len);
}
