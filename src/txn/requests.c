/* txn/requests.c - what clients ask: a machine's event, and its change on its way. */
#include "txn/coordinator.h"

#include <stdlib.h>

static struct txn_ticket *ticket_new(const struct txn_producer *who)
{
	struct txn_ticket *ticket = mr_calloc(1, sizeof *ticket);
	ticket->producer_id = who->producer_id;
	ticket->epoch = who->epoch;
	return ticket;
}

/* The machine has answered, and proposed a change or not: the ticket is answered when that is safe. */
static void conclude(struct txns *txns, struct txn_entry *entry, bool changes, int code, bool ends,
		     struct txn_ticket *ticket)
{
	if (code == TXN_OK && changes) {
		ticket->held_by = entry;
		entry->ticket = ticket;
		entry->ticket_ends = ends;
	} else {
		ticket->code = code;
		ticket->done = true;
		if (code == TXN_OK) {
			ticket->producer_id = entry->machine.now.producer_id;
			ticket->epoch = entry->machine.now.epoch;
		}
	}
	if (changes)
		drive_change(txns, entry);
}

static int fresh_id(struct txns *txns, int64_t *out)
{
	return log_next_producer_id(broker_store(txns->broker), out, NULL) < 0 ? TXN_NOT_AVAILABLE : TXN_OK;
}

void txns_start(struct txns *txns, const struct txn_producer *who, int32_t timeout_ms,
		struct txn_ticket **out)
{
	struct txn_ticket *ticket = *out = ticket_new(who);
	struct txn_entry *entry = NULL;
	int64_t id;
	int code = TXN_OK;
	bool was_pending = false;
	pthread_mutex_lock(&txns->lock);
	if (who->id.len == 0)
		code = TXN_INVALID_REQUEST;
	else if (timeout_ms <= 0 || timeout_ms > txns->options.timeout_max_ms)
		code = TXN_INVALID_TIMEOUT;
	else
		code = fresh_id(txns, &id);
	if (code == TXN_OK) {
		entry = entry_make(txns, who->id);
		was_pending = entry->machine.pending;
		code = machine_start(&entry->machine, who->producer_id, who->epoch, timeout_ms, id,
				     txns_now_ms(txns));
	}
	conclude(txns, entry, entry && entry->machine.pending && !was_pending, code, false, ticket);
	pthread_mutex_unlock(&txns->lock);
}

static int find(struct txns *txns, const struct txn_producer *who, struct txn_entry **out)
{
	*out = NULL;
	if (who->id.len == 0)
		return TXN_INVALID_REQUEST;
	*out = entry_find(txns, who->id);
	return *out ? TXN_OK : TXN_UNKNOWN_MAPPING;
}

void txns_add(struct txns *txns, const struct txn_producer *who, const struct txn_partition_ref *partitions,
	      size_t count, struct txn_ticket **out)
{
	struct txn_ticket *ticket = *out = ticket_new(who);
	struct txn_entry *entry;
	pthread_mutex_lock(&txns->lock);
	int code = find(txns, who, &entry);
	bool was_pending = entry && entry->machine.pending;
	if (code == TXN_OK)
		code = machine_add(&entry->machine, who->producer_id, who->epoch, partitions, count,
				   txns_now_ms(txns));
	conclude(txns, entry, entry && entry->machine.pending && !was_pending, code, false, ticket);
	pthread_mutex_unlock(&txns->lock);
}

void txns_end(struct txns *txns, const struct txn_producer *who, bool commit, bool bump,
	      struct txn_ticket **out)
{
	struct txn_ticket *ticket = *out = ticket_new(who);
	struct txn_entry *entry;
	int64_t id = -1;
	pthread_mutex_lock(&txns->lock);
	int code = find(txns, who, &entry);
	bool was_pending = entry && entry->machine.pending;
	if (code == TXN_OK)
		code = fresh_id(txns, &id);
	if (code == TXN_OK)
		code = machine_end(&entry->machine, who->producer_id, who->epoch, commit, bump, id,
				   txns_now_ms(txns));
	conclude(txns, entry, entry && entry->machine.pending && !was_pending, code, true, ticket);
	pthread_mutex_unlock(&txns->lock);
}

int txns_verify(struct txns *txns, const struct txn_producer *who, const struct txn_partition_ref *partition)
{
	struct txn_entry *entry;
	pthread_mutex_lock(&txns->lock);
	int code = find(txns, who, &entry);
	if (code == TXN_OK)
		code = machine_verify(&entry->machine, who->producer_id, who->epoch, partition);
	pthread_mutex_unlock(&txns->lock);
	return code;
}

/* ---- looking ---- */

static struct txn_view view_of(const struct txn_entry *entry, struct arena *arena)
{
	const struct txn_fields *now = &entry->machine.now;
	size_t count = entry->machine.settled_partitions;
	struct txn_view view = {
	    .id = arena_copy(arena, mr_str_from(entry->id)),
	    .state = now->state,
	    .producer_id = now->producer_id,
	    .start_ms = now->start_ms,
	    .epoch = now->epoch,
	    .timeout_ms = now->timeout_ms,
	    .partitions = arena_calloc(arena, mr_max_size(count, 1), sizeof *view.partitions),
	    .partition_count = count,
	};
	for (size_t i = 0; i < count; i++) {
		const struct txn_partition *p = &entry->machine.partitions.items[i];
		view.partitions[i] =
		    (struct txn_partition_ref){arena_copy(arena, mr_str_from(p->topic)), p->index};
	}
	return view;
}

int txns_describe(struct txns *txns, mr_str id, struct txn_view *out, struct arena *arena)
{
	pthread_mutex_lock(&txns->lock);
	const struct txn_entry *entry = entry_find(txns, id);
	bool known = entry && entry->machine.now.producer_id >= 0;
	if (known)
		*out = view_of(entry, arena);
	pthread_mutex_unlock(&txns->lock);
	return known ? TXN_OK : TXN_NOT_FOUND;
}

static int by_id(const void *a, const void *b)
{
	const struct txn_view *x = a, *y = b;
	return strcmp(x->id.ptr, y->id.ptr);
}

struct txn_view *txns_list(struct txns *txns, size_t *count, struct arena *arena)
{
	size_t n = 0;
	pthread_mutex_lock(&txns->lock);
	struct txn_view *views = arena_calloc(arena, txns->by_id.len + 1, sizeof *views);
	mr_map_each (&txns->by_id, each) {
		const struct txn_entry *entry = each->value;
		if (entry->machine.now.producer_id >= 0)
			views[n++] = view_of(entry, arena);
	}
	pthread_mutex_unlock(&txns->lock);
	qsort(views, n, sizeof *views, by_id);
	*count = n;
	return views;
}
