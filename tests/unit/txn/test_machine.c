/* The machine of one transactional id: every state against every event, epochs, and its records. */
#include "test.h"
#include "txn/machine.h"
#include "txn/records.h"

static const struct txn_partition_ref some = {{"t", 1}, 0};

/* A machine of producer 7, epoch 3, in that state. */
static void in_state(struct txn_machine *m, enum txn_state state)
{
	machine_init(m);
	m->now.producer_id = 7;
	m->now.epoch = 3;
	m->now.timeout_ms = 1000;
	m->now.state = state;
	if (state == TXN_ONGOING || machine_is_prepared(m))
		machine_add_partition(m, MR_STR("t"), 0);
	m->settled_partitions = m->partitions.len;
}

enum event { START, ADD, COMMIT, ABORT, COMMIT_BUMP, ABORT_BUMP, VERIFY, EVENTS };

static int fire(struct txn_machine *m, enum event event)
{
	switch (event) {
	case START:
		return machine_start(m, -1, -1, 1000, 99, 50);
	case ADD:
		return machine_add(m, 7, 3, &some, 1, 50);
	case VERIFY:
		return machine_verify(m, 7, 3, &some);
	default:
		return machine_end(m, 7, 3, event == COMMIT || event == COMMIT_BUMP, event >= COMMIT_BUMP, 99,
				   50);
	}
}

#define OK TXN_OK
#define CC TXN_CONCURRENT
#define NO TXN_INVALID_STATE

TEST(txn_machine_every_state_and_event)
{
	static const struct {
		enum txn_state state;
		int code[EVENTS]; /* start, add, commit, abort, the last two by KIP-890, verify */
		int next[EVENTS]; /* the proposed state; -1: none */
	} table[] = {
	    {TXN_EMPTY, {OK, OK, NO, NO, NO, OK, NO}, {0, 1, -1, -1, -1, 3, -1}},
	    {TXN_ONGOING, {CC, OK, OK, OK, OK, OK, OK}, {3, -1, 2, 3, 2, 3, -1}},
	    {TXN_PREPARE_COMMIT, {CC, CC, CC, NO, CC, NO, CC}, {-1, -1, -1, -1, -1, -1, -1}},
	    {TXN_PREPARE_ABORT, {CC, CC, NO, CC, NO, CC, CC}, {-1, -1, -1, -1, -1, -1, -1}},
	    {TXN_COMPLETE_COMMIT, {OK, OK, OK, NO, NO, OK, NO}, {0, 1, -1, -1, -1, 3, -1}},
	    {TXN_COMPLETE_ABORT, {OK, OK, NO, OK, NO, OK, NO}, {0, 1, -1, -1, -1, 3, -1}},
	    {TXN_DEAD, {CC, CC, NO, NO, NO, NO, NO}, {-1, -1, -1, -1, -1, -1, -1}},
	    {TXN_PREPARE_EPOCH_FENCE, {CC, CC, NO, NO, NO, NO, NO}, {-1, -1, -1, -1, -1, -1, -1}},
	};
	CHECK_INT(MR_COUNT(table), TXN_STATES);
	for (size_t i = 0; i < MR_COUNT(table); i++) {
		for (int event = 0; event < EVENTS; event++) {
			struct txn_machine m;
			in_state(&m, table[i].state);
			int code = fire(&m, (enum event)event);
			int next = m.pending ? (int)m.next.state : -1;
			if (code != table[i].code[event] || next != table[i].next[event])
				test_fail(__FILE__, __LINE__, "%s, event %d: code %d, next %d",
					  txn_state_word(table[i].state), event, code, next);
			if (m.pending) {
				CHECK_INT(machine_add(&m, 7, 3, &some, 1, 50), TXN_CONCURRENT);
				CHECK_INT(machine_start(&m, -1, -1, 1, 9, 50), TXN_CONCURRENT);
			}
			machine_release(&m);
		}
	}
}

TEST(txn_machine_knows_its_producer)
{
	struct txn_machine m;
	in_state(&m, TXN_ONGOING);
	CHECK_INT(machine_add(&m, 8, 3, &some, 1, 50), TXN_UNKNOWN_MAPPING);
	CHECK_INT(machine_add(&m, 7, 2, &some, 1, 50), TXN_FENCED);
	CHECK_INT(machine_end(&m, 7, 4, true, false, 99, 50), TXN_FENCED);
	CHECK_INT(machine_verify(&m, 7, 2, &some), TXN_FENCED);
	CHECK_INT(machine_start(&m, 7, 2, 1000, 99, 50), TXN_FENCED);
	machine_release(&m);
}

