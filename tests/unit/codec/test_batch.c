#include "test.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "codec/batch.h"
#include "env/disk_linux.h"
#include "env/rng.h"

#include <stdlib.h>

#define KEYS_MAX 4
#define CRC_FIELD_END 21

/* What a random record was made of; the oracle of the round trip. */
struct made {
	int64_t timestamp;
	mr_str key, value;
	struct record_header headers[KEYS_MAX];
	size_t header_count;
};

static mr_str random_bytes(struct arena *arena, struct mr_rng *rng, bool nullable)
{
	if (nullable && rng_below(rng, 4) == 0)
		return MR_STR_NULL;
	size_t len = rng_below(rng, 8) == 0 ? rng_below(rng, 9000) : rng_below(rng, 70);
	char *p = arena_alloc(arena, len + 1);
	for (size_t i = 0; i < len; i++)
		p[i] = (char)rng_below(rng, 7);
	return mr_str_n(p, len);
}

static struct made random_record(struct arena *arena, struct mr_rng *rng)
{
	struct made m = {.timestamp = (int64_t)(1700000000000 + rng_below(rng, 1u << 30) - (1 << 29))};
	if (rng_below(rng, 20) == 0)
		m.timestamp = (int64_t)rng_next(rng); /* deltas of any width */
	m.key = random_bytes(arena, rng, true);
	m.value = random_bytes(arena, rng, true);
	m.header_count = rng_below(rng, 3) ? 0 : rng_below(rng, KEYS_MAX + 1);
	for (size_t i = 0; i < m.header_count; i++)
		m.headers[i] =
		    (struct record_header){random_bytes(arena, rng, false), random_bytes(arena, rng, true)};
	return m;
}

static void check_same(mr_str got, mr_str want)
{
	CHECK(!got.ptr == !want.ptr);
	CHECK(mr_str_eq(got, want));
}

static void check_record(const struct record *got, const struct made *want)
{
	CHECK_INT(got->timestamp, want->timestamp);
	check_same(got->key, want->key);
	check_same(got->value, want->value);
	CHECK_INT(got->header_count, want->header_count);
	mr_str cursor = got->headers;
	struct record_header header;
	struct mr_error err;
	for (size_t i = 0; i < want->header_count; i++) {
		CHECK_INT(record_header_next(&cursor, &header, &err), 1);
		check_same(header.key, want->headers[i].key);
		check_same(header.value, want->headers[i].value);
	}
	CHECK_INT(record_header_next(&cursor, &header, &err), 0);
}

TEST(batch_round_trips_random_records_in_every_codec)
{
	struct mr_rng rng;
	struct mr_error err;
	struct batch_writer w;
	struct batch_iter it = {0};
	struct arena arena = {0};
	batch_writer_init(&w, 0);
	rng_seed(&rng, 7);
	for (int round = 0; round < test_rounds(100); round++) {
		struct made made[60];
		size_t count = 1 + rng_below(&rng, MR_COUNT(made));
		enum batch_codec codec = (enum batch_codec)(round % BATCH_CODEC_COUNT);
		batch_writer_start(&w);
		for (size_t i = 0; i < count; i++) {
			struct made *m = &made[i];
			*m = random_record(&arena, &rng);
			size_t before = batch_writer_size(&w);
			batch_writer_add(&w, m->timestamp, m->key, m->value, m->headers, m->header_count);
			CHECK(batch_writer_size(&w) - before <=
			      batch_record_size_max(m->key, m->value, m->headers, m->header_count));
		}
		mr_str wire;
		CHECK_OK(batch_writer_finish(&w, codec, &wire, &err), err);
		CHECK_INT(batch_size(wire, &err), wire.len);
		CHECK(batch_crc_ok(wire));
		batch_patch_offset((char *)(uintptr_t)wire.ptr, 5000, 3);
		CHECK(batch_crc_ok(wire));
		CHECK_OK(batch_iter_start(&it, wire, &err), err);
		CHECK_INT(it.header.leader_epoch, 3);
		CHECK_INT(it.header.record_count, count);
		CHECK_INT(it.header.producer_id, -1);
		struct record record;
		for (size_t i = 0; i < count; i++) {
			CHECK_INT(batch_iter_next(&it, &record, &err), 1);
			CHECK_INT(record.offset, 5000 + i);
			check_record(&record, &made[i]);
		}
		CHECK_INT(batch_iter_next(&it, &record, &err), 0);
		CHECK_INT(batch_iter_next(&it, &record, &err), 0);
		arena_reset(&arena);
	}
	arena_release(&arena);
	batch_iter_release(&it);
	batch_writer_release(&w);
}

