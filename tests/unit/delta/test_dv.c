#include "test.h"

#include "base/buf.h"
#include "delta/dv.h"
#include "env/env.h"

#include <stdlib.h>

/* As Spark writes rows 3, 4, 7, 11, 18, 29 inline. */
#define EXAMPLE "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"

static struct delta_bitmap *bitmap_of(const uint64_t *rows, size_t count)
{
	struct delta_bitmap *bitmap = delta_bitmap_new();
	for (size_t i = 0; i < count; i++)
		delta_bitmap_add(bitmap, rows[i]);
	return bitmap;
}

static bool sum_up(void *arg, uint64_t row)
{
	*(uint64_t *)arg += row;
	return true;
}

TEST(dv_reads_one_inline)
{
	struct delta_dv dv = {'i', MR_STR(EXAMPLE), -1, 44, 6};
	struct delta_bitmap *bitmap;
	struct mr_error err = {0};
	CHECK_OK(delta_dv_read(env_linux(), "/nowhere", &dv, &bitmap, &err), err);
	static const uint64_t rows[] = {3, 4, 7, 11, 18, 29};
	for (uint64_t row = 0, i = 0; row < 40; row++)
		CHECK_INT(delta_bitmap_has(bitmap, row), i < 6 && rows[i] == row ? (i++, 1) : 0);
	CHECK(!delta_bitmap_has(bitmap, (uint64_t)1 << 32 | 3));
	delta_bitmap_free(bitmap);
	dv.cardinality = 7;
	CHECK_INT(delta_dv_read(env_linux(), "/nowhere", &dv, &bitmap, &err), MR_ERR_CORRUPT);
	CHECK(strstr(err.message, "the log says 7"));
}

TEST(dv_names_its_file_as_the_protocol_does)
{
	struct arena arena = {0};
	struct mr_error err = {0};
	mr_str path;
	struct delta_dv dv = {.storage = 'u', .data = MR_STR("ab^-aqEH.-t@S}K{vb[*k^")};
	CHECK_OK(delta_dv_path(&dv, &arena, &path, &err), err);
	CHECK_STR(path, "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
	static const char *const hostile[] = {"", "short", "../^-aqEH.-t@S}K{vb[*k^",
					      "^-aqEH.-t@S}K{vb[*k\x01", "~~~~~~~~~~~~~~~~~~~~"};
	for (size_t i = 0; i < MR_COUNT(hostile); i++) {
		dv.data = mr_str_from(hostile[i]);
		CHECK_INT(delta_dv_path(&dv, &arena, &path, &err), MR_ERR_CORRUPT);
	}
	dv = (struct delta_dv){.storage = 'p', .data = MR_STR("s3://bucket/x.bin")};
	CHECK_INT(delta_dv_path(&dv, &arena, &path, &err), MR_ERR_UNSUPPORTED);
	arena_release(&arena);
}

TEST(dv_files_read_back_and_damage_is_seen)
{
	static const uint64_t few[] = {0, 5, 70000, (uint64_t)3 << 32 | 9};
	struct delta_bitmap *in[2] = {bitmap_of(few, MR_COUNT(few)), delta_bitmap_new()};
	for (uint64_t row = 0; row < 300000; row += 1 + row % 3)
		delta_bitmap_add(in[1], row);
	struct arena arena = {0};
	struct mr_error err = {0};
	struct delta_dv dv[2];
	const char *folder = test_folder();
	CHECK_OK(delta_dv_write(env_linux(), folder, in, 2, &arena, dv, &err), err);
	for (int i = 0; i < 2; i++) {
		struct delta_bitmap *out;
		uint64_t want = 0, got = 0;
		CHECK_OK(delta_dv_read(env_linux(), folder, &dv[i], &out, &err), err);
		CHECK_INT(delta_bitmap_count(out), delta_bitmap_count(in[i]));
		delta_bitmap_each(in[i], sum_up, &want);
		delta_bitmap_each(out, sum_up, &got);
		CHECK_INT(got, want);
		delta_bitmap_free(out);
	}
	mr_str name;
	CHECK_OK(delta_dv_path(&dv[0], &arena, &name, &err), err);
	struct mr_file *file;
	CHECK_OK(
	    disk_open(env_linux()->disk, test_path("%s/%.*s", folder, MR_FMT(name)), FILE_WRITE, &file, &err),
	    err);
	struct delta_bitmap *out;
	CHECK_OK(file_write_at(file, "X", 1, dv[0].offset + 4 + dv[0].size - 1, &err), err);
	CHECK_INT(delta_dv_read(env_linux(), folder, &dv[0], &out, &err), MR_ERR_CORRUPT);
	CHECK(strstr(err.message, "checksum"));
	CHECK_OK(file_truncate(file, dv[1].offset + 20, &err), err);
	CHECK_INT(delta_dv_read(env_linux(), folder, &dv[1], &out, &err), MR_ERR_CORRUPT);
	CHECK(strstr(err.message, "ends early"));
	dv[1].size++;
	CHECK_INT(delta_dv_read(env_linux(), folder, &dv[1], &out, &err), MR_ERR_CORRUPT);
	file_close(file);
	delta_bitmap_free(in[0]);
	delta_bitmap_free(in[1]);
	arena_release(&arena);
}

TEST(dv_bitmaps_survive_any_cut_and_flip)
{
	static const uint64_t rows[] = {1, 2, 3, 100000, 100001, (uint64_t)1 << 33};
	struct delta_bitmap *bitmap = bitmap_of(rows, MR_COUNT(rows)), *out;
	struct mr_buf bytes = {0};
	struct mr_error err = {0};
	delta_bitmap_write(bitmap, &bytes);
	for (size_t len = 0; len < bytes.len; len++) {
		char *copy = mr_strndup(mr_str_n(bytes.ptr, len)); /* its end is watched */
		CHECK_INT(delta_bitmap_parse(mr_str_n(copy, len), &out, &err), MR_ERR_CORRUPT);
		free(copy);
	}
	CHECK_OK(delta_bitmap_parse(mr_buf_view(&bytes), &out, &err), err);
	CHECK_INT(delta_bitmap_count(out), MR_COUNT(rows));
	delta_bitmap_free(out);
	delta_bitmap_free(bitmap);
	mr_buf_release(&bytes);
}
