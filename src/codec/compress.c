#include "codec/compress.h"

#include "base/mem.h"
#include "base/varint.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define STEP_MIN ((size_t)16 * 1024) /* least room offered to a streaming decoder */
#define GZIP_WINDOW (15 + 16)        /* largest window, gzip wrapper */
#define SNAPPY_RATIO_MAX 22          /* a 3-byte copy makes at most 64 bytes */

static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
#define XERIAL_HEADER 16 /* magic, version, oldest version that reads it */

struct compression {
	z_stream inflate, deflate;
	bool inflate_ready, deflate_ready;
	LZ4F_dctx *lz4;
	ZSTD_CCtx *zstd_out;
	ZSTD_DCtx *zstd_in;
};

/* One decompression: where it writes and how much it may. */
struct sink {
	struct mr_buf *out;
	size_t end_max; /* out->len may not pass it */
};

struct compression *compression_new(void)
{
	return mr_calloc(1, sizeof(struct compression));
}

void compression_free(struct compression *c)
{
	if (!c)
		return;
	if (c->inflate_ready)
		inflateEnd(&c->inflate);
	if (c->deflate_ready)
		deflateEnd(&c->deflate);
	LZ4F_freeDecompressionContext(c->lz4);
	ZSTD_freeCCtx(c->zstd_out);
	ZSTD_freeDCtx(c->zstd_in);
	free(c);
}

static int too_large(const struct mr_buf *out, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_LIMIT, "compressed records pass the limit of %zu bytes", out->limit);
}

/* ---- packing ---- */

typedef int (*pack_fn)(struct compression *c, mr_str plain, struct mr_buf *out, struct mr_error *err);

static int pack_none(struct compression *c, mr_str plain, struct mr_buf *out, struct mr_error *err)
{
	mr_buf_str(out, plain);
	return out->overflow ? too_large(out, err) : 0;
}

static int pack_gzip(struct compression *c, mr_str plain, struct mr_buf *out, struct mr_error *err)
{
	z_stream *z = &c->deflate;
	if (!c->deflate_ready) {
		if (deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY))
			return mr_fail(err, MR_ERR_INTERNAL, "zlib refuses to start");
		c->deflate_ready = true;
	} else {
		deflateReset(z);
	}
	size_t room = deflateBound(z, plain.len);
	if (plain.len > UINT32_MAX || room > UINT32_MAX || !mr_buf_reserve(out, room))
		return too_large(out, err);
	z->next_in = (Bytef *)(uintptr_t)plain.ptr; /* zlib lacks the const */
	z->avail_in = (uInt)plain.len;
	z->next_out = (Bytef *)out->ptr + out->len;
	z->avail_out = (uInt)room;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return mr_fail(err, MR_ERR_INTERNAL, "zlib did not finish within its own bound");
	out->len += room - z->avail_out;
	return 0;
}

static int pack_snappy(struct compression *c, mr_str plain, struct mr_buf *out, struct mr_error *err)
{
	size_t room = snappy_max_compressed_length(plain.len);
	if (!mr_buf_reserve(out, room))
		return too_large(out, err);
	if (snappy_compress(plain.ptr ? plain.ptr : "", plain.len, out->ptr + out->len, &room) != SNAPPY_OK)
		return mr_fail(err, MR_ERR_INTERNAL, "snappy did not finish within its own bound");
	out->len += room;
	return 0;
}

