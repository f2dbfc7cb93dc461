/* Record batches, and the records of the broker's own topics. */
#include "fuzz.h"

#include "base/mem.h"
#include "base/varint.h"
#include "codec/batch.h"
#include "group/deadlines.h"
#include "group/group.h"
#include "group/records.h"
#include "share/records.h"
#include "txn/records.h"

#include <stdlib.h>

#define PLAIN_MAX (1 << 20)

/* ---- record batches ---- */

static void walk_batch(struct batch_iter *it, mr_str input)
{
	struct record record;
	struct record_header header;
	if (batch_iter_start(it, input, NULL) != 0)
		return;
	CHECK(it->plain.len <= PLAIN_MAX);
	while (batch_iter_next(it, &record, NULL) == 1) {
		while (record_header_next(&record.headers, &header, NULL) == 1)
			;
	}
}

static void *start_batch(void)
{
	struct batch_iter *it = mr_calloc(1, sizeof *it);
	it->plain_limit = PLAIN_MAX;
	return it;
}

/* As it is, then with a length that agrees, or hardly an input would pass the header. */
static void feed_batch(void *state, mr_str input)
{
	struct mr_buf mended = {0};
	(void)!batch_size(input, NULL);
	walk_batch(state, input);
	if (input.len < BATCH_HEADER_SIZE)
		return;
	mr_buf_str(&mended, input);
	mr_put_be32(mended.ptr + 8, (uint32_t)(mended.len - BATCH_LENGTH_PREFIX));
	walk_batch(state, mr_buf_view(&mended));
	mr_buf_release(&mended);
}

static void stop_batch(void *state)
{
	batch_iter_release(state);
	free(state);
}

const struct fuzz_target fuzz_record_batch = {.name = "record_batch",
					      .rounds = 8000,
					      .files = "golden/batch",
					      .start = start_batch,
					      .feed = feed_batch,
					      .stop = stop_batch};

/* ---- the codecs alone: the first byte says which ---- */

static void *start_codec(void)
{
	return compression_new();
}

static void feed_codec(void *state, mr_str input)
{
	struct mr_buf plain = {0};
	if (input.len == 0)
		return;
	int rc = decompress_append(state, input.ptr[0] & 7, mr_str_tail(input, 1), PLAIN_MAX, &plain, NULL);
	CHECK(rc <= 0 && plain.len <= PLAIN_MAX);
	mr_buf_release(&plain);
}

/* Every codec over a short text, and over more zeros than may come out: a bomb. */
static bool seed_codec(void *state, size_t n, struct mr_buf *out)
{
	struct mr_error err;
	size_t codec = n / 2, size = n % 2 ? 2 * PLAIN_MAX : 200;
	if (codec >= BATCH_CODEC_COUNT)
		return false;
	char *plain = mr_calloc(1, size);
	for (size_t i = 0; i < mr_min_size(size, 150); i++)
		plain[i] = (char)('a' + i % 26);
	mr_buf_char(out, (char)codec);
	if (codec != BATCH_NONE)
		CHECK_OK(compress_append(state, (enum batch_codec)codec, mr_str_n(plain, size), out, &err),
			 err);
	free(plain);
	return true;
}

static void stop_codec(void *state)
{
	compression_free(state);
}

const struct fuzz_target fuzz_decompress = {.name = "decompress",
					    .rounds = 3000,
					    .seed = seed_codec,
					    .start = start_codec,
					    .feed = feed_codec,
					    .stop = stop_codec};

/* ---- __consumer_offsets: the first byte says which kind of value the rest is ---- */

static void feed_group_value(mr_str input, const struct groups_options *options)
{
	struct deadlines deadlines = {0};
	struct classic_group classic;
	struct consumer_group consumer;
	struct group_offset offset = {0};
	mr_str metadata;
	int kind = input.ptr[0];
	mr_str value = mr_str_tail(input, 1);
	(void)!record_offset_read(value, &offset, &metadata, NULL);
	classic_init(&classic, options, &deadlines);
	(void)!record_group_read(value, &classic, NULL);
	classic_release(&classic);
	consumer_init(&consumer, options, &deadlines);
	(void)!record_consumer_read(kind, value, &consumer, MR_STR("member"), NULL);
	consumer_release(&consumer);
	deadlines_release(&deadlines);
}

static void feed_group_records(void *state, mr_str input)
{
	struct record_key key;
	struct groups_options options;
	struct mr_buf again = {0};
	groups_options_default(&options);
	if (record_key_read(input, &key, NULL) == 0) {
		record_key_write(&key, &again);
		CHECK(again.len <= input.len);
	}
	mr_buf_release(&again);
	if (input.len)
		feed_group_value(input, &options);
}

static void seed_key(size_t n, struct mr_buf *out)
{
	static const int kinds[] = {RECORD_OFFSET,          RECORD_CLASSIC_GROUP, RECORD_CONSUMER_GROUP,
				    RECORD_CONSUMER_MEMBER, RECORD_TARGET,        RECORD_TARGET_MEMBER,
				    RECORD_CURRENT_MEMBER};
	struct record_key key = {kinds[n % MR_COUNT(kinds)], MR_STR("group"), MR_STR("topic"), 7};
	record_key_write(&key, out);
}

