/* The groups over their internal topic: what is visible when, what replay says, what expires. */
#include "group/group_fixture.h"
#include "group/records.h"
#include "log/transactions.h"

TEST(group_offset_is_visible_when_it_is_safe)
{
	struct group_fixture f;
	struct group_write write;
	group_fixture_init(&f, 1);
	group_fixture_open(&f);
	CHECK_INT(group_fixture_put(&f, "g", 0, 42, &write), GROUP_OK);
	CHECK_INT(groups_write_state(&write, NULL), 1);
	CHECK_INT(group_fixture_get(&f, "g", 0), -1);
	group_fixture_commit(&f);
	CHECK_INT(groups_write_state(&write, NULL), 0);
	CHECK_INT(group_fixture_get(&f, "g", 0), 42);
	CHECK_INT(group_fixture_get(&f, "g", 1), -1);
	CHECK_INT(group_fixture_get(&f, "other", 0), -1);
	group_fixture_close(&f);
	group_fixture_open(&f);
	CHECK_INT(group_fixture_get(&f, "g", 0), 42);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(group_metadata_has_a_limit)
{
	struct group_fixture f;
	struct group_write write;
	char long_text[5000] = {0};
	memset(long_text, 'x', 4097);
	struct group_offset_entry entries[2] = {{MR_STR("t"), 0, 1, -1, mr_str_n(long_text, 4097), 0},
						{MR_STR("t"), 1, 1, -1, mr_str_n(long_text, 4096), 0}};
	struct group_commit in = {
	    .member = {MR_STR("g"), MR_STR(""), MR_STR_NULL, -1}, .entries = entries, .count = 2};
	group_fixture_init(&f, 1);
	group_fixture_open(&f);
	CHECK_INT(groups_commit(f.groups, &in, &write, NULL), GROUP_OK);
	CHECK_INT(entries[0].code, GROUP_METADATA_TOO_LARGE);
	CHECK_INT(entries[1].code, GROUP_OK);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

static struct group_ticket *join_one(struct group_fixture *f, const char *id)
{
	struct group_protocol protocol = {MR_STR("range"), MR_STR("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff")};
	struct group_join in = {
	    .group = MR_STR("g"),
	    .member_id = mr_str_from(id),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .protocol_type = MR_STR("consumer"),
	    .protocols = &protocol,
	    .protocol_count = 1,
	    .session_timeout_ms = 10000,
	    .rebalance_timeout_ms = 10000,
	};
	struct group_ticket *ticket;
	groups_join(f->groups, &in, &ticket);
	return ticket;
}

/* A stable group of one; its member's id is written to id. */
static void make_stable(struct group_fixture *f, char id[64])
{
	struct group_ticket *ticket = join_one(f, "");
	CHECK_INT(ticket->code, GROUP_OK);
	snprintf(id, 64, "%.*s", MR_FMT(ticket->member_id));
	struct group_sync_assignment all = {mr_str_from(id), MR_STR("part")};
	struct group_sync sync = {.group = MR_STR("g"),
				  .member_id = mr_str_from(id),
				  .generation = ticket->generation,
				  .assignments = &all,
				  .assignment_count = 1};
	group_ticket_drop(f->groups, ticket);
	groups_sync(f->groups, &sync, &ticket);
	CHECK(group_ticket_done(f->groups, ticket));
	CHECK_INT(groups_write_state(&ticket->write, NULL), 1); /* not to be told yet */
	group_fixture_commit(f);
	CHECK_INT(groups_write_state(&ticket->write, NULL), 0);
	group_ticket_drop(f->groups, ticket);
}

TEST(group_members_survive_and_then_expire)
{
	struct group_fixture f;
	char id[64];
	struct arena arena = {0};
	struct group_view view;
	group_fixture_init(&f, 2);
	group_fixture_open(&f);
	make_stable(&f, id);
	group_fixture_crash(&f);
	CHECK_INT(groups_describe(f.groups, MR_STR("g"), &view, &arena), GROUP_OK);
	CHECK(strcmp(view.summary.state, "Stable") == 0);
	CHECK_INT(view.summary.members, 1);
	CHECK_STR(view.members[0].id, id);
	CHECK_STR(view.members[0].assignment, "part");
	CHECK_STR(view.members[0].client_host, "/h");
	CHECK_STR(view.protocol, "range");
	struct group_member_ref member = {MR_STR("g"), mr_str_from(id), MR_STR_NULL, view.generation};
	CHECK_INT(groups_heartbeat(f.groups, &member), GROUP_OK);
	sim_clock_advance(&f.clock, 10000 * 1000 + 1000);
	groups_tick(f.groups);
	CHECK_INT(groups_heartbeat(f.groups, &member), GROUP_UNKNOWN_MEMBER);
	CHECK_INT(groups_describe(f.groups, MR_STR("g"), &view, &arena), GROUP_OK);
	CHECK(strcmp(view.summary.state, "Empty") == 0);
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(group_commits_are_fenced_by_generation)
{
	struct group_fixture f;
	char id[64];
	struct group_write write;
	group_fixture_init(&f, 3);
	group_fixture_open(&f);
	make_stable(&f, id);
	CHECK_INT(group_fixture_put(&f, "g", 0, 1, &write), GROUP_UNKNOWN_MEMBER);
	struct group_offset_entry entry = {.topic = MR_STR("t"), .offset = 7, .metadata = MR_STR("")};
	struct group_commit in = {
	    .member = {MR_STR("g"), mr_str_from(id), MR_STR_NULL, 5}, .entries = &entry, .count = 1};
	CHECK_INT(groups_commit(f.groups, &in, &write, NULL), GROUP_ILLEGAL_GENERATION);
	in.member.generation = 1;
	CHECK_INT(groups_commit(f.groups, &in, &write, NULL), GROUP_OK);
	CHECK_INT(groups_delete(f.groups, MR_STR("g"), &write, NULL), GROUP_NON_EMPTY);
	entry.code = 0;
	CHECK_INT(groups_delete_offsets(f.groups, MR_STR("g"), &entry, 1, &write, NULL), GROUP_OK);
	CHECK_INT(entry.code, GROUP_SUBSCRIBED_TO_TOPIC);
	in.member.group = MR_STR("none");
	CHECK_INT(groups_commit(f.groups, &in, &write, NULL), GROUP_ILLEGAL_GENERATION);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(group_is_deleted_with_its_offsets)
{
	struct group_fixture f;
	struct group_write write;
	size_t count;
	struct arena arena = {0};
	group_fixture_init(&f, 4);
	group_fixture_open(&f);
	CHECK_INT(groups_delete(f.groups, MR_STR("g"), &write, NULL), GROUP_NOT_FOUND);
	CHECK_INT(group_fixture_put(&f, "g", 0, 1, &write), GROUP_OK);
	group_fixture_commit(&f);
	CHECK_INT(groups_delete(f.groups, MR_STR("g"), &write, NULL), GROUP_OK);
	CHECK_INT(group_fixture_get(&f, "g", 0), 1); /* not yet */
	CHECK_INT(group_fixture_put(&f, "g", 0, 2, &write), GROUP_NOT_AVAILABLE);
	group_fixture_commit(&f);
	CHECK_INT(group_fixture_get(&f, "g", 0), -1);
	groups_list(f.groups, &count, &arena);
	CHECK_INT(count, 0);
	group_fixture_crash(&f);
	groups_list(f.groups, &count, &arena);
	CHECK_INT(count, 0);
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(group_offsets_expire_after_the_last_member)
{
	struct group_fixture f;
	struct group_write write;
	struct groups_stats stats;
	const int64_t day_us = 24LL * 3600 * 1000000;
	group_fixture_init(&f, 5);
	group_fixture_open(&f);
	CHECK_INT(group_fixture_put(&f, "simple", 0, 1, &write), GROUP_OK);
	group_fixture_commit(&f);
	sim_clock_advance(&f.clock, 6 * day_us);
	CHECK_INT(group_fixture_put(&f, "simple", 1, 1, &write), GROUP_OK);
	group_fixture_commit(&f);
	sim_clock_advance(&f.clock, day_us);
	groups_tick(f.groups);
	group_fixture_commit(&f);
	CHECK_INT(group_fixture_get(&f, "simple", 0), -1);
	CHECK_INT(group_fixture_get(&f, "simple", 1), 1);
	sim_clock_advance(&f.clock, 6 * day_us);
	groups_tick(f.groups);
	group_fixture_commit(&f);
	groups_stats(f.groups, &stats);
	CHECK_INT(stats.groups, 0);
	CHECK_INT(stats.expired_offsets, 2);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(group_forgets_a_deleted_topic)
{
	struct group_fixture f;
	struct group_write write;
	group_fixture_init(&f, 6);
	group_fixture_open(&f);
	CHECK_INT(group_fixture_put(&f, "g", 0, 1, &write), GROUP_OK);
	group_fixture_commit(&f);
	CHECK_INT(groups_topic_deleted(f.groups, MR_STR("t"), NULL), 0);
	group_fixture_commit(&f);
	CHECK_INT(group_fixture_get(&f, "g", 0), -1);
	/* Also when nobody told it so. */
	CHECK_INT(group_fixture_put(&f, "g", 0, 2, &write), GROUP_OK);
	group_fixture_commit(&f);
	CHECK_INT(log_topic_delete(f.store, MR_STR("t"), NULL), 0);
	groups_close(f.groups);
	struct mr_error err;
	CHECK_OK(groups_open(&f.options, &f.groups, &err), err);
	group_fixture_commit(&f);
	CHECK_INT(group_fixture_get(&f, "g", 0), -1);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

/* The internal topic is compacted; what is left of it tells the same. */
TEST(group_topic_is_compacted)
{
	struct group_fixture f;
	struct group_write write;
	char id[64];
	struct mr_error err;
	group_fixture_init(&f, 9);
	f.options.topic_segment_bytes = 64 << 10;
	group_fixture_open(&f);
	make_stable(&f, id);
	for (int i = 0; i < 3000; i++) {
		CHECK_INT(group_fixture_put(&f, i % 3 ? "red" : "blue", i % 5, i, &write), GROUP_OK);
		if (i % 50 == 0)
			group_fixture_commit(&f);
	}
	group_fixture_commit(&f);
	CHECK_INT(groups_delete(f.groups, MR_STR("blue"), &write, NULL), GROUP_OK);
	group_fixture_commit(&f);
	struct log_partition *partition = groups_partition_of(f.groups, MR_STR("g"));
	int64_t before = log_size_bytes(partition);
	CHECK_OK(log_store_compact(f.store, &err), err);
	CHECK(log_size_bytes(partition) < before / 2);
	group_fixture_crash(&f);
	for (int i = 0; i < 5; i++) {
		int last = 2999;
		while (last % 5 != i || last % 3 == 0)
			last--;
		CHECK_INT(group_fixture_get(&f, "red", i), last);
		CHECK_INT(group_fixture_get(&f, "blue", i), -1);
	}
	struct group_member_ref member = {MR_STR("g"), mr_str_from(id), MR_STR_NULL, 1};
	CHECK_INT(groups_heartbeat(f.groups, &member), GROUP_OK);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

static int txn_put_of(struct group_fixture *f, const char *group, int64_t producer, int32_t partition,
		      int64_t offset)
{
	struct group_write write;
	struct group_offset_entry entry = {
	    MR_STR("t"), partition, offset, 3, MR_STR("note"), 0,
	};
	struct group_commit in = {
	    .member = {mr_str_from(group), MR_STR(""), MR_STR_NULL, -1}, .entries = &entry, .count = 1};
	int rc = group_txn_offset_commit(f->groups, &in, producer, 0, &write, NULL);
	group_fixture_commit(f);
	return rc;
}

static int txn_put(struct group_fixture *f, int64_t producer, int32_t partition, int64_t offset)
{
	return txn_put_of(f, "g", producer, partition, offset);
}

static int stable_code(struct group_fixture *f, int32_t partition)
{
	struct arena arena = {0};
	struct group_fetch in = {.member = {.group = MR_STR("g"), .generation = -1}, .require_stable = true};
	struct group_offset_entry entry = {.topic = MR_STR("t"), .partition = partition};
	CHECK_INT(groups_fetch(f->groups, &in, &entry, 1, &arena), GROUP_OK);
	arena_release(&arena);
	return entry.code;
}

TEST(group_offsets_of_a_transaction_wait_for_its_end)
{
	struct group_fixture f;
	struct group_write write;
	group_fixture_init(&f, 7);
	group_fixture_open(&f);
	CHECK_INT(txn_put(&f, 11, 0, 100), GROUP_OK);
	CHECK_INT(txn_put(&f, 12, 1, 200), GROUP_OK);
	CHECK_INT(group_fixture_get(&f, "g", 0), -1);
	CHECK_INT(stable_code(&f, 0), GROUP_UNSTABLE_OFFSET);
	CHECK_INT(stable_code(&f, 2), GROUP_OK);
	group_fixture_crash(&f); /* undecided ones are still undecided */
	CHECK_INT(stable_code(&f, 0), GROUP_UNSTABLE_OFFSET);
	/* A later commit is not undone by a transaction that began before it. */
	CHECK_INT(group_fixture_put(&f, "g", 0, 150, &write), GROUP_OK);
	group_fixture_commit(&f);
	group_txn_complete(f.groups, 11, true);
	CHECK_INT(group_fixture_get(&f, "g", 0), 150);
	group_txn_complete(f.groups, 12, false);
	CHECK_INT(group_fixture_get(&f, "g", 1), -1);
	CHECK_INT(stable_code(&f, 1), GROUP_OK);
	CHECK_INT(txn_put(&f, 11, 1, 300), GROUP_OK);
	group_txn_complete(f.groups, 11, true);
	CHECK_INT(group_fixture_get(&f, "g", 1), 300);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

static size_t undecided(struct group_fixture *f)
{
	struct groups_stats stats;
	groups_stats(f->groups, &stats);
	return stats.transactions;
}

/* The end of a transaction looks at the groups that it wrote to, and at no others. */
TEST(group_transactions_end_in_each_of_their_groups)
{
	struct group_fixture f;
	struct group_write write;
	char name[16];
	group_fixture_init(&f, 9);
	group_fixture_open(&f);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "g%d", i);
		CHECK_INT(txn_put_of(&f, name, 100 + i % 3, 0, i), GROUP_OK);
		CHECK_INT(txn_put_of(&f, name, 100 + i % 3, 1, 100 + i), GROUP_OK);
	}
	group_fixture_get(&f, "g0", 0); /* settles */
	CHECK_INT(undecided(&f), 3);
	CHECK_INT(groups_delete(f.groups, MR_STR("g3"), &write, NULL), GROUP_OK);
	group_fixture_commit(&f);
	group_txn_complete(f.groups, 100, true);
	group_txn_complete(f.groups, 999, true); /* of nobody */
	CHECK_INT(undecided(&f), 2);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "g%d", i);
		CHECK_INT(group_fixture_get(&f, name, 1), i % 3 || i == 3 ? -1 : 100 + i);
	}
	group_fixture_crash(&f); /* nobody wrote markers */
	CHECK_INT(undecided(&f), 3);
	group_txn_complete(f.groups, 102, false);
	group_txn_complete(f.groups, 101, true);
	CHECK_INT(group_fixture_get(&f, "g2", 0), -1);
	CHECK_INT(group_fixture_get(&f, "g4", 0), 4);
	CHECK_INT(undecided(&f), 1);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

static void mark(struct group_fixture *f, int64_t producer, bool commits)
{
	struct log_append append;
	struct mr_error err;
	struct log_partition *partition = groups_partition_of(f->groups, MR_STR("g"));
	CHECK_OK(log_append_marker(partition, producer, 0, commits, 0, &append, &err), err);
	group_fixture_commit(f);
}

/* The log alone tells the same: nobody told the groups of the transactions' ends. */
TEST(group_offsets_of_transactions_are_replayed)
{
	struct group_fixture f;
	group_fixture_init(&f, 8);
	group_fixture_open(&f);
	CHECK_INT(txn_put(&f, 21, 0, 100), GROUP_OK);
	CHECK_INT(txn_put(&f, 21, 1, 101), GROUP_OK);
	CHECK_INT(txn_put(&f, 22, 2, 102), GROUP_OK);
	CHECK_INT(txn_put(&f, 23, 3, 103), GROUP_OK);
	mark(&f, 21, true);
	mark(&f, 22, false);
	group_fixture_crash(&f);
	CHECK_INT(group_fixture_get(&f, "g", 0), 100);
	CHECK_INT(group_fixture_get(&f, "g", 1), 101);
	CHECK_INT(group_fixture_get(&f, "g", 2), -1);
	CHECK_INT(stable_code(&f, 2), GROUP_OK);
	CHECK_INT(group_fixture_get(&f, "g", 3), -1);
	CHECK_INT(stable_code(&f, 3), GROUP_UNSTABLE_OFFSET);
	CHECK_INT(txn_put(&f, 21, 0, 200), GROUP_OK); /* the producer's next transaction */
	mark(&f, 23, true);
	mark(&f, 21, true);
	group_fixture_crash(&f);
	CHECK_INT(group_fixture_get(&f, "g", 0), 200);
	CHECK_INT(group_fixture_get(&f, "g", 3), 103);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

/* Bytes made by hand from Kafka's OffsetCommitKey, OffsetCommitValue and GroupMetadataKey. */
TEST(group_records_are_kafkas)
{
	struct mr_buf out = {0};
	struct record_key key = {RECORD_OFFSET, MR_STR("grp"), MR_STR("top"), 7};
	record_key_write(&key, &out);
	mr_str want = MR_STR("\0\1\0\3grp\0\3top\0\0\0\7");
	CHECK(mr_str_eq(mr_buf_view(&out), want));
	struct record_key back;
	struct mr_error err;
	CHECK_OK(record_key_read(want, &back, &err), err);
	CHECK_INT(back.partition, 7);
	CHECK_INT(record_key_read(mr_str_n(want.ptr, want.len - 1), &back, &err), MR_ERR_CORRUPT);
	mr_buf_clear(&out);
	struct group_offset value = {.offset = 258, .leader_epoch = -1, .commit_ms = 65536};
	record_offset_write(&value, MR_STR("m"), &out);
	want = MR_STR("\0\3\0\0\0\0\0\0\1\2\xff\xff\xff\xff\0\1m\0\0\0\0\0\1\0\0");
	CHECK(mr_str_eq(mr_buf_view(&out), want));
	/* Version 1, of brokers before 2.1: no epoch, and a time of expiry at its end. */
	mr_str metadata, old = MR_STR("\0\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2");
	CHECK_OK(record_offset_read(old, &value, &metadata, &err), err);
	CHECK_INT(value.offset, 5);
	CHECK_INT(value.leader_epoch, -1);
	CHECK_INT(value.commit_ms, 1);
	CHECK_INT(record_key_read(MR_STR("\0\x63\0\0"), &back, &err), 1);
	mr_buf_release(&out);
}

/* Whatever bytes a record has, reading them ends with an answer. */
TEST(group_records_survive_damage)
{
	struct mr_rng rng;
	rng_seed(&rng, 9);
	struct groups_options options;
	groups_options_default(&options);
	struct deadlines deadlines = {0};
	for (int round = 0; round < test_rounds(3000); round++) {
		char bytes[96];
		size_t len = rng_below(&rng, sizeof bytes);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(rng_below(&rng, 3) ? rng_below(&rng, 5) : rng_next(&rng));
		struct classic_group g;
		struct record_key key;
		struct group_offset value;
		mr_str metadata;
		classic_init(&g, &options, &deadlines);
		(void)!record_group_read(mr_str_n(bytes, len), &g, NULL);
		(void)!record_key_read(mr_str_n(bytes, len), &key, NULL);
		(void)!record_offset_read(mr_str_n(bytes, len), &value, &metadata, NULL);
		classic_release(&g);
	}
	deadlines_release(&deadlines);
}
