#include "test.h"

#include "base/mem.h"
#include "base/varint.h"
#include "codec/compress.h"
#include "env/rng.h"

#include <stdlib.h>

static void fill(struct mr_buf *out, struct mr_rng *rng, size_t len)
{
	mr_buf_clear(out);
	while (out->len < len) {
		size_t run = 1 + rng_below(rng, 40);
		char c = (char)rng_below(rng, rng_below(rng, 2) ? 256 : 4);
		while (run-- && out->len < len)
			mr_buf_char(out, c);
	}
}

TEST(compress_round_trips_every_codec_and_size)
{
	struct compression *c = compression_new();
	struct mr_rng rng;
	struct mr_error err;
	struct mr_buf plain = {0}, packed = {0}, again = {0};
	rng_seed(&rng, 1);
	static const size_t sizes[] = {0, 1, 2, 100, 4096, 65535, 65536, 65537, 300000, 1500000};
	for (int codec = 0; codec < BATCH_CODEC_COUNT; codec++) {
		for (size_t i = 0; i < MR_COUNT(sizes); i++) {
			fill(&plain, &rng, sizes[i]);
			mr_buf_clear(&packed);
			mr_buf_clear(&again);
			mr_buf_cstr(&again, "kept:");
			CHECK_OK(compress_append(c, codec, mr_buf_view(&plain), &packed, &err), err);
			CHECK_OK(decompress_append(c, codec, mr_buf_view(&packed), plain.len, &again, &err),
				 err);
			CHECK_INT(again.len, plain.len + 5);
			CHECK(memcmp(again.ptr + 5, plain.ptr ? plain.ptr : "", plain.len) == 0);
			if (plain.len == 0)
				continue;
			/* one byte less is a bomb, and nothing is appended */
			CHECK_INT(
			    decompress_append(c, codec, mr_buf_view(&packed), plain.len - 1, &again, &err),
			    MR_ERR_LIMIT);
			CHECK_INT(again.len, plain.len + 5);
		}
	}
	mr_buf_release(&plain);
	mr_buf_release(&packed);
	mr_buf_release(&again);
	compression_free(c);
}

/* Java's clients and others put several members or frames one after another. */
TEST(compress_reads_members_and_frames_in_a_row)
{
	struct compression *c = compression_new();
	struct mr_error err;
	static const enum batch_codec chained[] = {BATCH_GZIP, BATCH_LZ4, BATCH_ZSTD};
	for (size_t i = 0; i < MR_COUNT(chained); i++) {
		struct mr_buf packed = {0}, plain = {0};
		CHECK_OK(compress_append(c, chained[i], MR_STR("one "), &packed, &err), err);
		CHECK_OK(compress_append(c, chained[i], MR_STR("two"), &packed, &err), err);
		CHECK_OK(decompress_append(c, chained[i], mr_buf_view(&packed), 100, &plain, &err), err);
		CHECK_STR(mr_buf_view(&plain), "one two");
		mr_buf_char(&packed, 'x');
		CHECK_INT(decompress_append(c, chained[i], mr_buf_view(&packed), 100, &plain, &err),
			  MR_ERR_CORRUPT);
		mr_buf_release(&packed);
		mr_buf_release(&plain);
	}
	compression_free(c);
}

