/* delta/bitmap.c - sets of row positions: one Roaring bitmap for every 2^32 rows. See dv.h. */
#include "delta/dv.h"

#include "base/vec.h"

#include <roaring/roaring.h>

#define MAGIC 1681511377u
#define HEADER_BYTES 12

struct part {
	uint32_t key;
	roaring_bitmap_t *rows;
};

struct delta_bitmap {
	MR_VEC(struct part) parts; /* ascending keys */
};

struct delta_bitmap *delta_bitmap_new(void)
{
	return mr_calloc(1, sizeof(struct delta_bitmap));
}

void delta_bitmap_free(struct delta_bitmap *bitmap)
{
	if (!bitmap)
		return;
	for (size_t i = 0; i < bitmap->parts.len; i++)
		roaring_bitmap_free(bitmap->parts.items[i].rows);
	mr_vec_release(&bitmap->parts);
	free(bitmap);
}

static const struct part *find_part(const struct delta_bitmap *bitmap, uint32_t key)
{
	for (size_t i = 0; i < bitmap->parts.len && bitmap->parts.items[i].key <= key; i++)
		if (bitmap->parts.items[i].key == key)
			return &bitmap->parts.items[i];
	return NULL;
}

static roaring_bitmap_t *part_of(struct delta_bitmap *bitmap, uint32_t key)
{
	size_t at = 0;
	while (at < bitmap->parts.len && bitmap->parts.items[at].key < key)
		at++;
	if (at < bitmap->parts.len && bitmap->parts.items[at].key == key)
		return bitmap->parts.items[at].rows;
	mr_vec_push(&bitmap->parts, (struct part){0});
	struct part *items = bitmap->parts.items;
	memmove(items + at + 1, items + at, (bitmap->parts.len - 1 - at) * sizeof *items);
	items[at] = (struct part){key, roaring_bitmap_create()};
	MR_ASSERT(items[at].rows);
	return items[at].rows;
}

void delta_bitmap_add(struct delta_bitmap *bitmap, uint64_t row)
{
	roaring_bitmap_add(part_of(bitmap, (uint32_t)(row >> 32)), (uint32_t)row);
}

void delta_bitmap_or(struct delta_bitmap *bitmap, const struct delta_bitmap *other)
{
	for (size_t i = 0; i < other->parts.len; i++)
		roaring_bitmap_or_inplace(part_of(bitmap, other->parts.items[i].key),
					  other->parts.items[i].rows);
}

bool delta_bitmap_has(const struct delta_bitmap *bitmap, uint64_t row)
{
	const struct part *part = find_part(bitmap, (uint32_t)(row >> 32));
	return part && roaring_bitmap_contains(part->rows, (uint32_t)row);
}

uint64_t delta_bitmap_count(const struct delta_bitmap *bitmap)
{
	uint64_t count = 0;
	for (size_t i = 0; i < bitmap->parts.len; i++)
		count += roaring_bitmap_get_cardinality(bitmap->parts.items[i].rows);
	return count;
}

void delta_bitmap_each(const struct delta_bitmap *bitmap, bool (*fn)(void *arg, uint64_t row), void *arg)
{
	bool go_on = true;
	for (size_t i = 0; i < bitmap->parts.len && go_on; i++) {
		const struct part *part = &bitmap->parts.items[i];
		roaring_uint32_iterator_t it;
		roaring_init_iterator(part->rows, &it);
		for (; it.has_value && go_on; roaring_advance_uint32_iterator(&it))
			go_on = fn(arg, (uint64_t)part->key << 32 | it.current_value);
	}
}

static void put_u32(struct mr_buf *out, uint32_t v)
{
	char bytes[4] = {(char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24)};
	mr_buf_append(out, bytes, sizeof bytes);
}

static uint32_t get_u32(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

void delta_bitmap_write(struct delta_bitmap *bitmap, struct mr_buf *out)
{
	put_u32(out, MAGIC);
	put_u32(out, (uint32_t)bitmap->parts.len);
	put_u32(out, 0);
	for (size_t i = 0; i < bitmap->parts.len; i++) {
		struct part *part = &bitmap->parts.items[i];
		roaring_bitmap_run_optimize(part->rows);
		size_t size = roaring_bitmap_portable_size_in_bytes(part->rows);
		char *bytes = mr_alloc(size);
		put_u32(out, part->key);
		mr_buf_append(out, bytes, roaring_bitmap_portable_serialize(part->rows, bytes));
		free(bytes);
	}
}

static int parse_parts(mr_str rest, uint64_t count, struct delta_bitmap *bitmap, struct mr_error *err)
{
	for (uint64_t i = 0; i < count; i++) {
		if (rest.len < 4)
			return mr_fail(err, MR_ERR_CORRUPT, "a deletion vector ends early");
		uint32_t key = get_u32(rest.ptr);
		rest = mr_str_tail(rest, 4);
		if (bitmap->parts.len && bitmap->parts.items[bitmap->parts.len - 1].key >= key)
			return mr_fail(err, MR_ERR_CORRUPT, "a deletion vector's parts are out of order");
		size_t size = roaring_bitmap_portable_deserialize_size(rest.ptr, rest.len);
		roaring_bitmap_t *rows =
		    size ? roaring_bitmap_portable_deserialize_safe(rest.ptr, rest.len) : NULL;
		if (!rows)
			return mr_fail(err, MR_ERR_CORRUPT, "a deletion vector holds no Roaring bitmap");
		mr_vec_push(&bitmap->parts, (struct part){key, rows});
		rest = mr_str_tail(rest, size);
	}
	return 0;
}

int delta_bitmap_parse(mr_str bytes, struct delta_bitmap **out, struct mr_error *err)
{
	if (bytes.len < HEADER_BYTES || get_u32(bytes.ptr) != MAGIC)
		return mr_fail(err, MR_ERR_CORRUPT, "a deletion vector does not start as one");
	uint64_t count = get_u32(bytes.ptr + 4) | (uint64_t)get_u32(bytes.ptr + 8) << 32;
	struct delta_bitmap *bitmap = delta_bitmap_new();
	int rc = parse_parts(mr_str_tail(bytes, HEADER_BYTES), count, bitmap, err);
	if (rc < 0) {
		delta_bitmap_free(bitmap);
		return rc;
	}
	*out = bitmap;
	return 0;
}
