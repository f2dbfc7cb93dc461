/* delta/dv.c - deletion vectors in files and inline. See dv.h. */
#include "delta/dv.h"

#include <ctype.h>
#include <stdlib.h>
#include <zlib.h>

#define UUID_CHARS 20 /* 16 bytes in Z85 */
#define FILE_FORMAT 1
#define BITMAP_BYTES_MAX ((int64_t)1 << 30)

static const char z85_digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 ".-:+=^!/*?&<>()[]{}@%$#";

void delta_z85_encode(mr_str bytes, struct mr_buf *out)
{
	MR_ASSERT(bytes.len % 4 == 0);
	for (size_t i = 0; i < bytes.len; i += 4) {
		const unsigned char *b = (const unsigned char *)bytes.ptr + i;
		uint32_t word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
		char digits[5];
		for (int j = 4; j >= 0; j--, word /= 85)
			digits[j] = z85_digits[word % 85];
		mr_buf_append(out, digits, sizeof digits);
	}
}

bool delta_z85_decode(mr_str text, struct mr_buf *out)
{
	if (text.len % 5)
		return false;
	for (size_t i = 0; i < text.len; i += 5) {
		uint64_t word = 0;
		for (size_t j = i; j < i + 5; j++) {
			const char *digit = text.ptr[j] ? strchr(z85_digits, text.ptr[j]) : NULL;
			if (!digit)
				return false;
			word = word * 85 + (uint64_t)(digit - z85_digits);
		}
		if (word > UINT32_MAX)
			return false;
		char bytes[4] = {(char)(word >> 24), (char)(word >> 16), (char)(word >> 8), (char)word};
		mr_buf_append(out, bytes, sizeof bytes);
	}
	return true;
}

bool delta_dv_same(const struct delta_dv *a, const struct delta_dv *b)
{
	if (!a || !b)
		return a == b;
	return a->storage == b->storage && a->offset == b->offset && mr_str_eq(a->data, b->data);
}

/* ---- names ---- */

static void put_uuid(struct mr_buf *out, const char *bytes)
{
	for (int i = 0; i < 16; i++)
		mr_buf_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      (unsigned char)bytes[i]);
}

/* "<prefix><uuid in Z85>": prefix/deletion_vector_<uuid>.bin. */
static int relative_path(const struct delta_dv *dv, struct arena *arena, mr_str *out, struct mr_error *err)
{
	struct mr_buf uuid = {0}, path = {0};
	size_t prefix = dv->data.len < UUID_CHARS ? 0 : dv->data.len - UUID_CHARS;
	bool good = dv->data.len >= UUID_CHARS && delta_z85_decode(mr_str_tail(dv->data, prefix), &uuid);
	for (size_t i = 0; i < prefix && good; i++) /* a random folder, not a way out */
		good = isalnum((unsigned char)dv->data.ptr[i]) || strchr("-_/", dv->data.ptr[i]);
	if (good) {
		mr_buf_printf(&path, "%.*s%sdeletion_vector_", (int)prefix, dv->data.ptr, prefix ? "/" : "");
		put_uuid(&path, uuid.ptr);
		mr_buf_cstr(&path, ".bin");
		*out = arena_copy(arena, mr_buf_view(&path));
	}
	mr_buf_release(&uuid);
	mr_buf_release(&path);
	if (!good)
		return mr_fail(err, MR_ERR_CORRUPT, "\"%.*s\" names no file of deletion vectors",
			       (int)mr_min_size(dv->data.len, 100), dv->data.ptr ? dv->data.ptr : "");
	return 0;
}

static int absolute_path(const struct delta_dv *dv, struct arena *arena, mr_str *out, struct mr_error *err)
{
	mr_str path = dv->data;
	if (mr_str_starts(path, MR_STR("file:")))
		path = mr_str_tail(path, mr_str_starts(path, MR_STR("file://")) ? 7 : 5);
	for (size_t i = 0; i < path.len; i++)
		if ((unsigned char)path.ptr[i] < ' ')
			path.len = 0;
	if (!path.len || path.ptr[0] != '/')
		return mr_fail(err, MR_ERR_UNSUPPORTED, "%.*s is no path of this machine",
			       (int)mr_min_size(dv->data.len, 200), dv->data.ptr ? dv->data.ptr : "");
	*out = arena_copy(arena, path);
	return 0;
}

int delta_dv_path(const struct delta_dv *dv, struct arena *arena, mr_str *out, struct mr_error *err)
{
	switch (dv->storage) {
	case 'i':
		return 1;
	case 'u':
		return relative_path(dv, arena, out, err);
	case 'p':
		return absolute_path(dv, arena, out, err);
	default:
		return mr_fail(err, MR_ERR_CORRUPT, "a deletion vector is stored in a way that is none");
	}
}

/* ---- reading ---- */