/* tests/golden/batch: written by kafka-python 3 (its pure Python encoder), see README there. */
TEST(batch_reads_what_another_implementation_wrote)
{
	struct batch_iter it = {0};
	for (int codec = 0; codec < BATCH_CODEC_COUNT; codec++) {
		struct mr_error err;
		struct mr_buf file = {0};
		CHECK_OK(disk_read_file(disk_linux(),
					test_path("%s/batch/%s.bin", TEST_GOLDEN, compression_name(codec)),
					1 << 20, &file, &err),
			 err);
		mr_str wire = mr_buf_view(&file);
		CHECK_INT(batch_size(wire, &err), wire.len);
		CHECK(batch_crc_ok(wire));
		CHECK_OK(batch_iter_start(&it, wire, &err), err);
		CHECK_INT(batch_codec_of(&it.header), codec);
		CHECK_INT(it.header.record_count, 50);
		CHECK_INT(it.header.producer_id, codec ? -1 : 4000);
		CHECK_INT(it.header.producer_epoch, codec ? -1 : 7);
		CHECK_INT(it.header.base_sequence, codec ? -1 : 90);
		struct record r;
		for (int i = 0; i < 50; i++) {
			char text[128];
			CHECK_INT(batch_iter_next(&it, &r, &err), 1);
			CHECK_INT(r.offset, i);
			CHECK_INT(r.timestamp, 1700000000000 + i * 13 - (i % 2) * 500);
			snprintf(text, sizeof text, "key-%d", i);
			check_same(r.key, i % 5 ? mr_str_from(text) : MR_STR_NULL);
			int n = snprintf(text, sizeof text, "value %d of a batch ", i);
			mr_str value = mr_str_n(text, (size_t)n);
			CHECK(!r.value.ptr == (i % 7 == 3));
			if (i % 7 != 3 && i % 7 != 4) {
				CHECK_INT(r.value.len, value.len * (size_t)(i % 4 + 1));
				CHECK(mr_str_starts(r.value, value));
			} else {
				CHECK_INT(r.value.len, 0);
			}
			CHECK_INT(r.header_count, i % 3 ? 0 : 3);
			struct record_header h;
			if (i % 3)
				continue;
			CHECK_INT(record_header_next(&r.headers, &h, &err), 1);
			snprintf(text, sizeof text, "%032d", i);
			CHECK_STR(h.key, "trace");
			CHECK_STR(h.value, text);
			CHECK_INT(record_header_next(&r.headers, &h, &err), 1);
			CHECK(!h.value.ptr);
			CHECK_INT(record_header_next(&r.headers, &h, &err), 1);
			CHECK(h.value.ptr && h.value.len == 0);
			CHECK_INT(record_header_next(&r.headers, &h, &err), 0);
		}
		CHECK_INT(batch_iter_next(&it, &r, &err), 0);
		mr_buf_release(&file);
	}
	batch_iter_release(&it);
}

/* Reads everything that can be read; the sanitizers watch the borders. */
static void walk(struct batch_iter *it, mr_str wire)
{
	struct mr_error err;
	struct record r;
	struct record_header h;
	CHECK(batch_size(wire, &err) <= (int64_t)wire.len);
	(void)batch_crc_ok(wire);
	if (batch_iter_start(it, wire, &err) != 0)
		return;
	int rc;
	while ((rc = batch_iter_next(it, &r, &err)) == 1) {
		volatile char touched = 0;
		for (size_t i = 0; i < r.key.len; i++)
			touched ^= r.key.ptr[i];
		for (size_t i = 0; i < r.value.len; i++)
			touched ^= r.value.ptr[i];
		while (record_header_next(&r.headers, &h, &err) == 1)
			touched ^= (char)(h.key.len + h.value.len);
	}
	CHECK(rc == 0 || rc == MR_ERR_CORRUPT);
}

static void make_small(struct batch_writer *w, enum batch_codec codec, mr_str *wire)
{
	struct mr_error err;
	struct record_header headers[] = {{MR_STR("h"), MR_STR("1")}, {MR_STR("n"), MR_STR_NULL}};
	batch_writer_start(w);
	for (int i = 0; i < 12; i++)
		batch_writer_add(w, 1000 + i, i % 2 ? MR_STR("key") : MR_STR_NULL,
				 MR_STR("a value, a value, a value, a value, a value"), headers,
				 i % 3 ? 0 : 2);
	CHECK_OK(batch_writer_finish(w, codec, wire, &err), err);
}

