/* Views hold the same bytes as log_read, wherever they come from. */
#include "log_kit.h"

#include "base/mem.h"
#include "env/rng.h"
#include "log/view.h"

#include <unistd.h>

static struct log_partition *filled(struct log_store *store, int batches, uint64_t seed)
{
	struct mr_error err;
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	struct mr_rng rng;
	rng_seed(&rng, seed);
	for (int i = 0; i < batches; i++) {
		struct log_append out;
		struct mr_buf batch =
		    kit_batch("v", 1 + (int)rng_below(&rng, 3), 1000 + i, (size_t)rng_below(&rng, 4000));
		CHECK_OK(log_append(p, mr_buf_view(&batch), &out, &err), err);
		if (rng_below(&rng, 4) == 0)
			CHECK_OK(log_wait_stable(p, out.next_offset, 10000, &err), err);
		mr_buf_release(&batch);
	}
	CHECK_OK(log_wait_stable(p, log_end_offset(p), 10000, &err), err);
	return p;
}

static void view_bytes(const struct log_view *view, struct mr_buf *out)
{
	mr_buf_clear(out);
	mr_buf_reserve(out, view->length + 1);
	if (view->bytes)
		memcpy(out->ptr, view->bytes, view->length);
	else if (view->length)
		CHECK_INT(pread(view->fd, out->ptr, view->length, view->position), (ssize_t)view->length);
	out->len = view->length;
}

static int64_t base_of(struct mr_buf *bytes)
{
	return (int64_t)mr_get_be64(bytes->ptr);
}

/* Random requests, held against log_read of everything. Returns how many file views there were. */
static int compare(struct log_partition *p, uint64_t seed)
{
	struct mr_error err;
	struct mr_rng rng;
	rng_seed(&rng, seed);
	struct mr_buf got = {0}, want = {0};
	int files = 0;
	int64_t stable = log_stable_offset(p);
	for (int i = 0; i < 400; i++) {
		struct log_view view;
		struct log_view_request request = {
		    .offset = (int64_t)rng_below(&rng, (uint64_t)stable + 1),
		    .max_bytes = (size_t)rng_below(&rng, 30000),
		    .min_one = rng_below(&rng, 2),
		    .in_memory = rng_below(&rng, 4) == 0,
		};
		if (rng_below(&rng, 3) == 0)
			request.until = 1 + (int64_t)rng_below(&rng, (uint64_t)stable);
		CHECK_OK(log_view(p, &request, &view, &err), err);
		view_bytes(&view, &got);
		files += view.length && !view.bytes;
		CHECK(!request.in_memory || view.bytes || view.length == 0);
		if (view.length == 0) {
			CHECK_INT(view.next_offset, request.offset);
		} else {
			CHECK(view.length <= request.max_bytes || request.min_one);
			CHECK(base_of(&got) <= request.offset);
			mr_buf_clear(&want);
			CHECK_OK(log_read(p, request.offset, view.length, true, &want, NULL, &err), err);
			CHECK(mr_str_eq(mr_buf_view(&got), mr_buf_view(&want)));
			size_t at = 0, last = 0;
			for (; at < got.len; at += mr_get_be32(got.ptr + at + 8) + 12)
				last = at;
			CHECK_INT(at, got.len);
			int64_t base = (int64_t)mr_get_be64(got.ptr + last);
			CHECK_INT(view.next_offset, base + mr_get_be32(got.ptr + last + 23) + 1);
			CHECK(request.until == 0 || base < request.until);
		}
		log_view_release(&view);
		log_view_release(&view);
	}
	mr_buf_release(&got);
	mr_buf_release(&want);
	return files;
}

TEST(log_views_hold_what_read_answers)
{
	const char *dir = test_folder();
	for (uint64_t seed = 1; seed <= 3; seed++) {
		const char *folder = test_path("%s/%d", dir, (int)seed);
		char *kept = mr_strdup(folder);
		struct log_store *store = kit_open(kept);
		struct log_partition *p = filled(store, 900, seed);
		CHECK(compare(p, seed) > 100);
		log_store_close(store);
		store = kit_open(kept); /* nothing is in memory now */
		p = log_partition_at(log_topic_find(store, MR_STR("t")), 0);
		CHECK(compare(p, seed + 10) > 200);
		log_store_close(store);
		free(kept);
	}
}

TEST(log_view_outlives_the_topic)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_partition *p = filled(store, 300, 7);
	struct log_view file, memory;
	struct log_view_request request = {.offset = 0, .max_bytes = 10000, .min_one = true};
	CHECK_OK(log_view(p, &request, &file, &err), err);
	request.offset = log_stable_offset(p) - 1;
	CHECK_OK(log_view(p, &request, &memory, &err), err);
	CHECK(file.fd >= 0 && memory.bytes);
	struct mr_buf before = {0}, after = {0};
	view_bytes(&file, &before);
	CHECK_OK(log_topic_delete(store, MR_STR("t"), &err), err);
	view_bytes(&file, &after);
	CHECK(mr_str_eq(mr_buf_view(&before), mr_buf_view(&after)));
	CHECK(batch_crc_ok((mr_str){memory.bytes, memory.length}));
	CHECK_INT(log_view(p, &request, &file, &err), MR_ERR_NOT_FOUND);
	log_view_release(&file);
	log_view_release(&memory);
	mr_buf_release(&before);
	mr_buf_release(&after);
	log_store_close(store);
}
