/* txn/machine.c - the rules of one transactional id. See the header. */
#include "txn/machine.h"

#include <stdlib.h>

#define EPOCH_LAST (INT16_MAX - 1) /* INT16_MAX is left for the marker of the last transaction */
#define CLIENT_BUMPS 2

enum answer { ALLOW, WAIT, FENCE, DONE, REFUSE, BUMP };

static const struct {
	enum answer start, add, commit, abort;
} answers[TXN_STATES] = {
#define STATE(name, word, start, add, commit, abort) {start, add, commit, abort},
#include "txn/machine.def"
#undef STATE
};

const char *txn_state_word(enum txn_state state)
{
	static const char *const words[TXN_STATES] = {
#define STATE(name, word, start, add, commit, abort) word,
#include "txn/machine.def"
#undef STATE
	};
	return words[state];
}

void machine_init(struct txn_machine *m)
{
	*m = (struct txn_machine){
	    .now = {.producer_id = -1,
		    .previous_producer_id = -1,
		    .next_producer_id = -1,
		    .start_ms = -1,
		    .epoch = -1,
		    .last_epoch = -1},
	};
}

static void forget_partitions(struct txn_machine *m, size_t keep)
{
	while (m->partitions.len > keep)
		free(m->partitions.items[--m->partitions.len].topic);
}

void machine_release(struct txn_machine *m)
{
	forget_partitions(m, 0);
	mr_vec_release(&m->partitions);
}

static struct txn_fields *propose(struct txn_machine *m, enum txn_state state, int64_t now_ms)
{
	m->next = m->now;
	m->next.state = state;
	m->next.update_ms = now_ms;
	m->pending = true;
	return &m->next;
}

void machine_settle(struct txn_machine *m)
{
	m->now = m->next;
	m->pending = false;
	if (m->now.state != TXN_ONGOING && !machine_is_prepared(m))
		forget_partitions(m, 0);
	m->settled_partitions = m->partitions.len;
}

void machine_undo(struct txn_machine *m)
{
	m->pending = false;
	forget_partitions(m, m->settled_partitions);
}

static int answer_of(enum answer answer)
{
	return answer == WAIT ? TXN_CONCURRENT : answer == REFUSE ? TXN_INVALID_STATE : TXN_OK;
}

/* ---- start ---- */

static void take_id(struct txn_fields *next, int64_t fresh_id)
{
	next->previous_producer_id = next->producer_id;
	next->producer_id = fresh_id;
	next->epoch = 0;
	next->last_epoch = -1;
}

/* A producer that goes on names what it had; the one before the last rise may have missed the
 * answer, and asks again. */
static int check_expected(const struct txn_fields *now, int64_t id, int16_t epoch, bool *again)
{
	*again = false;
	if (id < 0 || now->epoch < 0)
		return TXN_OK;
	bool is_now = id == now->producer_id && epoch == now->epoch;
	bool was_last = id == now->producer_id && now->last_epoch >= 0 && epoch == now->last_epoch;
	bool had_id_before = id == now->previous_producer_id && epoch >= EPOCH_LAST && now->epoch == 0;
	*again = was_last || had_id_before;
	return is_now || *again ? TXN_OK : TXN_FENCED;
}

int machine_start(struct txn_machine *m, int64_t expected_id, int16_t expected_epoch, int32_t timeout_ms,
		  int64_t fresh_id, int64_t now_ms)
{
	bool again;
	if (m->pending)
		return TXN_CONCURRENT;
	int rc = check_expected(&m->now, expected_id, expected_epoch, &again);
	enum answer answer = answers[m->now.state].start;
	if (rc != TXN_OK || answer == WAIT)
		return rc != TXN_OK ? rc : TXN_CONCURRENT;
	if (answer == FENCE) {
		machine_fence(m, fresh_id, now_ms);
		return TXN_CONCURRENT;
	}
	struct txn_fields *next = propose(m, TXN_EMPTY, now_ms);
	next->timeout_ms = timeout_ms;
	next->start_ms = -1;
	if (next->producer_id < 0 || (next->epoch >= EPOCH_LAST && !again)) {
		take_id(next, fresh_id);
	} else if (!again) {
		next->last_epoch = expected_id >= 0 ? next->epoch : -1;
		next->epoch++;
	}
	return TXN_OK;
}

/* ---- partitions ---- */

static int check_producer(const struct txn_machine *m, int64_t producer_id, int16_t epoch)
{
	if (m->now.producer_id != producer_id)
		return TXN_UNKNOWN_MAPPING;
	return m->now.epoch != epoch ? TXN_FENCED : TXN_OK;
}

static bool has_partition(const struct txn_machine *m, const struct txn_partition_ref *ref)
{
	for (size_t i = 0; i < m->partitions.len; i++) {
		if (m->partitions.items[i].index == ref->index &&
		    mr_str_eq(mr_str_from(m->partitions.items[i].topic), ref->topic))
			return true;
	}
	return false;
}