TEST(batch_cut_or_changed_at_every_byte_is_never_read_past_its_end)
{
	struct batch_writer w;
	struct batch_iter it = {.plain_limit = 1 << 20};
	struct mr_rng rng;
	rng_seed(&rng, 3);
	batch_writer_init(&w, 0);
	for (int codec = 0; codec < BATCH_CODEC_COUNT; codec++) {
		mr_str wire;
		make_small(&w, codec, &wire);
		for (size_t cut = 0; cut < wire.len; cut++) {
			char *p = mr_alloc(cut + 1);
			memcpy(p, wire.ptr, cut);
			struct mr_error err;
			CHECK(batch_iter_start(&it, mr_str_n(p, cut), &err) < 0);
			CHECK(batch_size(mr_str_n(p, cut), &err) <= 0);
			if (cut >= BATCH_HEADER_SIZE) /* a header that agrees with the cut */
				mr_put_be32(p + 8, (uint32_t)(cut - BATCH_LENGTH_PREFIX));
			char *exact = mr_alloc(cut ? cut : 1);
			memcpy(exact, p, cut);
			walk(&it, mr_str_n(exact, cut));
			free(exact);
			free(p);
		}
		char *exact = mr_alloc(wire.len);
		for (size_t at = 0; at < wire.len; at++) {
			for (int turn = 0; turn < 6; turn++) {
				memcpy(exact, wire.ptr, wire.len);
				exact[at] = turn < 2 ? (char)(turn ? 0xff : 0) : (char)rng_next(&rng);
				if (exact[at] != wire.ptr[at] && at >= CRC_FIELD_END)
					CHECK(!batch_crc_ok(mr_str_n(exact, wire.len)));
				walk(&it, mr_str_n(exact, wire.len));
			}
		}
		free(exact);
	}
	batch_iter_release(&it);
	batch_writer_release(&w);
}

TEST(batch_iter_refuses_counts_and_lengths_that_lie)
{
	struct batch_writer w;
	struct batch_iter it = {0};
	struct record r;
	struct mr_error err;
	mr_str wire;
	batch_writer_init(&w, 0);
	static const struct {
		size_t at;
		uint32_t value;
		int start, last; /* what _start and the last _next say */
	} cases[] = {
	    {57, 11, 0, MR_ERR_CORRUPT}, /* a record too many in the bytes */
	    {57, 13, MR_ERR_CORRUPT, 0}, /* more records than offsets */
	    {57, (uint32_t)-1, MR_ERR_CORRUPT, 0},
	    {23, (uint32_t)-1, MR_ERR_CORRUPT, 0},
	    {23, 3, MR_ERR_CORRUPT, 0},
	    {23, 100, 0, 0}, /* a hole at the end is fine */
	    {8, 48, MR_ERR_CORRUPT, 0},
	    {8, (uint32_t)-1, MR_ERR_CORRUPT, 0},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		make_small(&w, BATCH_NONE, &wire);
		mr_put_be32((char *)(uintptr_t)wire.ptr + cases[i].at, cases[i].value);
		int rc = batch_iter_start(&it, wire, &err);
		CHECK_INT(rc, cases[i].start);
		while (rc == 0 && (rc = batch_iter_next(&it, &r, &err)) == 1)
			rc = 0;
		if (cases[i].start == 0)
			CHECK_INT(rc, cases[i].last);
	}
	make_small(&w, BATCH_NONE, &wire);
	((char *)(uintptr_t)wire.ptr)[22] |= 6; /* codec 6 */
	CHECK_INT(batch_iter_start(&it, wire, &err), MR_ERR_UNSUPPORTED);
	batch_iter_release(&it);
	batch_writer_release(&w);
}

TEST(batch_writer_keeps_its_limit_and_may_be_used_again)
{
	struct batch_writer w;
	struct mr_error err;
	mr_str wire;
	batch_writer_init(&w, 200);
	for (int i = 0; i < 30; i++)
		batch_writer_add(&w, i, MR_STR_NULL, MR_STR("0123456789"), NULL, 0);
	CHECK_INT(batch_writer_finish(&w, BATCH_NONE, &wire, &err), MR_ERR_LIMIT);
	batch_writer_start(&w);
	CHECK_INT(batch_writer_finish(&w, BATCH_NONE, &wire, &err), MR_ERR_INVALID);
	batch_writer_add(&w, 5, MR_STR_NULL, MR_STR("x"), NULL, 0);
	/* one byte does not shrink: left plain */
	CHECK_OK(batch_writer_finish(&w, BATCH_ZSTD, &wire, &err), err);
	struct batch_header header;
	CHECK_OK(batch_read_header(wire, &header, &err), err);
	CHECK_INT(batch_codec_of(&header), BATCH_NONE);
	CHECK_INT(wire.len, 61 + 1 + 1 + 1 + 1 + 1 + 2 + 1);
	batch_writer_release(&w);
}

