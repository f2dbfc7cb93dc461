/* txn/coordinator.c - opening and closing, the thread, deadlines, tickets. */
#include "txn/coordinator.h"

#include <stdlib.h>

#define EXPIRY_CHECK_MS 3600000 /* transactional.id expiry is looked at once an hour */

void txns_options_default(struct txns_options *options)
{
	*options = (struct txns_options){
	    .timeout_max_ms = 900000,
	    .id_expiration_ms = 7LL * 24 * 3600 * 1000,
	};
}

int64_t txns_now_ms(const struct txns *txns)
{
	return clock_wall_ms(txns->env->clock);
}

/* ---- entries ---- */

struct txn_entry *entry_find(struct txns *txns, mr_str id)
{
	return mr_map_get(&txns->by_id, id);
}

struct txn_entry *entry_make(struct txns *txns, mr_str id)
{
	struct txn_entry *entry = entry_find(txns, id);
	if (entry)
		return entry;
	entry = mr_calloc(1, sizeof *entry);
	entry->txns = txns;
	entry->id = mr_strndup(id);
	entry->written = -1;
	entry->deadline = (struct deadline){.kind = DEADLINE_TIMEOUT, .owner = entry};
	machine_init(&entry->machine);
	mr_map_put(&txns->by_id, id, entry);
	return entry;
}

void entry_free(struct txns *txns, struct txn_entry *entry)
{
	deadline_clear(&txns->deadlines, &entry->deadline);
	mr_map_remove(&txns->by_id, mr_str_from(entry->id));
	machine_release(&entry->machine);
	mr_vec_release(&entry->markers);
	free(entry->id);
	free(entry);
}

/* Transactions began on the wall clock, deadlines are on the steady one. */
void entry_set_deadline(struct txns *txns, struct txn_entry *entry, int64_t least_ms)
{
	const struct txn_fields *now = &entry->machine.now;
	int64_t left_ms = now->start_ms + now->timeout_ms - txns_now_ms(txns);
	if (now->state == TXN_ONGOING)
		deadline_set(&txns->deadlines, &entry->deadline,
			     clock_mono_ms(txns->env->clock) + mr_max_i64(left_ms, least_ms));
	else
		deadline_clear(&txns->deadlines, &entry->deadline);
}

void coordinator_make_busy(struct txns *txns, struct txn_entry *entry)
{
	if (!entry->busy) {
		entry->busy = true;
		entry->busy_next = txns->busy;
		txns->busy = entry;
	}
	coordinator_wake(txns);
}

/* ---- time ---- */

static void expire_ids(struct txns *txns)
{
	int64_t before_ms = txns_now_ms(txns) - txns->options.id_expiration_ms;
	mr_map_each (&txns->by_id, each) {
		struct txn_entry *entry = each->value;
		if (!entry->busy && machine_expire(&entry->machine, before_ms) == TXN_OK)
			drive_change(txns, entry);
	}
}

static void time_out(struct txns *txns, struct txn_entry *entry)
{
	struct txn_machine *m = &entry->machine;
	int64_t fresh_id;
	if (m->pending || log_next_producer_id(broker_store(txns->broker), &fresh_id, NULL) < 0) {
		entry_set_deadline(txns, entry, COORDINATOR_RETRY_MS);
		return;
	}
	if (m->now.state != TXN_ONGOING)
		return;
	machine_fence(m, fresh_id, txns_now_ms(txns));
	drive_change(txns, entry);
}

static void fire_due(struct txns *txns)
{
	struct deadline *due;
	while ((due = deadlines_take(&txns->deadlines, clock_mono_ms(txns->env->clock)))) {
		if (due->kind == DEADLINE_TIMEOUT) {
			time_out(txns, due->owner);
			continue;
		}
		expire_ids(txns);
		deadline_set(&txns->deadlines, due, clock_mono_ms(txns->env->clock) + EXPIRY_CHECK_MS);
	}
}

/* Returns how long nothing is to be done, but for news of the log. */
static int64_t look(struct txns *txns)
{
	pthread_mutex_lock(&txns->lock);
	fire_due(txns);
	bool retry = drive_busy(txns);
	int64_t idle_ms = deadlines_next(&txns->deadlines) - clock_mono_ms(txns->env->clock);
	pthread_mutex_unlock(&txns->lock);
	return retry ? mr_min_i64(idle_ms, COORDINATOR_RETRY_MS) : idle_ms;
}

void txns_tick(struct txns *txns)
{
	(void)look(txns);
}

/* ---- the thread ---- */

void coordinator_wake(struct txns *txns)
{
	pthread_mutex_lock(&txns->wake_lock);
	txns->woken = true;
	pthread_cond_signal(&txns->wake);
	pthread_mutex_unlock(&txns->wake_lock);
}

