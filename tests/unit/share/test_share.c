/* Share groups over a manual log on a simulated disk: members, sessions, restarts, power cuts. */
#include "broker/group_config.h"
#include "codec/batch.h"
#include "group/group_fixture.h"
#include "share/records.h"
#include "share/share.h"

/* Bytes that Kafka 4.4's own classes wrote (ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey,
 * ShareUpdateValue). */
static void check_hex(const struct mr_buf *got, const char *hex)
{
	struct mr_buf text = {0};
	for (size_t i = 0; i < got->len; i++)
		mr_buf_printf(&text, "%02x", (unsigned char)got->ptr[i]);
	CHECK_STR(mr_buf_view(&text), hex);
	mr_buf_release(&text);
}

TEST(share_records_are_kafkas_to_the_byte)
{
	struct mr_buf out = {0};
	struct share_key key = {.group = MR_STR("g1"), .partition = 3};
	mr_put_be64((char *)key.topic_id, 0x1122334455667788);
	mr_put_be64((char *)key.topic_id + 8, 9);
	share_key_write(&key, &out);
	check_hex(&out, "0000000267311122334455667788000000000000000900000003");
	mr_buf_clear(&out);
	key.kind = SHARE_UPDATE;
	share_key_write(&key, &out);
	check_hex(&out, "0001000267311122334455667788000000000000000900000003");
	mr_buf_clear(&out);
	struct share_range ranges[] = {{7, 9, SHARE_AVAILABLE, 2, 0, 0}, {12, 12, SHARE_ARCHIVED, 5, 0, 0}};
	struct share_value snapshot = {.snapshot_epoch = 4,
				       .state_epoch = 5,
				       .created_ms = 1700000000001,
				       .written_ms = 1700000000002,
				       .start = 7,
				       .done_count = 8,
				       .batches = {ranges, 2, 2}};
	share_value_write(SHARE_SNAPSHOT, &snapshot, &out);
	check_hex(&out, "000000000004000000050000000000000000000000070000018bcfe56801"
			"0000018bcfe5680203000000000000000700000000000000090000020000"
			"0000000000000c000000000000000c0400050001000400000008");
	mr_buf_clear(&out);
	struct share_range update_range = {5, 9, SHARE_ACKNOWLEDGED, 1, 0, 0};
	struct share_value update = {
	    .snapshot_epoch = 4, .start = -1, .done_count = 3, .batches = {&update_range, 1, 1}};
	share_value_write(SHARE_UPDATE, &update, &out);
	check_hex(&out, "00000000000400000000ffffffffffffffff020000000000000005000000"
			"00000000090200010001000400000003");
	mr_buf_release(&out);
}

TEST(share_records_are_kafkas)
{
	struct mr_buf out = {0};
	struct share_key key = {
	    .kind = SHARE_SNAPSHOT, .group = MR_STR("g"), .topic_id = {1}, .partition = 2};
	struct share_key key_back;
	struct mr_error err;
	share_key_write(&key, &out);
	CHECK_OK(share_key_read(mr_buf_view(&out), &key_back, &err), err);
	CHECK_INT(key_back.partition, 2);
	CHECK_STR(key_back.group, "g");
	mr_buf_clear(&out);
	struct share_range range = {5, 9, SHARE_ARCHIVED, 3, 0, 0};
	struct share_value value = {
	    .snapshot_epoch = 4, .start = 5, .done_count = 5, .batches = {&range, 1, 1}};
	share_value_write(SHARE_UPDATE, &value, &out);
	for (size_t cut = 0; cut < out.len; cut++) {
		struct share_value bad;
		CHECK_INT(share_value_read(SHARE_UPDATE, mr_str_n(out.ptr, cut), &bad, &err), MR_ERR_CORRUPT);
	}
	struct share_value back;
	CHECK_OK(share_value_read(SHARE_UPDATE, mr_buf_view(&out), &back, &err), err);
	CHECK_INT(back.start, 5);
	CHECK_INT(back.done_count, 5);
	CHECK_INT(back.batches.len, 1);
	CHECK_INT(back.batches.items[0].deliveries, 3);
	mr_vec_release(&back.batches);
	mr_buf_release(&out);
}

