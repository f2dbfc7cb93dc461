/* delta/dv.h - deletion vectors: which rows of a data file are gone.
 *
 * A vector is a set of row positions. It lies in a file of vectors, or inline in the action; an
 * action describes where (struct delta_dv, protocol section "Deletion Vectors").
 *
 *   file:    | 1 byte, 1 | vector ... |
 *   vector:  | length, 4 bytes big endian | bitmap | CRC-32 of the bitmap, 4 bytes big endian |
 *   bitmap:  | 1681511377, 4 bytes little endian | count, 8 bytes LE |
 *            then per 2^32 rows: | key, 4 bytes LE | Roaring bitmap, portable format |
 *   inline:  the bitmap in Z85
 *
 * The bytes come from outside: lengths, checksum and cardinality are checked.
 * Threading: a bitmap that nobody changes may be read from any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "env/env.h"

struct delta_dv {
	char storage;   /* 'u': a file named by its uuid; 'p': an absolute path; 'i': inline */
	mr_str data;    /* pathOrInlineDv, as in the log */
	int64_t offset; /* of the vector in its file; -1 when inline */
	int64_t size;   /* bytes of the bitmap */
	int64_t cardinality;
};

/* ---- sets of rows ---- */

struct delta_bitmap;

struct delta_bitmap *delta_bitmap_new(void);
void delta_bitmap_free(struct delta_bitmap *bitmap); /* NULL is fine */
void delta_bitmap_add(struct delta_bitmap *bitmap, uint64_t row);
void delta_bitmap_or(struct delta_bitmap *bitmap, const struct delta_bitmap *other);
bool delta_bitmap_has(const struct delta_bitmap *bitmap, uint64_t row);
uint64_t delta_bitmap_count(const struct delta_bitmap *bitmap);
/* Calls fn for each row in order, until it returns false. */
void delta_bitmap_each(const struct delta_bitmap *bitmap, bool (*fn)(void *arg, uint64_t row), void *arg);
/* The bitmap's bytes as above, and back. MR_ERR_CORRUPT for what is none. */
void delta_bitmap_write(struct delta_bitmap *bitmap, struct mr_buf *out);
MR_NODISCARD int delta_bitmap_parse(mr_str bytes, struct delta_bitmap **out, struct mr_error *err);

/* ---- where they are kept ---- */

MR_NODISCARD int delta_dv_read(const struct env *env, const char *table_path, const struct delta_dv *dv,
			       struct delta_bitmap **out, struct mr_error *err);
/* One new file under the table with all of `bitmaps`, synced with its folder; out[i] describes
 * bitmaps[i], strings in arena. Nobody knows the file until it is committed. */
MR_NODISCARD int delta_dv_write(const struct env *env, const char *table_path,
				struct delta_bitmap *const *bitmaps, size_t count, struct arena *arena,
				struct delta_dv *out, struct mr_error *err);
/* The file that a vector lies in: relative to the table for 'u', absolute for 'p'; inline: 1.
 * MR_ERR_CORRUPT when the descriptor is none. */
MR_NODISCARD int delta_dv_path(const struct delta_dv *dv, struct arena *arena, mr_str *out,
			       struct mr_error *err);
/* Whether two files of one path have the same vector; NULL: none. */
bool delta_dv_same(const struct delta_dv *a, const struct delta_dv *b);

/* Z85 of bytes whose count is a multiple of 4, and back (false: it is none). */
void delta_z85_encode(mr_str bytes, struct mr_buf *out);
bool delta_z85_decode(mr_str text, struct mr_buf *out);
