/* codec/batch.h - Kafka record batches, message format v2 (magic 2).
 *
 * Layout (big-endian; Kafka documentation, "Message Format / Record Batch"):
 *
 *   at  size  field
 *    0   8    baseOffset            patched by the log
 *    8   4    batchLength           bytes after this field
 *   12   4    partitionLeaderEpoch  patched by the log
 *   16   1    magic                 2
 *   17   4    crc                   CRC-32C of everything from `attributes` on
 *   21   2    attributes            0-2 codec, 3 timestamp type, 4 transactional, 5 control
 *   23   4    lastOffsetDelta
 *   27   8    baseTimestamp         ms
 *   35   8    maxTimestamp          ms
 *   43   8    producerId            -1 when none
 *   51   2    producerEpoch
 *   53   4    baseSequence
 *   57   4    recordCount
 *   61   ..   records, compressed as a whole when the codec says so
 *
 * A record (integers zig-zag varints but for the one byte of attributes):
 *
 *   length | attributes 0 | timestampDelta | offsetDelta | keyLength key | valueLength value |
 *   headerCount { keyLength key | valueLength value }
 *
 * A length of -1 is null. A compacted batch, and one whose invalid records went to the dead
 * letters, holds fewer records than lastOffsetDelta + 1, maybe none.
 *
 * Nothing here does I/O; nothing is locked.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "base/varint.h"
#include "codec/compress.h"

#define BATCH_HEADER_SIZE 61
#define BATCH_LENGTH_PREFIX 12 /* baseOffset and batchLength */

enum {
	BATCH_CODEC_MASK = 7,
	BATCH_LOG_APPEND_TIME = 1 << 3,
	BATCH_TRANSACTIONAL = 1 << 4,
	BATCH_CONTROL = 1 << 5,
	BATCH_DELETE_HORIZON = 1 << 6, /* compacted: baseTimestamp says when its tombstones go */
};

struct batch_header {
	int64_t base_offset;
	int32_t batch_length;
	int32_t leader_epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp;
	int64_t max_timestamp;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t record_count;
};

/* The first batch in bytes: its whole size (prefix included), 0 when bytes hold less
 * than one whole batch, MR_ERR_CORRUPT when the length is impossible or the magic unknown. */
MR_NODISCARD int64_t batch_size(mr_str bytes, struct mr_error *err);

/* Decode the header of one whole batch; checks sizes and counts, not the CRC. */
MR_NODISCARD int batch_read_header(mr_str batch, struct batch_header *out, struct mr_error *err);
bool batch_crc_ok(mr_str batch); /* a whole batch */

static inline enum batch_codec batch_codec_of(const struct batch_header *header)
{
	return (enum batch_codec)(header->attributes & BATCH_CODEC_MASK);
}

static inline void batch_patch_offset(char *batch, int64_t base_offset, int32_t leader_epoch)
{
	mr_put_be64(batch, (uint64_t)base_offset);
	mr_put_be32(batch + 12, (uint32_t)leader_epoch);
}

struct record_header {
	mr_str key;
	mr_str value; /* ptr NULL: null */
};

struct record {
	int64_t offset;
	int64_t timestamp; /* ms */
	mr_str key;        /* ptr NULL: null */
	mr_str value;      /* ptr NULL: null (a tombstone on a compacted topic) */
	mr_str headers;    /* still encoded: record_headers() walks them */
	int32_t header_count;
};

/* Iterates the records of one batch. Zero it before first use; the decompression buffer
 * is kept from batch to batch. Records point into the batch, or into the buffer until the
 * next batch_iter_start or _release. The CRC is not looked at: batch_crc_ok. */
struct batch_iter {
	struct batch_header header;
	mr_str rest;
	int32_t left;
	struct mr_buf plain; /* decompressed records */
	size_t plain_limit;  /* against decompression bombs; 0 means 128 MiB */
	struct compression *compression;
};

/* MR_ERR_CORRUPT, MR_ERR_LIMIT past plain_limit, MR_ERR_UNSUPPORTED for an unknown codec. */
MR_NODISCARD int batch_iter_start(struct batch_iter *it, mr_str batch, struct mr_error *err);
/* 1: *out holds the next record; 0: no more; negative: corrupt. */
MR_NODISCARD int batch_iter_next(struct batch_iter *it, struct record *out, struct mr_error *err);
void batch_iter_release(struct batch_iter *it);

/* Walks record->headers; *cursor starts as record->headers. 1, 0 or negative as above. */
MR_NODISCARD int record_header_next(mr_str *cursor, struct record_header *out, struct mr_error *err);

/* Builds one batch. Reusable: _start clears it and keeps the memory. */
struct batch_writer {
	struct mr_buf bytes;  /* header room, then records */
	struct mr_buf packed; /* the same, compressed */
	struct compression *compression;
	int64_t base_timestamp; /* of the first record */
	int64_t max_timestamp;
	bool base_fixed;
	int32_t count;
	int32_t next_delta; /* offset delta of the record added next */
};

/* limit: bytes of the batch before compression; 0 means 128 MiB. */
void batch_writer_init(struct batch_writer *w, size_t limit);
void batch_writer_release(struct batch_writer *w);
void batch_writer_start(struct batch_writer *w);
/* Have this baseTimestamp, not the first record's. Right after _start. */
static inline void batch_writer_base(struct batch_writer *w, int64_t timestamp_ms)
{
	w->base_timestamp = timestamp_ms;
	w->base_fixed = true;
}
/* The bytes are copied. */
void batch_writer_add(struct batch_writer *w, int64_t timestamp_ms, mr_str key, mr_str value,
		      const struct record_header *headers, size_t header_count);
/* Leave a hole: the next record's offset is one further. */
static inline void batch_writer_skip(struct batch_writer *w)
{
	w->next_delta++;
}
static inline size_t batch_writer_size(const struct batch_writer *w)
{
	return w->bytes.len;
}
/* What the record would take at most, in bytes. */
size_t batch_record_size_max(mr_str key, mr_str value, const struct record_header *headers,
			     size_t header_count);
/* Compress, fill in the header and the CRC; no producer id. Records that do not shrink are
 * left plain. *out is valid until the next call on w. MR_ERR_LIMIT when the writer's limit was
 * passed, MR_ERR_INVALID when it holds neither record nor hole. */
MR_NODISCARD int batch_writer_finish(struct batch_writer *w, enum batch_codec codec, mr_str *out,
				     struct mr_error *err);
/* Give the batch that _finish made the producer's numbers and attributes (but the codec) of
 * another one, of which it is a part: for rewriting a producer's batch. Renews the CRC. */
void batch_writer_inherit(struct batch_writer *w, const struct batch_header *from, mr_str batch);