/* ---- with a log ---- */

enum { CHECKED = 1000 }; /* take() that many: delivery counts are checked */

struct share_bench {
	struct group_fixture f;
	struct share *share;
	struct share_partition_ref ref;
	struct arena arena;
	int released; /* tens of which the last five were released */
};

static void bench_share(struct share_bench *b)
{
	struct mr_error err;
	struct share_options options;
	share_options_default(&options);
	options.env = &b->f.env;
	options.broker = b->f.broker;
	options.groups = b->f.groups;
	options.manual = true;
	options.updates_per_snapshot = 3;
	CHECK_OK(share_open(&options, &b->share, &err), err);
	b->ref = (struct share_partition_ref){log_topic_find(b->f.store, MR_STR("t")), 0};
}

static void bench_open(struct share_bench *b, uint64_t seed)
{
	*b = (struct share_bench){0};
	group_fixture_init(&b->f, seed);
	group_fixture_open(&b->f);
	bench_share(b);
}

static void bench_close(struct share_bench *b)
{
	share_close(b->share);
	group_fixture_close(&b->f);
	group_fixture_release(&b->f);
	arena_release(&b->arena);
}

static void produce(struct share_bench *b, int records)
{
	struct mr_error err;
	struct batch_writer w;
	struct log_append append;
	mr_str batch;
	batch_writer_init(&w, 0);
	batch_writer_start(&w);
	for (int i = 0; i < records; i++)
		batch_writer_add(&w, 1700000000000LL, MR_STR_NULL, MR_STR("v"), NULL, 0);
	CHECK_OK(batch_writer_finish(&w, BATCH_NONE, &batch, &err), err);
	CHECK_OK(log_append(log_partition_at(b->ref.topic, 0), batch, &append, &err), err);
	batch_writer_release(&w);
	group_fixture_commit(&b->f);
}

static int enter(struct share_bench *b, const char *member, int32_t epoch, struct share_session *out)
{
	struct share_ask ask = {.group = MR_STR("g"),
				.member_id = mr_str_from(member),
				.epoch = epoch,
				.add = &b->ref,
				.add_count = epoch == 0};
	return share_session_enter(b->share, &ask, out, &b->arena);
}

/* Acquire up to `most` records of what is stable; how many that were, *first the first. */
static int64_t take(struct share_bench *b, const struct share_session *session, int64_t most, int64_t *first)
{
	struct mr_error err;
	struct share_plan plan;
	struct share_ranges got = {0};
	CHECK_OK(share_part_plan(b->share, session->parts[0], &plan, &err), err);
	if (plan.from < 0)
		return 0;
	struct share_span span = {plan.from, plan.until - 1};
	struct share_acquire in = {.owner = session->owner,
				   .from = plan.from,
				   .batches = &span,
				   .batch_count = 1,
				   .records_max = most,
				   .strict = true};
	int64_t count = share_part_acquire(b->share, session->parts[0], &in, &got);
	if (count)
		*first = got.items[0].first;
	/* In the tests a record's tens are of one acknowledgement, its last five of a release. */
	for (size_t i = 0; i < got.len && most == CHECKED; i++) {
		for (int64_t at = got.items[i].first; at <= got.items[i].last; at++)
			CHECK_INT(got.items[i].deliveries, at < 10 * b->released && at % 10 >= 5 ? 2 : 1);
	}
	mr_vec_release(&got);
	return count;
}

static int acknowledge(struct share_bench *b, const struct share_session *s, int64_t first, int64_t last,
		       int8_t type, struct group_write *write)
{
	struct mr_error err;
	struct share_ack_batch batch = {first, last, &type, 1};
	int code = share_part_acknowledge(b->share, s->parts[0], s->owner, &batch, 1);
	CHECK_OK(share_part_flush(b->share, s->parts[0], write, &err), err);
	return code;
}