void machine_add_partition(struct txn_machine *m, mr_str topic, int32_t index)
{
	mr_vec_push(&m->partitions, (struct txn_partition){mr_strndup(topic), index});
}

int machine_add(struct txn_machine *m, int64_t producer_id, int16_t epoch,
		const struct txn_partition_ref *partitions, size_t count, int64_t now_ms)
{
	int rc = check_producer(m, producer_id, epoch);
	if (rc == TXN_OK && m->pending)
		rc = TXN_CONCURRENT;
	if (rc == TXN_OK)
		rc = answer_of(answers[m->now.state].add);
	if (rc != TXN_OK)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (!has_partition(m, &partitions[i]))
			machine_add_partition(m, partitions[i].topic, partitions[i].index);
	}
	if (m->now.state == TXN_ONGOING && m->partitions.len == m->settled_partitions)
		return TXN_OK;
	bool begins = m->now.state != TXN_ONGOING;
	struct txn_fields *next = propose(m, TXN_ONGOING, now_ms);
	if (begins)
		next->start_ms = now_ms;
	return TXN_OK;
}

int machine_verify(const struct txn_machine *m, int64_t producer_id, int16_t epoch,
		   const struct txn_partition_ref *partition)
{
	int rc = check_producer(m, producer_id, epoch);
	if (rc != TXN_OK)
		return rc;
	if (m->now.state != TXN_ONGOING)
		return machine_is_prepared(m) || m->pending ? TXN_CONCURRENT : TXN_INVALID_STATE;
	if (m->pending && m->next.state != TXN_ONGOING)
		return TXN_CONCURRENT;
	return has_partition(m, partition) ? TXN_OK : TXN_INVALID_STATE;
}

/* ---- the end ---- */

/* The epoch of the markers is the new one; past the last one the next transaction has another id. */
static void raise_epoch(struct txn_fields *next, int64_t fresh_id)
{
	next->last_epoch = next->epoch;
	if (next->epoch >= EPOCH_LAST)
		next->next_producer_id = fresh_id;
	if (next->epoch < INT16_MAX)
		next->epoch++;
}

/* A KIP-890 client that missed the answer: its epoch is the one before. */
static bool asks_again(const struct txn_fields *now, int64_t producer_id, int16_t epoch)
{
	if (now->client_version < CLIENT_BUMPS)
		return false;
	if (producer_id == now->previous_producer_id && now->epoch == 0)
		return epoch >= EPOCH_LAST;
	return producer_id == now->producer_id && epoch == now->last_epoch && now->epoch == epoch + 1;
}

int machine_end(struct txn_machine *m, int64_t producer_id, int16_t epoch, bool commit, bool bump,
		int64_t fresh_id, int64_t now_ms)
{
	bool again = bump && m->now.state != TXN_ONGOING && asks_again(&m->now, producer_id, epoch);
	int rc = again ? TXN_OK : check_producer(m, producer_id, epoch);
	if (rc == TXN_OK && m->pending)
		rc = TXN_CONCURRENT;
	if (rc != TXN_OK)
		return rc;
	enum answer answer = commit ? answers[m->now.state].commit : answers[m->now.state].abort;
	if (again && answer != WAIT)
		return answer == DONE ? TXN_OK : TXN_INVALID_STATE;
	if (bump && answer == DONE) /* not the one that was answered: nothing is under way */
		answer = commit ? REFUSE : BUMP;
	if (answer == DONE)
		return TXN_OK;
	if (answer != ALLOW && !(answer == BUMP && bump))
		return answer == WAIT ? TXN_CONCURRENT : TXN_INVALID_STATE;
	struct txn_fields *next = propose(m, commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, now_ms);
	next->client_version = bump ? CLIENT_BUMPS : 0;
	if (next->start_ms < 0)
		next->start_ms = now_ms;
	if (bump)
		raise_epoch(next, fresh_id);
	return TXN_OK;
}

void machine_fence(struct txn_machine *m, int64_t fresh_id, int64_t now_ms)
{
	raise_epoch(propose(m, TXN_PREPARE_ABORT, now_ms), fresh_id);
	m->next.last_epoch = -1; /* who is fenced does not come back */
}

void machine_complete(struct txn_machine *m, int64_t now_ms)
{
	bool commit = m->now.state == TXN_PREPARE_COMMIT;
	struct txn_fields *next = propose(m, commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT, now_ms);
	next->start_ms = -1;
	if (next->next_producer_id >= 0) {
		take_id(next, next->next_producer_id);
		next->next_producer_id = -1;
	}
}

int machine_expire(struct txn_machine *m, int64_t idle_before_ms)
{
	bool idle = m->now.state == TXN_EMPTY || m->now.state == TXN_COMPLETE_COMMIT ||
		    m->now.state == TXN_COMPLETE_ABORT;
	if (m->pending || !idle || m->now.update_ms >= idle_before_ms)
		return TXN_CONCURRENT;
	propose(m, TXN_DEAD, m->now.update_ms);
	return TXN_OK;
}
