/* tests/fuzz/fuzz_decoders.c - decoders of what comes from outside, fed with their corpora and
 * with mutations of them from a seed. The sanitizers judge; a limit on rounds keeps it short
 * (MR_TEST_SCALE=100 for a long run). The input is copied to a block of its exact size, so that
 * a read past its end is seen. */
#include "test.h"

#include "auth/scram.h"
#include "base/mem.h"
#include "codec/batch.h"
#include "codec/jsonschema.h"
#include "env/disk_linux.h"
#include "env/rng.h"

#include <stdlib.h>

#define CORPUS_MAX 32
#define SEED 20260101

struct corpus {
	struct mr_buf files[CORPUS_MAX];
	size_t count;
	const char *folder;
};

static int load_file(void *arg, const char *name, const struct file_info *info)
{
	struct corpus *corpus = arg;
	struct mr_error err;
	if (info->is_dir || mr_str_ends(mr_str_from(name), MR_STR(".md")) || corpus->count == CORPUS_MAX)
		return 0;
	CHECK_OK(disk_read_file(disk_linux(), test_path("%s/%s", corpus->folder, name), 1 << 20,
				&corpus->files[corpus->count++], &err),
		 err);
	return 0;
}

static void load(struct corpus *corpus, const char *folder)
{
	struct mr_error err;
	*corpus = (struct corpus){.folder = folder};
	CHECK_OK(disk_list(disk_linux(), folder, load_file, corpus, &err), err);
	CHECK(corpus->count > 0);
}

static void corpus_release(struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->count; i++)
		mr_buf_release(&corpus->files[i]);
}

/* One to four edits: a byte changed, a bit flipped, a part cut out, doubled, or taken from another. */
static void mutate(struct mr_buf *out, const struct corpus *corpus, struct mr_rng *rng)
{
	mr_buf_clear(out);
	mr_buf_str(out, mr_buf_view(&corpus->files[rng_below(rng, corpus->count)]));
	for (uint64_t edits = 1 + rng_below(rng, 4); edits && out->len; edits--) {
		size_t at = rng_below(rng, out->len);
		size_t len = 1 + rng_below(rng, mr_min_size(out->len - at, 64));
		mr_str other = mr_buf_view(&corpus->files[rng_below(rng, corpus->count)]);
		struct mr_buf tail = {0};
		switch (rng_below(rng, 5)) {
		case 0:
			out->ptr[at] = (char)rng_next(rng);
			break;
		case 1:
			out->ptr[at] ^= (char)(1 << rng_below(rng, 8));
			break;
		case 2:
			memmove(out->ptr + at, out->ptr + at + len, out->len - at - len);
			out->len -= len;
			break;
		case 3:
			mr_buf_append(&tail, out->ptr + at, out->len - at);
			mr_buf_str(out, mr_buf_view(&tail));
			break;
		default:
			for (size_t i = 0; i < len && at < other.len; i++, at++)
				if (at < out->len)
					out->ptr[at] = other.ptr[at];
		}
		mr_buf_release(&tail);
	}
}

static void feed_batch(void *arg, mr_str input)
{
	struct batch_iter *it = arg;
	struct record record;
	struct record_header header;
	struct mr_error err;
	if (batch_iter_start(it, input, &err) != 0)
		return;
	while (batch_iter_next(it, &record, &err) == 1) {
		while (record_header_next(&record.headers, &header, &err) == 1)
			;
	}
}

static void feed_schema(void *arg, mr_str input)
{
	struct json_parser *parser = arg;
	struct json_schema *schema;
	struct json_value v;
	struct mr_error err;
	struct json_fault fault;
	if (json_schema_compile(input, "fuzz", &schema, &err) != 0)
		return;
	if (json_parse(parser, input, &v, &err) == 0) /* held against itself */
		(void)json_schema_valid(schema, v, &fault);
	static const char document[] = "{\"host\":\"1.2.3.4\",\"status\":7,\"kids\":[{\"v\":1.5},{}],\"v\":2,"
				       "\"tags\":[\"a\",1,1.0],\"x-a\":null}";
	if (json_parse(parser, MR_STR(document), &v, &err) == 0)
		(void)json_schema_valid(schema, v, &fault);
	json_schema_free(schema);
}

/* Once as the message that begins an exchange, once as the one that ends it; nothing proves anything. */
static void feed_scram(void *arg, mr_str input)
{
	static const uint8_t secret[32] = {1};
	for (int begin = 0; begin < 2; begin++) {
		struct scram_exchange exchange;
		struct mr_buf reply = {0};
		scram_exchange_init(&exchange, SCRAM_SHA_256);
		mr_str first = begin ? input : MR_STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
		if (scram_first(&exchange, first, NULL) == 0) {
			scram_challenge(&exchange, NULL, secret, arg, &reply);
			CHECK(scram_final(&exchange, input, &reply, NULL) < 0);
		}
		mr_buf_release(&reply);
		scram_exchange_release(&exchange);
	}
}

static void run(const char *folder, void (*feed)(void *arg, mr_str input), void *arg, int rounds,
		void (*mend)(struct mr_buf *input))
{
	struct corpus corpus;
	struct mr_rng rng;
	struct mr_buf input = {0};
	rng_seed(&rng, SEED);
	load(&corpus, folder);
	for (size_t i = 0; i < corpus.count; i++)
		feed(arg, mr_buf_view(&corpus.files[i]));
	for (int i = 0; i < test_rounds(rounds); i++) {
		mutate(&input, &corpus, &rng);
		if (mend)
			mend(&input);
		char *exact = mr_alloc(input.len ? input.len : 1);
		memcpy(exact, input.ptr, input.len);
		feed(arg, mr_str_n(exact, input.len));
		free(exact);
	}
	mr_buf_release(&input);
	corpus_release(&corpus);
}

/* Let the length agree, or hardly an input would pass the header. */
static void mend_length(struct mr_buf *input)
{
	if (input->len >= BATCH_HEADER_SIZE)
		mr_put_be32(input->ptr + 8, (uint32_t)(input->len - BATCH_LENGTH_PREFIX));
}

TEST(fuzz_record_batches)
{
	struct batch_iter it = {.plain_limit = 1 << 20};
	run(test_path("%s/batch", TEST_GOLDEN), feed_batch, &it, 8000, mend_length);
	batch_iter_release(&it);
}

TEST(fuzz_schemas)
{
	struct json_parser *parser = json_parser_new();
	run(test_path("%s/../fuzz/corpus/schema", TEST_GOLDEN), feed_schema, parser, 5000, NULL);
	json_parser_free(parser);
}

TEST(fuzz_scram)
{
	struct mr_rng rng;
	rng_seed(&rng, SEED);
	run(test_path("%s/../fuzz/corpus/scram", TEST_GOLDEN), feed_scram, &rng, 8000, NULL);
}