static void from_earliest(struct share_bench *b)
{
	struct mr_error err;
	struct config_change change = {MR_STR("share.auto.offset.reset"), CONFIG_SET, MR_STR("earliest")};
	CHECK_OK(group_config_alter(broker_group_configs(b->f.broker), MR_STR("g"), &change, 1, false, false,
				    &err),
		 err);
}

TEST(share_sessions_take_requests_in_order)
{
	struct share_bench b;
	struct share_session one, two;
	bench_open(&b, 1);
	produce(&b, 10);
	CHECK_INT(enter(&b, "a", 3, &one), SHARE_SESSION_NOT_FOUND);
	CHECK_INT(enter(&b, "a", 0, &one), GROUP_OK);
	CHECK_INT(one.part_count, 1);
	CHECK_INT(enter(&b, "a", 2, &one), SHARE_BAD_SESSION_EPOCH);
	CHECK_INT(enter(&b, "a", 1, &one), GROUP_OK);
	CHECK_INT(enter(&b, "b", 0, &two), GROUP_OK);
	int64_t first = -1;
	CHECK_INT(take(&b, &one, 100, &first), 0); /* latest: what came before is not for it */
	produce(&b, 10);
	CHECK_INT(take(&b, &one, 4, &first), 4);
	CHECK_INT(first, 10);
	CHECK_INT(take(&b, &two, 100, &first), 6);
	CHECK_INT(first, 14);
	CHECK_INT(enter(&b, "a", -1, &one), GROUP_OK);
	CHECK(one.closing);
	share_session_close(b.share, MR_STR("g"), MR_STR("a"));
	CHECK_INT(take(&b, &two, 100, &first), 4);
	CHECK_INT(first, 10);
	/* A lock's time is up. */
	sim_clock_advance(&b.f.clock, 31 * 1000000LL);
	share_tick(b.share);
	CHECK_INT(take(&b, &two, 100, &first), 10);
	bench_close(&b);
}

TEST(share_members_are_given_partitions)
{
	struct share_bench b;
	struct share_answer answer;
	int32_t interval;
	mr_str topic = MR_STR("t");
	bench_open(&b, 2);
	struct share_heartbeat beat = {.group = MR_STR("g"),
				       .member_id = MR_STR("m1"),
				       .client_id = MR_STR("c"),
				       .client_host = MR_STR("/h"),
				       .topics = &topic,
				       .topic_count = 1};
	CHECK_INT(share_group_heartbeat(b.share, &beat, &answer, &interval, &b.arena), GROUP_OK);
	CHECK_INT(answer.epoch, 1);
	CHECK_INT(answer.assignment_count, 1);
	CHECK_INT(interval, 5000);
	beat.member_id = MR_STR("m2");
	CHECK_INT(share_group_heartbeat(b.share, &beat, &answer, &interval, &b.arena), GROUP_OK);
	CHECK_INT(answer.assignment_count, 1); /* shared */
	beat.topic_count = -1;
	beat.member_epoch = 7;
	CHECK_INT(share_group_heartbeat(b.share, &beat, &answer, &interval, &b.arena),
		  GROUP_FENCED_MEMBER_EPOCH);
	struct share_group_view view;
	CHECK_INT(share_group_describe(b.share, MR_STR("g"), &view, &b.arena), GROUP_OK);
	CHECK_INT(view.member_count, 2);
	CHECK_STR(mr_str_from(view.state), "Stable");
	struct group_write write;
	struct mr_error err;
	CHECK_INT(share_group_delete(b.share, MR_STR("g"), &write, &err), GROUP_NON_EMPTY);
	beat.member_epoch = -1;
	CHECK_INT(share_group_heartbeat(b.share, &beat, &answer, &interval, &b.arena), GROUP_OK);
	sim_clock_advance(&b.f.clock, 46 * 1000000LL);
	share_tick(b.share);
	CHECK_INT(share_group_describe(b.share, MR_STR("g"), &view, &b.arena), GROUP_OK);
	CHECK_STR(mr_str_from(view.state), "Empty");
	CHECK_INT(share_group_delete(b.share, MR_STR("g"), &write, &err), GROUP_OK);
	CHECK_INT(share_group_describe(b.share, MR_STR("g"), &view, &b.arena), GROUP_NOT_FOUND);
	bench_close(&b);
}