static void log_moved(void *arg, struct log_partition *const *moved, size_t count)
{
	(void)moved;
	(void)count;
	coordinator_wake(arg);
}

/* True: go on. */
static bool sleep_for(struct txns *txns, int64_t idle_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + mr_max_i64(idle_ms, 0) % 1000 * 1000000 + 1000000;
	until.tv_sec += mr_max_i64(idle_ms, 0) / 1000 + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&txns->wake_lock);
	while (!txns->woken && !txns->stopping &&
	       pthread_cond_timedwait(&txns->wake, &txns->wake_lock, &until) == 0)
		;
	txns->woken = false;
	bool go_on = !txns->stopping;
	pthread_mutex_unlock(&txns->wake_lock);
	return go_on;
}

static void *run(void *arg)
{
	struct txns *txns = arg;
	while (sleep_for(txns, look(txns)))
		;
	return NULL;
}

/* ---- open, close ---- */

static void init_locks(struct txns *txns)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&txns->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&txns->lock, NULL);
	pthread_mutex_init(&txns->wake_lock, NULL);
}

int txns_open(const struct txns_options *options, struct txns **out, struct mr_error *err)
{
	struct txns *txns = mr_calloc(1, sizeof *txns);
	txns->env = options->env;
	txns->broker = options->broker;
	txns->groups = options->groups;
	txns->options = *options;
	txns->expiry = (struct deadline){.kind = DEADLINE_EXPIRY, .owner = txns};
	txns->listener = (struct log_listener){.fn = log_moved, .arg = txns};
	batch_writer_init(&txns->batch, 0);
	init_locks(txns);
	int rc = txns_replay(txns, err);
	deadline_set(&txns->deadlines, &txns->expiry, clock_mono_ms(txns->env->clock) + EXPIRY_CHECK_MS);
	log_listen(broker_store(txns->broker), &txns->listener);
	if (rc == 0 && !options->manual) {
		int failed = pthread_create(&txns->thread, NULL, run, txns);
		txns->thread_runs = !failed;
		if (failed)
			rc = mr_fail(err, MR_ERR_IO, "cannot start the transactions' thread: %s",
				     strerror(failed));
	}
	if (rc < 0) {
		txns_close(txns);
		return rc;
	}
	*out = txns;
	return 0;
}

void txns_close(struct txns *txns)
{
	if (!txns)
		return;
	pthread_mutex_lock(&txns->wake_lock);
	txns->stopping = true;
	pthread_cond_signal(&txns->wake);
	pthread_mutex_unlock(&txns->wake_lock);
	if (txns->thread_runs)
		pthread_join(txns->thread, NULL);
	log_unlisten(broker_store(txns->broker), &txns->listener);
	mr_map_each (&txns->by_id, each)
		entry_free(txns, each->value);
	mr_map_release(&txns->by_id);
	deadlines_release(&txns->deadlines);
	batch_writer_release(&txns->batch);
	mr_buf_release(&txns->key);
	mr_buf_release(&txns->value);
	pthread_cond_destroy(&txns->wake);
	pthread_mutex_destroy(&txns->wake_lock);
	pthread_mutex_destroy(&txns->lock);
	free(txns);
}

void txns_listen(struct txns *txns, void (*answered)(void *arg, const void *ticket), void *arg)
{
	pthread_mutex_lock(&txns->lock);
	txns->answered = answered;
	txns->answered_arg = arg;
	pthread_mutex_unlock(&txns->lock);
}

int txns_prepare(struct txns *txns, struct mr_error *err)
{
	pthread_mutex_lock(&txns->lock);
	int rc = drive_ensure_topic(txns, err);
	pthread_mutex_unlock(&txns->lock);
	return rc;
}

/* ---- tickets ---- */

bool txn_ticket_done(struct txns *txns, const struct txn_ticket *ticket)
{
	pthread_mutex_lock(&txns->lock);
	bool done = ticket->done;
	pthread_mutex_unlock(&txns->lock);
	return done;
}

bool txn_ticket_decided(struct txns *txns, struct txn_ticket *ticket)
{
	pthread_mutex_lock(&txns->lock);
	bool decided = ticket->done || ticket->decided;
	if (decided && !ticket->done) {
		const struct txn_fields *now = &ticket->held_by->machine.now;
		bool new_id = now->next_producer_id >= 0;
		ticket->code = TXN_OK;
		ticket->producer_id = new_id ? now->next_producer_id : now->producer_id;
		ticket->epoch = new_id ? 0 : now->epoch;
	}
	pthread_mutex_unlock(&txns->lock);
	return decided;
}

void txn_ticket_drop(struct txns *txns, struct txn_ticket *ticket)
{
	if (!ticket)
		return;
	pthread_mutex_lock(&txns->lock);
	if (ticket->held_by)
		ticket->held_by->ticket = NULL;
	pthread_mutex_unlock(&txns->lock);
	free(ticket);
}
