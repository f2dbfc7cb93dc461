#include "test.h"

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/varint.h"
#include "base/vec.h"
#include "env/rng.h"

TEST(crc32c_known_answers_and_agreement)
{
	CHECK(mr_crc32c(0, "123456789", 9) == 0xe3069283u); /* RFC 3720, B.4 */
	static uint8_t bytes[20000];
	struct mr_rng rng;
	rng_seed(&rng, 1);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)rng_next(&rng);
	for (int i = 0; i < 200; i++) {
		size_t from = rng_below(&rng, 100), len = rng_below(&rng, sizeof bytes - 100);
		CHECK(mr_crc32c(7, bytes + from, len) == mr_crc32c_portable(7, bytes + from, len));
	}
}

TEST(buf_overflow_is_sticky)
{
	struct mr_buf buf;
	mr_buf_init(&buf, 5);
	mr_buf_cstr(&buf, "abc");
	mr_buf_cstr(&buf, "def");
	CHECK(buf.overflow);
	mr_buf_char(&buf, 'x');
	CHECK_STR(mr_buf_view(&buf), "abc");
	mr_buf_clear(&buf);
	mr_buf_printf(&buf, "%d", 12345);
	CHECK_STR(mr_buf_view(&buf), "12345");
	mr_buf_consume(&buf, 2);
	CHECK_STR(mr_buf_view(&buf), "345");
	mr_buf_release(&buf);
}

TEST(map_agrees_with_an_array)
{
	enum { KEYS = 500 };
	static int present[KEYS], values[KEYS];
	struct mr_map map = {0};
	struct mr_rng rng;
	rng_seed(&rng, 2);
	for (int round = 0; round < 20000; round++) {
		int k = (int)rng_below(&rng, KEYS);
		char key[16];
		mr_str s = mr_str_n(key, (size_t)snprintf(key, sizeof key, "key%d", k));
		if (rng_below(&rng, 2)) {
			CHECK(mr_map_put(&map, s, &values[k]) == (present[k] ? &values[k] : NULL));
			present[k] = 1;
		} else {
			CHECK(mr_map_remove(&map, s) == (present[k] ? &values[k] : NULL));
			present[k] = 0;
		}
		CHECK(mr_map_get(&map, s) == (present[k] ? &values[k] : NULL));
	}
	size_t live = 0, seen = 0;
	for (int k = 0; k < KEYS; k++)
		live += (size_t)present[k];
	mr_map_each (&map, e)
		seen++;
	CHECK_INT(map.len, live);
	CHECK_INT(seen, live);
	mr_map_release(&map);
}

TEST(varint_round_trips)
{
	static const int64_t values[] = {0, 1, -1, 63, 64, -64, -65, 300, INT32_MAX, INT64_MAX, INT64_MIN};
	for (size_t i = 0; i < MR_COUNT(values); i++) {
		uint8_t bytes[10];
		size_t n = mr_put_uvarint(bytes, mr_zigzag(values[i]));
		uint64_t back;
		CHECK_INT(n, mr_uvarint_size(mr_zigzag(values[i])));
		CHECK_INT(mr_get_uvarint(bytes, n, &back), n);
		CHECK_INT(mr_unzigzag(back), values[i]);
		CHECK_INT(mr_get_uvarint(bytes, n - 1, &back), 0);
	}
}

TEST(arena_alignment_and_reset)
{
	struct arena arena = {0};
	for (size_t i = 1; i < 5000; i += 7)
		CHECK((uintptr_t)arena_alloc(&arena, i) % 16 == 0);
	CHECK_STR(arena_printf(&arena, "%s-%d", "x", 3), "x-3");
	arena_reset(&arena);
	arena_alloc(&arena, 1 << 20);
	arena_release(&arena);
}