static void put_xerial(struct mr_buf *out, struct compression *c, const char *const *blocks, size_t count)
{
	mr_buf_append(out, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
	for (size_t i = 0; i < count; i++) {
		struct mr_error err;
		struct mr_buf block = {0};
		CHECK_OK(compress_append(c, BATCH_SNAPPY, mr_str_from(blocks[i]), &block, &err), err);
		char len[4];
		mr_put_be32(len, (uint32_t)block.len);
		mr_buf_append(out, len, 4);
		mr_buf_str(out, mr_buf_view(&block));
		mr_buf_release(&block);
	}
}

TEST(compress_reads_the_xerial_frames_of_java_clients)
{
	struct compression *c = compression_new();
	struct mr_error err;
	struct mr_buf packed = {0}, plain = {0};
	static const char *const blocks[] = {"first block, ", "", "second"};
	put_xerial(&packed, c, blocks, 3);
	CHECK_OK(decompress_append(c, BATCH_SNAPPY, mr_buf_view(&packed), 19, &plain, &err), err);
	CHECK_STR(mr_buf_view(&plain), "first block, second");
	CHECK_INT(decompress_append(c, BATCH_SNAPPY, mr_buf_view(&packed), 18, &plain, &err), MR_ERR_LIMIT);
	for (size_t cut = 17; cut + 1 < packed.len; cut++)
		CHECK(decompress_append(c, BATCH_SNAPPY, mr_str_n(packed.ptr, cut), 100, &plain, &err) <= 0);
	packed.len--;
	CHECK_INT(decompress_append(c, BATCH_SNAPPY, mr_buf_view(&packed), 100, &plain, &err),
		  MR_ERR_CORRUPT);
	mr_buf_release(&packed);
	mr_buf_release(&plain);
	compression_free(c);
}

TEST(compress_refuses_lying_lengths_before_it_makes_room)
{
	struct compression *c = compression_new();
	struct mr_error err;
	struct mr_buf plain = {0};
	/* "4 GiB follow" in five bytes of snappy */
	CHECK_INT(decompress_append(c, BATCH_SNAPPY, MR_STR("\xff\xff\xff\xff\x0f"), SIZE_MAX, &plain, &err),
		  MR_ERR_CORRUPT);
	CHECK(plain.cap < 1024);
	CHECK_INT(decompress_append(c, 5, MR_STR("x"), 100, &plain, &err), MR_ERR_UNSUPPORTED);
	CHECK_INT(decompress_append(c, 7, MR_STR("x"), 100, &plain, &err), MR_ERR_UNSUPPORTED);
	mr_buf_release(&plain);
	compression_free(c);
}

TEST(compress_survives_every_cut_and_every_flipped_byte)
{
	struct compression *c = compression_new();
	struct mr_rng rng;
	struct mr_error err;
	struct mr_buf plain = {0}, packed = {0}, again = {0};
	rng_seed(&rng, 2);
	fill(&plain, &rng, 700);
	for (int codec = BATCH_GZIP; codec < BATCH_CODEC_COUNT; codec++) {
		mr_buf_clear(&packed);
		CHECK_OK(compress_append(c, codec, mr_buf_view(&plain), &packed, &err), err);
		for (size_t cut = 0; cut < packed.len; cut++) {
			char *exact = mr_strndup(mr_str_n(packed.ptr, cut)); /* ASan guards its end */
			mr_buf_clear(&again);
			CHECK(decompress_append(c, codec, mr_str_n(exact, cut), 4096, &again, &err) < 0);
			CHECK_INT(again.len, 0);
			free(exact);
		}
		for (size_t at = 0; at < packed.len; at++) {
			packed.ptr[at] ^= (char)(1 + rng_below(&rng, 255));
			char *exact = mr_strndup(mr_buf_view(&packed));
			mr_buf_clear(&again);
			CHECK(decompress_append(c, codec, mr_str_n(exact, packed.len), 4096, &again, &err) <=
			      0);
			CHECK(again.len <= 4096);
			free(exact);
		}
	}
	mr_buf_release(&plain);
	mr_buf_release(&packed);
	mr_buf_release(&again);
	compression_free(c);
}

TEST(compression_names_are_kafkas)
{
	enum batch_codec codec;
	for (int i = 0; i < BATCH_CODEC_COUNT; i++) {
		CHECK(compression_parse(mr_str_from(compression_name(i)), &codec));
		CHECK_INT(codec, i);
	}
	CHECK(!compression_parse(MR_STR("brotli"), &codec));
}