TEST(share_group_names_are_its_own)
{
	struct share_bench b;
	struct group_write write;
	struct share_answer answer;
	int32_t interval;
	bench_open(&b, 3);
	CHECK_INT(group_fixture_put(&b.f, "g", 0, 5, &write), GROUP_OK);
	group_fixture_commit(&b.f);
	struct share_heartbeat beat = {.group = MR_STR("g"), .member_id = MR_STR("m")};
	CHECK_INT(share_group_heartbeat(b.share, &beat, &answer, &interval, &b.arena), GROUP_NOT_FOUND);
	bench_close(&b);
}

static int enter_as(struct share_bench *b, const char *group, struct share_session *out)
{
	struct share_ask ask = {
	    .group = mr_str_from(group), .member_id = MR_STR("m"), .add = &b->ref, .add_count = 1};
	return share_session_enter(b->share, &ask, out, &b->arena);
}

static int64_t states_start(const struct share_bench *b)
{
	return log_start_offset(log_partition_at(log_topic_find(b->f.store, MR_STR(SHARE_STATE_TOPIC)), 0));
}

static void prune(struct share_bench *b)
{
	sim_clock_advance(&b->f.clock, 5 * 60 * 1000001LL);
	share_tick(b->share);
	group_fixture_commit(&b->f);
}

/* The states' topic is cut before the oldest snapshot that is needed. A group that rests does not hold it
 * for good: its snapshot is written anew when it is far behind. What is left tells all. */
TEST(share_states_are_pruned)
{
	struct share_bench b;
	struct share_session idle, busy;
	struct group_write write;
	struct mr_error err;
	struct share_offset *offsets;
	size_t count;
	int64_t first;
	bench_open(&b, 5);
	from_earliest(&b);
	struct config_change change = {MR_STR("share.auto.offset.reset"), CONFIG_SET, MR_STR("earliest")};
	CHECK_OK(group_config_alter(broker_group_configs(b.f.broker), MR_STR("busy"), &change, 1, false,
				    false, &err),
		 err);
	produce(&b, 20000);
	CHECK_INT(enter_as(&b, "g", &idle), GROUP_OK);
	CHECK_INT(take(&b, &idle, 100, &first), 100);
	CHECK_INT(acknowledge(&b, &idle, 10, 19, 1, &write), GROUP_OK);
	CHECK_INT(enter_as(&b, "busy", &busy), GROUP_OK);
	for (int64_t done = 0; done < 12000; done += 100) {
		CHECK_INT(take(&b, &busy, 100, &first), 100);
		for (int i = 0; i < 100; i++)
			CHECK_INT(acknowledge(&b, &busy, done + i, done + i, 1, &write), GROUP_OK);
		group_fixture_commit(&b.f);
		if (done == 5000) {
			prune(&b);
			CHECK(states_start(&b) < 10); /* the idle one's snapshot is still the first */
		}
	}
	prune(&b); /* it is renewed */
	prune(&b);
	CHECK(states_start(&b) > 11000);
	share_close(b.share);
	group_fixture_crash(&b.f);
	bench_share(&b);
	CHECK_INT(share_offsets_describe(b.share, MR_STR("busy"), NULL, 0, &offsets, &count, &b.arena),
		  GROUP_OK);
	CHECK_INT(count, 1);
	CHECK_INT(offsets[0].start, 12000);
	CHECK_INT(share_offsets_describe(b.share, MR_STR("g"), NULL, 0, &offsets, &count, &b.arena),
		  GROUP_OK);
	CHECK_INT(offsets[0].start, 0);
	CHECK_INT(offsets[0].lag, 20000 - 10); /* ten of them are done with */
	bench_close(&b);
}