TEST(txn_machine_epochs_rise_and_run_out)
{
	struct txn_machine m;
	machine_init(&m);
	CHECK_INT(machine_start(&m, -1, -1, 1000, 40, 1), TXN_OK);
	machine_settle(&m);
	CHECK_INT(m.now.producer_id, 40);
	CHECK_INT(m.now.epoch, 0);
	CHECK_INT(machine_start(&m, 40, 0, 1000, 41, 2), TXN_OK); /* goes on */
	machine_settle(&m);
	CHECK_INT(m.now.epoch, 1);
	CHECK_INT(machine_start(&m, 40, 0, 1000, 41, 3), TXN_OK); /* has missed the answer */
	machine_settle(&m);
	CHECK_INT(m.now.epoch, 1);
	m.now.epoch = INT16_MAX - 1;
	CHECK_INT(machine_start(&m, -1, -1, 1000, 41, 4), TXN_OK);
	machine_settle(&m);
	CHECK_INT(m.now.producer_id, 41);
	CHECK_INT(m.now.previous_producer_id, 40);
	CHECK_INT(m.now.epoch, 0);
	machine_release(&m);
}

TEST(txn_machine_raises_the_epoch_with_each_transaction)
{
	struct txn_machine m;
	in_state(&m, TXN_ONGOING);
	CHECK_INT(machine_end(&m, 7, 3, true, true, 99, 50), TXN_OK);
	machine_settle(&m);
	CHECK_INT(m.now.epoch, 4);
	CHECK_INT(machine_end(&m, 7, 3, true, true, 99, 50), TXN_CONCURRENT); /* a retry, too early */
	CHECK_INT(machine_end(&m, 7, 3, false, true, 99, 50), TXN_INVALID_STATE);
	machine_complete(&m, 51);
	machine_settle(&m);
	CHECK_INT(m.partitions.len, 0);
	CHECK_INT(machine_end(&m, 7, 3, true, true, 99, 50), TXN_OK); /* a retry */
	CHECK(!m.pending);
	CHECK_INT(machine_end(&m, 7, 3, false, true, 99, 50), TXN_INVALID_STATE);
	m.now.state = TXN_ONGOING;
	m.now.epoch = INT16_MAX - 1;
	CHECK_INT(machine_end(&m, 7, INT16_MAX - 1, true, true, 99, 50), TXN_OK);
	machine_settle(&m);
	CHECK_INT(m.now.epoch, INT16_MAX); /* of the markers */
	CHECK_INT(m.now.producer_id, 7);
	machine_complete(&m, 52);
	machine_settle(&m);
	CHECK_INT(m.now.producer_id, 99);
	CHECK_INT(m.now.epoch, 0);
	CHECK_INT(machine_end(&m, 7, INT16_MAX - 1, true, true, 100, 50), TXN_OK); /* a retry */
	machine_release(&m);
}

TEST(txn_machine_takes_back_what_was_lost)
{
	struct txn_machine m;
	struct txn_partition_ref more = {MR_STR("t"), 1};
	in_state(&m, TXN_ONGOING);
	CHECK_INT(machine_add(&m, 7, 3, &more, 1, 50), TXN_OK);
	CHECK_INT(m.partitions.len, 2);
	machine_undo(&m);
	CHECK_INT(m.partitions.len, 1);
	CHECK_INT(machine_verify(&m, 7, 3, &more), TXN_INVALID_STATE);
	machine_release(&m);
}

TEST(txn_records_are_kafkas)
{
	/* Version 1 as Kafka's TransactionLogValue encodes it. */
	static const char want[] = "\0\1"
				   "\0\0\0\0\0\0\0\7"
				   "\0\4"
				   "\0\0\3\xe8"
				   "\2"
				   "\2\2t\2\0\0\0\0\0"
				   "\0\0\0\0\0\0\0\x32"
				   "\0\0\0\0\0\0\0\x32"
				   "\1\2\2\0\2";
	struct txn_machine m, again;
	struct mr_buf bytes = {0};
	struct mr_error err;
	in_state(&m, TXN_ONGOING);
	CHECK_INT(machine_end(&m, 7, 3, true, true, 99, 50), TXN_OK);
	txn_value_write(&m, &bytes);
	CHECK(mr_str_eq(mr_buf_view(&bytes), mr_str_n(want, sizeof want - 1)));
	machine_init(&again);
	CHECK_OK(txn_value_read(mr_buf_view(&bytes), &again, &err), err);
	CHECK_INT(again.now.state, TXN_PREPARE_COMMIT);
	CHECK_INT(again.now.epoch, 4);
	CHECK_INT(again.partitions.len, 1);
	machine_release(&again);
	for (size_t len = 0; len < bytes.len; len++) {
		machine_init(&again);
		CHECK_INT(txn_value_read(mr_str_n(bytes.ptr, len), &again, &err), MR_ERR_CORRUPT);
		machine_release(&again);
	}
	machine_release(&m);
	mr_buf_release(&bytes);
}