TEST(batch_with_holes_keeps_offsets_and_the_producers_numbers)
{
	struct batch_writer w;
	struct batch_iter it = {0};
	struct mr_error err;
	struct record r;
	struct batch_header from = {.attributes = BATCH_TRANSACTIONAL | BATCH_GZIP,
				    .producer_id = 77,
				    .producer_epoch = 2,
				    .base_sequence = 900};
	for (int codec = 0; codec < BATCH_CODEC_COUNT; codec++) {
		mr_str wire, value = MR_STR("vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv");
		batch_writer_init(&w, 0);
		batch_writer_skip(&w);
		batch_writer_add(&w, 10, MR_STR_NULL, value, NULL, 0);
		batch_writer_skip(&w);
		batch_writer_skip(&w);
		batch_writer_add(&w, 11, MR_STR_NULL, value, NULL, 0);
		batch_writer_skip(&w);
		CHECK_OK(batch_writer_finish(&w, codec, &wire, &err), err);
		batch_writer_inherit(&w, &from, wire);
		CHECK(batch_crc_ok(wire));
		batch_patch_offset((char *)(uintptr_t)wire.ptr, 100, 0);
		CHECK_OK(batch_iter_start(&it, wire, &err), err);
		CHECK_INT(it.header.attributes & BATCH_TRANSACTIONAL, BATCH_TRANSACTIONAL);
		CHECK_INT(it.header.producer_id, 77);
		CHECK_INT(it.header.base_sequence, 900);
		CHECK_INT(it.header.last_offset_delta, 5);
		CHECK_INT(it.header.record_count, 2);
		CHECK_INT(batch_iter_next(&it, &r, &err), 1);
		CHECK_INT(r.offset, 101);
		CHECK_INT(batch_iter_next(&it, &r, &err), 1);
		CHECK_INT(r.offset, 104);
		CHECK_INT(batch_iter_next(&it, &r, &err), 0);
		/* no record at all: the numbers alone */
		batch_writer_start(&w);
		batch_writer_skip(&w);
		CHECK_OK(batch_writer_finish(&w, codec, &wire, &err), err);
		CHECK_OK(batch_iter_start(&it, wire, &err), err);
		CHECK_INT(batch_iter_next(&it, &r, &err), 0);
		batch_writer_release(&w);
	}
	batch_iter_release(&it);
}

TEST(batch_size_waits_for_a_whole_batch)
{
	struct batch_writer w;
	struct mr_error err;
	mr_str wire;
	batch_writer_init(&w, 0);
	make_small(&w, BATCH_LZ4, &wire);
	struct mr_buf two = {0};
	mr_buf_str(&two, wire);
	mr_buf_str(&two, wire);
	CHECK_INT(batch_size(mr_buf_view(&two), &err), wire.len);
	CHECK_INT(batch_size(mr_str_n(two.ptr, 11), &err), 0);
	CHECK_INT(batch_size(mr_str_n(two.ptr, wire.len - 1), &err), 0);
	two.ptr[16] = 1;
	CHECK_INT(batch_size(mr_buf_view(&two), &err), MR_ERR_CORRUPT);
	mr_buf_release(&two);
	batch_writer_release(&w);
}

TEST(batch_iter_stops_at_a_decompression_bomb)
{
	struct batch_writer w;
	struct batch_iter it = {.plain_limit = 4096};
	struct mr_error err;
	char zeros[5000] = {0};
	for (int codec = BATCH_GZIP; codec < BATCH_CODEC_COUNT; codec++) {
		mr_str wire;
		batch_writer_init(&w, 0);
		batch_writer_add(&w, 0, MR_STR_NULL, mr_str_n(zeros, sizeof zeros), NULL, 0);
		CHECK_OK(batch_writer_finish(&w, codec, &wire, &err), err);
		CHECK_INT(batch_iter_start(&it, wire, &err), MR_ERR_LIMIT);
		struct record r;
		CHECK_INT(batch_iter_next(&it, &r, &err), 0);
		batch_writer_release(&w);
	}
	batch_iter_release(&it);
}