static void seed_classic(struct mr_buf *out)
{
	struct groups_options options;
	struct deadlines deadlines = {0};
	struct classic_group g;
	groups_options_default(&options);
	classic_init(&g, &options, &deadlines);
	g.protocol_type = mr_strdup("consumer");
	g.protocol = mr_strdup("range");
	g.generation = 4;
	classic_restore_member(&g, MR_STR("m1"), MR_STR("instance"), 10000, 30000, MR_STR("sub"),
			       MR_STR("assigned"));
	record_group_write(&g, out);
	classic_release(&g);
	deadlines_release(&deadlines);
}

static bool seed_group_records(void *state, size_t n, struct mr_buf *out)
{
	static const char member[] = "\x05\0\0\0\0\2c\2h\3\1t\1\0\0\x75\x30\0\0";
	static const char classic[] = "\x05\0\0\0\0\2c\3/h\2\2t\0\0\0\x3a\x98\0\1\0\x1b\0\0\x27\x10"
				      "\2\6range\x0e\0\0\0\0\0\1\0\1t\xff\xff\xff\xff\0\0";
	static const char current[] = "\x08\0\0\0\0\0\5\0\0\0\4\0\2ABCDEFGHIJKLMNOP\3\0\0\0\0\0\0\0\1\0\1\0";
	struct group_offset offset = {.offset = 12345, .leader_epoch = 3, .commit_ms = 1700000000000};
	if (n < 7) {
		seed_key(n, out);
	} else if (n == 7) {
		mr_buf_char(out, RECORD_OFFSET);
		record_offset_write(&offset, MR_STR("note"), out);
	} else if (n == 8) {
		mr_buf_char(out, RECORD_CLASSIC_GROUP);
		seed_classic(out);
	} else if (n == 9) {
		mr_buf_append(out, member, sizeof member - 1);
	} else if (n == 10) {
		mr_buf_append(out, current, sizeof current - 1);
	} else if (n == 11) {
		mr_buf_append(out, classic, sizeof classic - 1);
	}
	return n <= 11;
}

const struct fuzz_target fuzz_group_records = {
    .name = "group_records", .rounds = 8000, .seed = seed_group_records, .feed = feed_group_records};

/* ---- __transaction_state ---- */

static void feed_txn_records(void *state, mr_str input)
{
	struct txn_machine m;
	mr_str id;
	(void)!txn_key_read(input, &id, NULL);
	machine_init(&m);
	if (txn_value_read(input, &m, NULL) == 0) {
		struct mr_buf again = {0};
		txn_value_write(&m, &again);
		mr_buf_release(&again);
	}
	machine_release(&m);
}

static bool seed_txn_records(void *state, size_t n, struct mr_buf *out)
{
	static const char v0[] =
	    "\0\0\0\0\0\0\0\0\3\xe8\0\2\0\0\xea\x60\1\0\0\0\1\0\1t\0\0\0\2\0\0\0\0\0\0\0\1"
	    "\0\0\1\x8b\xcf\xe5\x68\0\0\0\1\x8b\xcf\xe5\x68\0";
	static const char v1[] = "\0\1\0\0\0\0\0\0\3\xe8\0\2\0\0\xea\x60\1\2\2t\3\0\0\0\0\0\0\0\1\0"
				 "\0\0\1\x8b\xcf\xe5\x68\0\0\0\1\x8b\xcf\xe5\x68\0\1\2\2\0\2";
	if (n == 0)
		txn_key_write(MR_STR("transactional"), out);
	else if (n == 1)
		mr_buf_append(out, v0, sizeof v0 - 1);
	else if (n == 2)
		mr_buf_append(out, v1, sizeof v1 - 1);
	return n <= 2;
}

const struct fuzz_target fuzz_txn_records = {
    .name = "txn_records", .rounds = 8000, .seed = seed_txn_records, .feed = feed_txn_records};

/* ---- __share_group_state: a key, or a value whose kind the first byte says ---- */

static void feed_share_records(void *state, mr_str input)
{
	struct share_key key;
	struct share_value value = {0};
	(void)!share_key_read(input, &key, NULL);
	if (input.len == 0)
		return;
	enum share_record kind = input.ptr[0] & 1 ? SHARE_UPDATE : SHARE_SNAPSHOT;
	if (share_value_read(kind, mr_str_tail(input, 1), &value, NULL) == 0) {
		struct mr_buf again = {0};
		share_value_write(kind, &value, &again);
		mr_buf_release(&again);
		mr_vec_release(&value.batches);
	}
}

static bool seed_share_records(void *state, size_t n, struct mr_buf *out)
{
	static const char batches[] = "\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\3"
				      "\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x0c\0\0\1\0"
				      "\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\x0f\2\0\2\0\0";
	struct share_key key = {SHARE_SNAPSHOT, MR_STR("group"), "0123456789abcde", 3};
	struct share_value value = {
	    .snapshot_epoch = 2, .state_epoch = 1, .created_ms = 5, .written_ms = 6, .start = 9};
	if (n == 0) {
		share_key_write(&key, out);
	} else if (n < 3) {
		mr_buf_char(out, (char)(n - 1));
		share_value_write(n == 1 ? SHARE_SNAPSHOT : SHARE_UPDATE, &value, out);
	} else if (n == 3) {
		mr_buf_char(out, SHARE_UPDATE);
		mr_buf_append(out, batches, sizeof batches - 1);
	}
	return n <= 3;
}

const struct fuzz_target fuzz_share_records = {
    .name = "share_records", .rounds = 8000, .seed = seed_share_records, .feed = feed_share_records};
