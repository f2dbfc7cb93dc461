/* The coordinator: transactions over two partitions, fencing, time-outs, offsets of groups, and
 * power cuts at every step of an end. */
#include "txn/txn_fixture.h"

TEST(txns_commit_and_abort)
{
	struct txn_fixture f;
	txn_fixture_init(&f, 1);
	txn_fixture_open(&f);
	struct txn_producer who = txn_fixture_start(&f, "tx");
	CHECK_INT(txn_fixture_add(&f, &who, 0), TXN_OK);
	CHECK_INT(txn_fixture_add(&f, &who, 1), TXN_OK);
	CHECK_INT(txn_fixture_write(&f, &who, 0, 0, "a"), 0);
	CHECK_INT(txn_fixture_write(&f, &who, 1, 0, "b"), 0);
	txn_fixture_settle(&f);
	CHECK_COMMITTED(&f, 0, "");
	CHECK_INT(txn_fixture_end(&f, &who, true, true), TXN_OK);
	CHECK_INT(who.epoch, 1);
	CHECK_COMMITTED(&f, 0, "a ");
	CHECK_COMMITTED(&f, 1, "b ");
	CHECK_INT(txn_fixture_add(&f, &who, 0), TXN_OK);
	CHECK_INT(txn_fixture_write(&f, &who, 0, 0, "c"), 2);
	CHECK_INT(txn_fixture_end(&f, &who, false, true), TXN_OK);
	CHECK_COMMITTED(&f, 0, "a ");
	CHECK_INT(log_last_stable_offset(f.partitions[0]), 4);
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

TEST(txns_a_new_producer_fences_the_old_one)
{
	struct txn_fixture f;
	txn_fixture_init(&f, 2);
	txn_fixture_open(&f);
	struct txn_producer old = txn_fixture_start(&f, "tx");
	CHECK_INT(txn_fixture_add(&f, &old, 0), TXN_OK);
	CHECK_INT(txn_fixture_write(&f, &old, 0, 0, "a"), 0);
	struct txn_producer new = txn_fixture_start(&f, "tx");
	CHECK_INT(new.producer_id, old.producer_id);
	CHECK(new.epoch > old.epoch);
	CHECK_INT(txn_fixture_add(&f, &old, 0), TXN_FENCED);
	CHECK_INT(txn_fixture_end(&f, &old, true, false), TXN_FENCED);
	CHECK_INT(txn_fixture_write(&f, &old, 0, 1, "late"), -LOG_BAD_EPOCH);
	CHECK_INT(log_last_stable_offset(f.partitions[0]), 2);
	CHECK_COMMITTED(&f, 0, "");
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

TEST(txns_time_out_also_over_a_restart)
{
	struct txn_fixture f;
	txn_fixture_init(&f, 3);
	txn_fixture_open(&f);
	for (int crash = 0; crash < 2; crash++) {
		struct txn_producer who = txn_fixture_start(&f, "tx");
		CHECK_INT(txn_fixture_add(&f, &who, 0), TXN_OK);
		CHECK(txn_fixture_write(&f, &who, 0, 0, "a") >= 0);
		txn_fixture_settle(&f);
		sim_clock_advance(&f.clock, 59000000);
		txn_fixture_settle(&f);
		CHECK(log_in_transaction(f.partitions[0], who.producer_id, who.epoch));
		if (crash)
			txn_fixture_crash(&f);
		sim_clock_advance(&f.clock, 2000000);
		txn_fixture_settle(&f);
		CHECK(!log_in_transaction(f.partitions[0], who.producer_id, who.epoch));
		CHECK_INT(log_last_stable_offset(f.partitions[0]), log_end_offset(f.partitions[0]));
		CHECK_INT(txn_fixture_end(&f, &who, true, false), TXN_FENCED);
	}
	CHECK_COMMITTED(&f, 0, "");
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

/* A topic that is dropped takes its part of the transaction along: the rest ends, by its owner or by time,
 * and a topic that comes under the name later is not concerned. */
TEST(txns_end_without_a_topic_that_is_gone)
{
	struct txn_fixture f;
	struct mr_error err;
	struct log_topic_config config;
	struct log_topic *other;
	struct txn_partition_ref ref = {MR_STR("other"), 0};
	struct txn_ticket *ticket;
	txn_fixture_init(&f, 31);
	txn_fixture_open(&f);
	log_topic_config_default(&config);
	for (int round = 0; round < 3; round++) {
		struct txn_producer who = txn_fixture_start(&f, "tx");
		CHECK_OK(log_topic_create(f.store, ref.topic, &config, &other, &err), err);
		CHECK_INT(txn_fixture_add(&f, &who, 0), TXN_OK);
		CHECK(txn_fixture_write(&f, &who, 0, 0, "a") >= 0);
		txns_add(f.txns, &who, &ref, 1, &ticket);
		CHECK_INT(txn_fixture_finish(&f, ticket, NULL), TXN_OK);
		CHECK_OK(log_topic_delete(f.store, ref.topic, &err), err);
		if (round == 0)
			CHECK_OK(log_topic_create(f.store, ref.topic, &config, &other, &err), err);
		if (round < 2) {
			CHECK_INT(txn_fixture_end(&f, &who, round == 0, true), TXN_OK);
		} else {
			sim_clock_advance(&f.clock, 61000000);
			txn_fixture_settle(&f);
		}
		CHECK(!log_in_transaction(f.partitions[0], who.producer_id, who.epoch));
		CHECK_INT(log_last_stable_offset(f.partitions[0]), log_end_offset(f.partitions[0]));
		if (round == 0) {
			struct log_partition *p = log_partition_at(other, 0);
			CHECK_INT(log_last_stable_offset(p), log_end_offset(p));
			CHECK_OK(log_topic_delete(f.store, ref.topic, &err), err);
		}
	}
	CHECK_COMMITTED(&f, 0, "a ");
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

TEST(txns_refuse_what_is_not_theirs)
{
	struct txn_fixture f;
	txn_fixture_init(&f, 4);
	txn_fixture_open(&f);
	struct txn_producer nobody = {MR_STR("none"), 5, 0}, empty = {MR_STR(""), -1, -1};
	struct txn_ticket *ticket;
	CHECK_INT(txn_fixture_add(&f, &nobody, 0), TXN_UNKNOWN_MAPPING);
	CHECK_INT(txn_fixture_end(&f, &nobody, true, false), TXN_UNKNOWN_MAPPING);
	txns_start(f.txns, &empty, 1000, &ticket);
	CHECK_INT(txn_fixture_finish(&f, ticket, NULL), TXN_INVALID_REQUEST);
	txns_start(f.txns, &nobody, 900001, &ticket);
	CHECK_INT(txn_fixture_finish(&f, ticket, NULL), TXN_INVALID_TIMEOUT);
	struct arena arena = {0};
	struct txn_view view;
	size_t count;
	CHECK_INT(txns_describe(f.txns, MR_STR("none"), &view, &arena), TXN_NOT_FOUND);
	(void)txns_list(f.txns, &count, &arena);
	CHECK_INT(count, 0);
	struct txn_producer who = txn_fixture_start(&f, "tx");
	CHECK_INT(txn_fixture_add(&f, &who, 1), TXN_OK);
	CHECK_INT(txns_describe(f.txns, MR_STR("tx"), &view, &arena), TXN_OK);
	CHECK_STR(mr_str_from(txn_state_word(view.state)), "Ongoing");
	CHECK_INT(view.partition_count, 1);
	CHECK_INT(view.partitions[0].index, 1);
	arena_release(&arena);
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

static int64_t offset_of(struct txn_fixture *f)
{
	struct arena arena = {0};
	struct group_offset_entry e = {.topic = MR_STR("t")};
	struct group_fetch in = {.member = {MR_STR("g"), MR_STR(""), MR_STR_NULL, -1}};
	CHECK_INT(groups_fetch(f->groups, &in, &e, 1, &arena), GROUP_OK);
	arena_release(&arena);
	return e.offset;
}

TEST(txns_carry_offsets_of_groups)
{
	struct txn_fixture f;
	struct mr_error err;
	txn_fixture_init(&f, 5);
	txn_fixture_open(&f);
	CHECK_OK(groups_prepare(f.groups, &err), err);
	struct txn_producer who = txn_fixture_start(&f, "tx");
	for (int commit = 0; commit < 2; commit++) {
		struct txn_partition_ref ref = {
		    MR_STR(GROUP_TOPIC), log_partition_index(groups_partition_of(f.groups, MR_STR("g")))};
		struct group_offset_entry e = {
		    .topic = MR_STR("t"), .offset = 41 + commit, .leader_epoch = -1, .metadata = MR_STR("")};
		struct group_commit in = {
		    .member = {MR_STR("g"), MR_STR(""), MR_STR_NULL, -1}, .entries = &e, .count = 1};
		struct group_write write;
		struct txn_ticket *ticket;
		txns_add(f.txns, &who, &ref, 1, &ticket);
		CHECK_INT(txn_fixture_finish(&f, ticket, NULL), TXN_OK);
		CHECK_INT(group_txn_offset_commit(f.groups, &in, who.producer_id, who.epoch, &write, &err),
			  0);
		txn_fixture_settle(&f);
		CHECK_INT(offset_of(&f), -1);
		CHECK_INT(txn_fixture_end(&f, &who, commit, true), TXN_OK);
	}
	CHECK_INT(offset_of(&f), 42);
	txn_fixture_crash(&f);
	CHECK_INT(offset_of(&f), 42);
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

/* ---- power cuts ---- */

/* End a transaction and pull the plug after `rounds` commits of the log. What was answered holds; in
 * any case both partitions tell the same story, and nothing is left undecided for ever. */
static void cut_after(uint64_t seed, int rounds, bool commit)
{
	struct txn_fixture f;
	txn_fixture_init(&f, seed);
	txn_fixture_open(&f);
	struct txn_producer who = txn_fixture_start(&f, "tx");
	CHECK_INT(txn_fixture_add(&f, &who, 0), TXN_OK);
	CHECK_INT(txn_fixture_add(&f, &who, 1), TXN_OK);
	CHECK_INT(txn_fixture_write(&f, &who, 0, 0, "x"), 0);
	CHECK_INT(txn_fixture_write(&f, &who, 1, 0, "x"), 0);
	txn_fixture_settle(&f);
	struct txn_ticket *ticket;
	txns_end(f.txns, &who, commit, true, &ticket);
	for (int i = 0; i < rounds; i++)
		txn_fixture_round(&f);
	bool answered = txn_ticket_done(f.txns, ticket), decided = txn_ticket_decided(f.txns, ticket);
	CHECK(!answered || ticket->code == TXN_OK);
	txn_ticket_drop(f.txns, ticket);
	txn_fixture_crash(&f);
	sim_clock_advance(&f.clock, 61000000);
	txn_fixture_settle(&f);
	struct mr_buf seen[2] = {0};
	for (int i = 0; i < 2; i++) {
		txn_fixture_committed(&f, i, &seen[i]);
		CHECK_INT(log_last_stable_offset(f.partitions[i]), log_end_offset(f.partitions[i]));
	}
	CHECK_INT(seen[0].len, seen[1].len);
	if (decided)
		CHECK_INT(seen[0].len, commit ? 2 : 0);
	if (!commit)
		CHECK_INT(seen[0].len, 0);
	struct txn_producer next = txn_fixture_start(&f, "tx");
	CHECK_INT(txn_fixture_add(&f, &next, 0), TXN_OK);
	CHECK(txn_fixture_write(&f, &next, 0, 0, "y") >= 0);
	CHECK_INT(txn_fixture_end(&f, &next, true, true), TXN_OK);
	for (int i = 0; i < 2; i++)
		mr_buf_release(&seen[i]);
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

TEST(txns_power_cut_at_every_step_of_an_end)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		for (int rounds = 0; rounds < 5; rounds++) {
			cut_after(seed, rounds, true);
			cut_after(seed, rounds, false);
		}
	}
}

/* ---- a disk that is full for a while ---- */

/* Some of the markers, or what comes after them, find no room and are taken back. */
static void full_with(int64_t room, int at_round)
{
	struct txn_fixture f;
	txn_fixture_init(&f, 7);
	txn_fixture_open(&f);
	struct txn_producer who = txn_fixture_start(&f, "tx");
	CHECK_INT(txn_fixture_add(&f, &who, 0), TXN_OK);
	CHECK_INT(txn_fixture_add(&f, &who, 1), TXN_OK);
	CHECK_INT(txn_fixture_write(&f, &who, 0, 0, "x"), 0);
	CHECK_INT(txn_fixture_write(&f, &who, 1, 0, "x"), 0);
	txn_fixture_settle(&f);
	struct txn_ticket *ticket;
	txns_end(f.txns, &who, true, true, &ticket);
	for (int round = 0; round < 4; round++) {
		struct mr_error err;
		if (round == at_round)
			sim_disk_set_space(f.disk, room);
		(void)!log_store_commit(f.store, &err);
		txns_tick(f.txns);
		sim_disk_set_space(f.disk, -1);
	}
	for (int i = 0; i < 3; i++)
		txn_fixture_settle(&f);
	CHECK(txn_ticket_done(f.txns, ticket));
	bool committed = ticket->code == TXN_OK;
	CHECK(committed || ticket->code == TXN_NOT_AVAILABLE); /* the decision itself was lost */
	txn_ticket_drop(f.txns, ticket);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(log_in_transaction(f.partitions[i], who.producer_id, who.epoch), !committed);
		CHECK_COMMITTED(&f, i, committed ? "x " : "");
	}
	CHECK(committed || at_round == 0);
	txn_fixture_close(&f);
	txn_fixture_release(&f);
}

TEST(txns_outlive_a_full_disk)
{
	for (int at_round = 0; at_round < 3; at_round++) {
		for (int64_t room = 0; room <= 320; room += 20)
			full_with(room, at_round);
	}
}
