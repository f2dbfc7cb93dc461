/* log/batch_bytes.h - the few header fields of a record batch that the log reads and patches.
 *
 * Format: codec/batch.h has the table. These take a pointer to bytes that hold at least
 * BATCH_HEADER_SIZE; the log calls them per batch on its hot path, so they are inline.
 */
#pragma once

#include "base/crc32c.h"
#include "base/error.h"
#include "base/varint.h"
#include "codec/batch.h"

enum { BATCH_AT_LENGTH = 8, BATCH_AT_MAGIC = 16, BATCH_AT_CRC = 17, BATCH_AT_ATTRIBUTES = 21 };

static inline int64_t bb_offset(const char *batch)
{
	return (int64_t)mr_get_be64(batch);
}

/* The whole batch with its prefix; may be nonsense in damaged bytes. */
static inline int64_t bb_size(const char *batch)
{
	return (int64_t)(int32_t)mr_get_be32(batch + BATCH_AT_LENGTH) + BATCH_LENGTH_PREFIX;
}

static inline int64_t bb_last_offset(const char *batch)
{
	return bb_offset(batch) + (int32_t)mr_get_be32(batch + 23);
}

static inline int64_t bb_next_offset(const char *batch)
{
	return bb_last_offset(batch) + 1;
}

static inline int64_t bb_max_timestamp(const char *batch)
{
	return (int64_t)mr_get_be64(batch + 35);
}

static inline int64_t bb_producer_id(const char *batch)
{
	return (int64_t)mr_get_be64(batch + 43);
}

static inline int16_t bb_producer_epoch(const char *batch)
{
	return (int16_t)mr_get_be16(batch + 51);
}

static inline int32_t bb_base_sequence(const char *batch)
{
	return (int32_t)mr_get_be32(batch + 53);
}

static inline int32_t bb_last_delta(const char *batch)
{
	return (int32_t)mr_get_be32(batch + 23);
}

static inline int32_t bb_count(const char *batch)
{
	return (int32_t)mr_get_be32(batch + 57);
}

static inline uint32_t bb_compute_crc(const char *batch, size_t size)
{
	return mr_crc32c(0, batch + BATCH_AT_ATTRIBUTES, size - BATCH_AT_ATTRIBUTES);
}

/* Sizes, magic and counts agree; says nothing about the bytes behind the header. */
static inline bool bb_header_ok(const char *batch)
{
	return bb_size(batch) >= BATCH_HEADER_SIZE && batch[BATCH_AT_MAGIC] == 2 &&
	       bb_last_delta(batch) >= 0 && bb_offset(batch) >= 0 && bb_count(batch) >= 0;
}

static inline bool bb_crc_ok(const char *batch, size_t size)
{
	return bb_compute_crc(batch, size) == mr_get_be32(batch + BATCH_AT_CRC);
}

/* Stamp the log's append time on every record: Kafka puts it into maxTimestamp. */
static inline void bb_stamp(char *batch, size_t size, int64_t now_ms)
{
	uint16_t attributes = mr_get_be16(batch + BATCH_AT_ATTRIBUTES);
	mr_put_be16(batch + BATCH_AT_ATTRIBUTES, attributes | BATCH_LOG_APPEND_TIME);
	mr_put_be64(batch + 35, (uint64_t)now_ms);
	mr_put_be32(batch + BATCH_AT_CRC, bb_compute_crc(batch, size));
}
