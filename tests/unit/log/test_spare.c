/* Spare buffers: what grows keeps its bytes, what is kept stays within limits. */
#include "log/spare.h"

#include "base/mem.h"
#include "test.h"

static void fill(struct mr_buf *buf, size_t len)
{
	mr_buf_reserve(buf, len);
	memset(buf->ptr, 'x', len);
	buf->len = len;
	buf->ptr[len] = 0;
}

TEST(spares_take_over_what_grows)
{
	struct spares spares;
	struct mr_buf big = {0}, small = {0};
	spares_init(&spares);
	fill(&big, 4 << 20);
	char *memory = big.ptr;
	spares_give(&spares, &big);
	CHECK(big.ptr == NULL);
	mr_buf_cstr(&small, "first");
	spares_grow(&spares, &small, 100); /* malloc's business */
	CHECK(small.ptr != memory);
	spares_grow(&spares, &small, 2 << 20);
	CHECK(small.ptr == memory);
	CHECK_STR(mr_buf_view(&small), "first");
	CHECK(small.cap > 4 << 20);
	struct mr_buf other = {0};
	spares_grow(&spares, &other, 2 << 20); /* none is left: it grows by itself */
	CHECK(other.ptr == NULL);
	mr_buf_release(&small);
	spares_release(&spares);
}

TEST(spares_keep_the_largest_that_fit)
{
	struct spares spares;
	spares_init(&spares);
	static const size_t sizes[] = {1 << 20, 2 << 20, 100 << 10, SPARE_BYTES_MAX + 1, 4 << 20};
	for (size_t i = 0; i < MR_COUNT(sizes); i++) {
		struct mr_buf buf = {0};
		fill(&buf, sizes[i]);
		spares_give(&spares, &buf);
	}
	size_t least = mr_min_size(spares.kept[0].cap, spares.kept[1].cap);
	CHECK(least >= 2 << 20 && least < 4 << 20);
	CHECK(mr_max_size(spares.kept[0].cap, spares.kept[1].cap) >= 4 << 20);
	struct mr_buf buf = {0};
	spares_grow(&spares, &buf, 3 << 20);
	spares_trim(&spares); /* somebody asked: the other one may be wanted next */
	CHECK_INT(mr_max_size(spares.kept[0].cap, spares.kept[1].cap), least);
	spares_trim(&spares);
	CHECK(spares.kept[0].cap == 0 && spares.kept[1].cap == 0);
	mr_buf_release(&buf);
	spares_release(&spares);
}