static uint32_t get_u32(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int read_at(struct mr_file *file, const struct delta_dv *dv, struct mr_buf *out, struct mr_error *err)
{
	unsigned char head[4], tail[4];
	size_t got;
	int rc = file_read_at(file, head, sizeof head, dv->offset, &got, err);
	if (rc == 0 && (got < sizeof head || get_u32(head) != (uint64_t)dv->size))
		rc = mr_fail(err, MR_ERR_CORRUPT, "at %lld there is no vector of %lld bytes",
			     (long long)dv->offset, (long long)dv->size);
	if (rc < 0)
		return rc;
	if (!mr_buf_reserve(out, (size_t)dv->size))
		return mr_fail(err, MR_ERR_LIMIT, "a vector of %lld bytes", (long long)dv->size);
	rc = file_read_at(file, out->ptr, (size_t)dv->size, dv->offset + 4, &got, err);
	out->len = rc == 0 ? got : 0;
	if (rc == 0)
		rc = file_read_at(file, tail, sizeof tail, dv->offset + 4 + dv->size, &got, err);
	if (rc < 0)
		return rc;
	if (out->len < (size_t)dv->size || got < sizeof tail)
		return mr_fail(err, MR_ERR_CORRUPT, "it ends early");
	if (crc32(0, (const unsigned char *)out->ptr, (unsigned)out->len) != get_u32(tail))
		return mr_fail(err, MR_ERR_CORRUPT, "the checksum of the vector at %lld is wrong",
			       (long long)dv->offset);
	return 0;
}

static int read_file(const struct env *env, const char *table_path, mr_str name, const struct delta_dv *dv,
		     struct mr_buf *out, struct mr_error *err)
{
	struct mr_file *file;
	char *path = name.ptr[0] == '/' ? mr_strndup(name) : mr_asprintf("%s/%.*s", table_path, MR_FMT(name));
	int rc = disk_open(env->disk, path, FILE_READ, &file, err);
	if (rc == 0) {
		rc = read_at(file, dv, out, err);
		file_close(file);
	}
	if (rc < 0)
		mr_error_wrap(err, rc, "deletion vector %s", path);
	free(path);
	return rc;
}

static int read_inline(const struct delta_dv *dv, struct mr_buf *out, struct mr_error *err)
{
	if (!delta_z85_decode(dv->data, out) || (int64_t)out->len < dv->size)
		return mr_fail(err, MR_ERR_CORRUPT, "an inline deletion vector is not Z85 of %lld bytes",
			       (long long)dv->size);
	out->len = (size_t)dv->size; /* the rest fills the last group up */
	return 0;
}

int delta_dv_read(const struct env *env, const char *table_path, const struct delta_dv *dv,
		  struct delta_bitmap **out, struct mr_error *err)
{
	struct arena arena = {0};
	struct mr_buf bytes = {0};
	mr_str path;
	int rc = 0;
	if (dv->size < 0 || dv->size > BITMAP_BYTES_MAX || (dv->storage != 'i' && dv->offset < 0))
		rc = mr_fail(err, MR_ERR_CORRUPT, "a deletion vector of %lld bytes at %lld",
			     (long long)dv->size, (long long)dv->offset);
	if (rc == 0)
		rc = delta_dv_path(dv, &arena, &path, err);
	if (rc >= 0)
		rc = rc ? read_inline(dv, &bytes, err) : read_file(env, table_path, path, dv, &bytes, err);
	struct delta_bitmap *bitmap = NULL;
	if (rc == 0)
		rc = delta_bitmap_parse(mr_buf_view(&bytes), &bitmap, err);
	if (rc == 0 && delta_bitmap_count(bitmap) != (uint64_t)dv->cardinality)
		rc = mr_fail(err, MR_ERR_CORRUPT, "a deletion vector holds %llu rows; the log says %lld",
			     (unsigned long long)delta_bitmap_count(bitmap), (long long)dv->cardinality);
	if (rc == 0)
		*out = bitmap;
	else
		delta_bitmap_free(bitmap);
	arena_release(&arena);
	mr_buf_release(&bytes);
	return rc;
}

/* ---- writing ---- */

static void put_u32(struct mr_buf *out, uint32_t v)
{
	char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
	mr_buf_append(out, bytes, sizeof bytes);
}

static void put_vector(struct mr_buf *out, struct delta_bitmap *bitmap, mr_str name, struct delta_dv *dv)
{
	*dv = (struct delta_dv){.storage = 'u',
				.data = name,
				.offset = (int64_t)out->len,
				.cardinality = (int64_t)delta_bitmap_count(bitmap)};
	put_u32(out, 0); /* the length, once it is known */
	size_t start = out->len;
	delta_bitmap_write(bitmap, out);
	size_t size = out->len - start;
	for (int i = 0; i < 4; i++)
		out->ptr[start - 4 + (size_t)i] = (char)(size >> (24 - 8 * i));
	put_u32(out, (uint32_t)crc32(0, (const unsigned char *)out->ptr + start, (unsigned)size));
	dv->size = (int64_t)size;
}

static int put_file(const struct env *env, const char *table_path, const char *path, mr_str bytes,
		    struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(env->disk, path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, bytes.ptr, bytes.len, 0, err);
	if (rc == 0)
		rc = file_sync(file, err);
	file_close(file);
	return rc == 0 ? disk_sync_dir(env->disk, table_path, err) : rc;
}

int delta_dv_write(const struct env *env, const char *table_path, struct delta_bitmap *const *bitmaps,
		   size_t count, struct arena *arena, struct delta_dv *out, struct mr_error *err)
{
	char id[37], raw[16];
	rng_uuid(env->rng, id);
	for (int i = 0, at = 0; i < 16; i++, at += 2) {
		at += id[at] == '-';
		char byte[3] = {id[at], id[at + 1], 0};
		raw[i] = (char)strtoul(byte, NULL, 16);
	}
	struct mr_buf name = {0}, bytes = {0};
	delta_z85_encode(mr_str_n(raw, sizeof raw), &name);
	mr_str data = arena_copy(arena, mr_buf_view(&name));
	mr_buf_char(&bytes, FILE_FORMAT);
	for (size_t i = 0; i < count; i++)
		put_vector(&bytes, bitmaps[i], data, &out[i]);
	char *path = mr_asprintf("%s/deletion_vector_%s.bin", table_path, id);
	int rc = put_file(env, table_path, path, mr_buf_view(&bytes), err);
	free(path);
	mr_buf_release(&name);
	mr_buf_release(&bytes);
	return rc;
}
