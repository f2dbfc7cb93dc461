/* codec/compress.h - the five codecs of Kafka record batches: none, gzip, snappy, lz4, zstd.
 *
 * What other clients write is all read: several gzip members or lz4/zstd frames after one
 * another; snappy as one raw block (librdkafka) and in the frames of the xerial library
 * (Java clients): magic 82 'S' 'N' 'A' 'P' 'P' 'Y' 00, two be32 versions, then blocks of
 * be32 length and raw snappy. What we write: raw snappy; lz4 frames of independent 64 KiB
 * blocks, the only kind that Java clients read; zstd with the content size in its header.
 *
 * A struct compression holds the libraries' contexts, made when first needed and kept:
 * in steady state nothing is allocated but by a growing output. One thread at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

enum batch_codec { BATCH_NONE, BATCH_GZIP, BATCH_SNAPPY, BATCH_LZ4, BATCH_ZSTD, BATCH_CODEC_COUNT };

struct compression;

struct compression *compression_new(void);
void compression_free(struct compression *c); /* NULL is fine */

const char *compression_name(enum batch_codec codec); /* "zstd": Kafka's compression.type */
/* The codec of that name; false when there is none. */
bool compression_parse(mr_str name, enum batch_codec *out);

/* Append the packed form of plain to out. MR_ERR_LIMIT past out's limit. */
MR_NODISCARD int compress_append(struct compression *c, enum batch_codec codec, mr_str plain,
				 struct mr_buf *out, struct mr_error *err);

/* Append the plain form of packed to out. MR_ERR_LIMIT when it is more than plain_max bytes
 * (checked before they are written), MR_ERR_CORRUPT when packed does not decode or goes on
 * after its end, MR_ERR_UNSUPPORTED for a codec number that Kafka does not define. */
MR_NODISCARD int decompress_append(struct compression *c, int codec, mr_str packed, size_t plain_max,
				   struct mr_buf *out, struct mr_error *err);