static int pack_lz4(struct compression *c, mr_str plain, struct mr_buf *out, struct mr_error *err)
{
	const LZ4F_preferences_t preferences = {
	    .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
	size_t room = LZ4F_compressFrameBound(plain.len, &preferences);
	if (!mr_buf_reserve(out, room))
		return too_large(out, err);
	size_t n = LZ4F_compressFrame(out->ptr + out->len, room, plain.ptr, plain.len, &preferences);
	if (LZ4F_isError(n))
		return mr_fail(err, MR_ERR_INTERNAL, "lz4: %s", LZ4F_getErrorName(n));
	out->len += n;
	return 0;
}

static int pack_zstd(struct compression *c, mr_str plain, struct mr_buf *out, struct mr_error *err)
{
	size_t room = ZSTD_compressBound(plain.len);
	if (!mr_buf_reserve(out, room))
		return too_large(out, err);
	if (!c->zstd_out)
		c->zstd_out = ZSTD_createCCtx();
	size_t n = ZSTD_compressCCtx(c->zstd_out, out->ptr + out->len, room, plain.ptr, plain.len,
				     ZSTD_CLEVEL_DEFAULT);
	if (ZSTD_isError(n))
		return mr_fail(err, MR_ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
	out->len += n;
	return 0;
}

/* ---- unpacking ---- */

typedef int (*unpack_fn)(struct compression *c, mr_str packed, struct sink *sink, struct mr_error *err);

static int corrupt(struct mr_error *err, const char *codec, const char *why)
{
	return mr_fail(err, MR_ERR_CORRUPT, "%s-compressed records do not decode: %s", codec, why);
}

static int bomb(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_LIMIT, "records are larger than the limit once decompressed");
}

/* Room for at least one byte more; *room_out never lets the sink pass its end. */
static int sink_room(struct sink *sink, size_t hint, size_t *room_out, struct mr_error *err)
{
	struct mr_buf *out = sink->out;
	size_t left = sink->end_max - out->len;
	if (left == 0)
		return bomb(err);
	size_t want = mr_min_size(left, mr_max_size(hint, STEP_MIN));
	if (!mr_buf_reserve(out, want))
		return bomb(err);
	*room_out = mr_min_size(left, out->cap - out->len - 1);
	return 0;
}

static int unpack_none(struct compression *c, mr_str packed, struct sink *sink, struct mr_error *err)
{
	if (packed.len > sink->end_max - sink->out->len)
		return bomb(err);
	mr_buf_str(sink->out, packed);
	return sink->out->overflow ? bomb(err) : 0;
}

static int unpack_gzip(struct compression *c, mr_str packed, struct sink *sink, struct mr_error *err)
{
	z_stream *z = &c->inflate;
	if (!c->inflate_ready) {
		if (inflateInit2(z, GZIP_WINDOW))
			return mr_fail(err, MR_ERR_INTERNAL, "zlib refuses to start");
		c->inflate_ready = true;
	} else {
		inflateReset(z);
	}
	if (packed.len > UINT32_MAX)
		return bomb(err);
	z->next_in = (Bytef *)(uintptr_t)packed.ptr;
	z->avail_in = (uInt)packed.len;
	for (;;) {
		char nothing;
		size_t room = 0;
		bool full = sink->out->len == sink->end_max; /* may still be exactly at its end */
		if (!full) {
			int rc = sink_room(sink, packed.len * 4, &room, err);
			if (rc)
				return rc;
		}
		room = mr_min_size(room, UINT32_MAX);
		z->next_out = full ? (Bytef *)&nothing : (Bytef *)sink->out->ptr + sink->out->len;
		z->avail_out = full ? 1 : (uInt)room;
		int rc = inflate(z, Z_NO_FLUSH);
		if (full && z->avail_out == 0)
			return bomb(err);
		if (!full)
			sink->out->len += room - z->avail_out;
		if (rc == Z_STREAM_END && z->avail_in == 0)
			return 0;
		if (rc == Z_STREAM_END)
			inflateReset(z); /* the next member */
		else if (rc != Z_OK)
			return corrupt(err, "gzip", z->msg ? z->msg : "cut short");
	}
}

static int unpack_snappy_block(mr_str block, struct sink *sink, struct mr_error *err)
{
	size_t plain;
	if (snappy_uncompressed_length(block.ptr, block.len, &plain) != SNAPPY_OK)
		return corrupt(err, "snappy", "no length");
	if (plain / SNAPPY_RATIO_MAX > block.len)
		return corrupt(err, "snappy", "impossible length");
	if (plain > sink->end_max - sink->out->len || !mr_buf_reserve(sink->out, plain))
		return bomb(err);
	if (snappy_uncompress(block.ptr, block.len, sink->out->ptr + sink->out->len, &plain) != SNAPPY_OK)
		return corrupt(err, "snappy", "bad block");
	sink->out->len += plain;
	return 0;
}

static int unpack_snappy(struct compression *c, mr_str packed, struct sink *sink, struct mr_error *err)
{
	if (packed.len < XERIAL_HEADER || memcmp(packed.ptr, xerial_magic, sizeof xerial_magic) != 0)
		return unpack_snappy_block(packed, sink, err);
	mr_str rest = mr_str_tail(packed, XERIAL_HEADER);
	while (rest.len) {
		if (rest.len < 4)
			return corrupt(err, "snappy", "cut short");
		size_t len = mr_get_be32(rest.ptr);
		rest = mr_str_tail(rest, 4);
		if (len > rest.len)
			return corrupt(err, "snappy", "cut short");
		int rc = unpack_snappy_block(mr_str_n(rest.ptr, len), sink, err);
		if (rc)
			return rc;
		rest = mr_str_tail(rest, len);
	}
	return 0;
}

static int unpack_lz4(struct compression *c, mr_str packed, struct sink *sink, struct mr_error *err)
{
	if (!c->lz4 && LZ4F_isError(LZ4F_createDecompressionContext(&c->lz4, LZ4F_VERSION)))
		return mr_fail(err, MR_ERR_INTERNAL, "lz4 refuses to start");
	LZ4F_resetDecompressionContext(c->lz4);
	size_t more = 1; /* 0 between frames */
	mr_str rest = packed;
	while (rest.len || more) {
		char nothing;
		size_t room = 0, used = rest.len;
		bool full = sink->out->len == sink->end_max;
		if (!full) {
			int rc = sink_room(sink, packed.len * 4, &room, err);
			if (rc)
				return rc;
		}
		size_t made = full ? 1 : room;
		more = LZ4F_decompress(c->lz4, full ? &nothing : sink->out->ptr + sink->out->len, &made,
				       rest.ptr, &used, NULL);
		if (LZ4F_isError(more))
			return corrupt(err, "lz4", LZ4F_getErrorName(more));
		if (full && made)
			return bomb(err);
		sink->out->len += made;
		if (more && !used && !made)
			return corrupt(err, "lz4", "cut short");
		rest = mr_str_tail(rest, used);
	}
	return 0;
}

/* A single frame that says its size decodes at once, without the window's copy. */
static int unpack_zstd_whole(struct compression *c, mr_str packed, size_t plain, struct sink *sink,
			     struct mr_error *err)
{
	if (plain > sink->end_max - sink->out->len || !mr_buf_reserve(sink->out, plain))
		return bomb(err);
	size_t n =
	    ZSTD_decompressDCtx(c->zstd_in, sink->out->ptr + sink->out->len, plain, packed.ptr, packed.len);
	if (ZSTD_isError(n))
		return corrupt(err, "zstd", ZSTD_getErrorName(n));
	sink->out->len += n;
	return 0;
}

static int unpack_zstd(struct compression *c, mr_str packed, struct sink *sink, struct mr_error *err)
{
	if (!c->zstd_in)
		c->zstd_in = ZSTD_createDCtx();
	unsigned long long size = ZSTD_getFrameContentSize(packed.ptr, packed.len);
	bool sized = size != ZSTD_CONTENTSIZE_UNKNOWN && size != ZSTD_CONTENTSIZE_ERROR;
	if (sized && ZSTD_findFrameCompressedSize(packed.ptr, packed.len) == packed.len)
		return unpack_zstd_whole(c, packed, size, sink, err);
	ZSTD_DCtx_reset(c->zstd_in, ZSTD_reset_session_only);
	ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
	size_t more = 1; /* 0 between frames */
	while (in.pos < in.size || more) {
		char nothing;
		size_t room = 0, before = in.pos;
		bool full = sink->out->len == sink->end_max;
		if (!full) {
			int rc = sink_room(sink, packed.len * 4, &room, err);
			if (rc)
				return rc;
		}
		ZSTD_outBuffer to = {full ? &nothing : sink->out->ptr + sink->out->len, full ? 1 : room, 0};
		more = ZSTD_decompressStream(c->zstd_in, &to, &in);
		if (ZSTD_isError(more))
			return corrupt(err, "zstd", ZSTD_getErrorName(more));
		if (full && to.pos)
			return bomb(err);
		sink->out->len += to.pos;
		if (more && in.pos == before && !to.pos)
			return corrupt(err, "zstd", "cut short");
	}
	return 0;
}

/* ---- the table ---- */

static const struct {
	const char *name;
	pack_fn pack;
	unpack_fn unpack;
} codecs[BATCH_CODEC_COUNT] = {
    [BATCH_NONE] = {"none", pack_none, unpack_none},         [BATCH_GZIP] = {"gzip", pack_gzip, unpack_gzip},
    [BATCH_SNAPPY] = {"snappy", pack_snappy, unpack_snappy}, [BATCH_LZ4] = {"lz4", pack_lz4, unpack_lz4},
    [BATCH_ZSTD] = {"zstd", pack_zstd, unpack_zstd},
};

const char *compression_name(enum batch_codec codec)
{
	return (unsigned)codec < BATCH_CODEC_COUNT ? codecs[codec].name : "unknown";
}

bool compression_parse(mr_str name, enum batch_codec *out)
{
	for (size_t i = 0; i < MR_COUNT(codecs); i++) {
		if (mr_str_is(name, codecs[i].name)) {
			*out = (enum batch_codec)i;
			return true;
		}
	}
	return false;
}

int compress_append(struct compression *c, enum batch_codec codec, mr_str plain, struct mr_buf *out,
		    struct mr_error *err)
{
	MR_ASSERT((unsigned)codec < BATCH_CODEC_COUNT);
	return codecs[codec].pack(c, plain, out, err);
}

int decompress_append(struct compression *c, int codec, mr_str packed, size_t plain_max, struct mr_buf *out,
		      struct mr_error *err)
{
	if (codec < 0 || codec >= BATCH_CODEC_COUNT)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "records are compressed with the unknown codec %d",
			       codec);
	if (!mr_buf_reserve(out, 1))
		return bomb(err);
	struct sink sink = {out, out->len + mr_min_size(plain_max, MR_BUF_NO_LIMIT)};
	size_t before = out->len;
	int rc = codecs[codec].unpack(c, packed, &sink, err);
	out->len = rc ? before : out->len;
	out->ptr[out->len] = 0;
	return rc;
}