/* An acknowledgement that was told holds after any power cut; one that was not may go either way. */
TEST(share_acknowledgements_survive_a_power_cut)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct share_bench b;
		struct share_session s;
		struct group_write write = {0};
		struct mr_error err;
		int64_t first = -1;
		bench_open(&b, seed);
		from_earliest(&b);
		produce(&b, 100);
		CHECK_INT(enter(&b, "a", 0, &s), GROUP_OK);
		CHECK_INT(take(&b, &s, 100, &first), 100);
		int told = (int)(seed % 9), at = 0;
		for (; at < told; at++) {
			CHECK_INT(acknowledge(&b, &s, at * 10, at * 10 + 4, SHARE_ACCEPT, &write), GROUP_OK);
			CHECK_INT(acknowledge(&b, &s, at * 10 + 5, at * 10 + 9, SHARE_RELEASE, &write),
				  GROUP_OK);
			if (rng_below(&b.f.rng, 2))
				group_fixture_commit(&b.f);
		}
		group_fixture_commit(&b.f);
		CHECK_INT(groups_write_state(&write, &err), 0);
		CHECK_INT(acknowledge(&b, &s, at * 10, at * 10 + 9, SHARE_ACCEPT, &write), GROUP_OK);
		share_close(b.share);
		group_fixture_crash(&b.f);
		bench_share(&b);
		from_earliest(&b);
		CHECK_INT(enter(&b, "a", 0, &s), GROUP_OK);
		struct share_offset *offset;
		size_t count;
		CHECK_INT(share_offsets_describe(b.share, MR_STR("g"), NULL, 0, &offset, &count, &b.arena),
			  told    ? GROUP_OK
			  : count ? GROUP_OK
				  : GROUP_NOT_FOUND);
		b.released = told;
		int64_t left = take(&b, &s, CHECKED, &first);
		int64_t sure = 100 - 5 * told;
		CHECK(left == sure || left == sure - 10);
		if (told)
			CHECK_INT(first, 5);
		bench_close(&b);
	}
}

TEST(share_offsets_are_reset_and_forgotten)
{
	struct share_bench b;
	struct share_session s;
	struct group_write write;
	struct mr_error err;
	int64_t first = -1;
	bench_open(&b, 4);
	from_earliest(&b);
	produce(&b, 50);
	CHECK_INT(enter(&b, "a", 0, &s), GROUP_OK);
	CHECK_INT(take(&b, &s, 20, &first), 20);
	CHECK_INT(acknowledge(&b, &s, 0, 9, SHARE_ACCEPT, &write), GROUP_OK);
	CHECK_INT(acknowledge(&b, &s, 15, 19, SHARE_ACCEPT, &write), GROUP_OK);
	struct share_offset *offset, reset = {.ref = b.ref, .start = 30};
	size_t count;
	CHECK_INT(share_offsets_describe(b.share, MR_STR("g"), NULL, 0, &offset, &count, &b.arena), GROUP_OK);
	CHECK_INT(count, 1);
	CHECK_INT(offset->start, 10);
	CHECK_INT(offset->lag, 35);
	CHECK_INT(share_offsets_alter(b.share, MR_STR("g"), &reset, 1, &write, &err), GROUP_OK);
	CHECK_INT(share_offsets_alter(b.share, MR_STR("made"), &reset, 1, &write, &err), GROUP_OK);
	CHECK(share_group_exists(b.share, MR_STR("made")));
	CHECK_INT(group_fixture_put(&b.f, "taken", 0, 5, &write), GROUP_OK);
	group_fixture_commit(&b.f);
	CHECK_INT(share_offsets_alter(b.share, MR_STR("taken"), &reset, 1, &write, &err), GROUP_NOT_FOUND);
	group_fixture_commit(&b.f);
	share_close(b.share);
	group_fixture_crash(&b.f);
	bench_share(&b);
	CHECK_INT(enter(&b, "a", 0, &s), GROUP_OK);
	CHECK_INT(take(&b, &s, 100, &first), 20);
	CHECK_INT(first, 30);
	CHECK_INT(share_group_delete(b.share, MR_STR("g"), &write, &err), GROUP_OK);
	group_fixture_commit(&b.f);
	share_close(b.share);
	group_fixture_crash(&b.f);
	bench_share(&b);
	CHECK(!share_group_exists(b.share, MR_STR("g")));
	bench_close(&b);
}
