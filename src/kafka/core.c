#include "kafka/core.h"

#include "kafka/request.h"

#include <stdlib.h>

#define SPARE_MAX 64
#define SPARE_BYTES_MAX (1UL << 20) /* a larger buffer is not kept with a spare request */

void kafka_core_init(struct kafka_core *core, const struct env *env, struct broker *broker, struct loop *loop)
{
	*core = (struct kafka_core){
	    .env = env,
	    .broker = broker,
	    .store = broker ? broker_store(broker) : NULL,
	    .loop = loop,
	    .cluster_id = MR_STR(""),
	    .request_bytes_max = 100UL << 20,
	};
	pthread_mutex_init(&core->labels_lock, NULL);
}

static void request_free(struct request *r)
{
	arena_release(&r->arena);
	wire_out_release(&r->reply);
	free(r);
}

void kafka_core_release(struct kafka_core *core)
{
	while (core->spare) {
		struct request *r = core->spare;
		core->spare = r->next;
		request_free(r);
	}
	mr_map_each (&core->waiters.lists, entry)
		free(entry->value);
	mr_map_release(&core->waiters.lists);
	for (size_t i = 0; i < core->inputs.len; i++)
		mr_buf_release(&core->inputs.items[i]);
	mr_vec_release(&core->inputs);
	fetch_sessions_release(&core->fetch_sessions);
	mr_map_release(&core->topic_ids);
	mr_vec_release(&core->ready);
	mr_vec_release(&core->busy);
	pthread_mutex_destroy(&core->labels_lock);
}

/* ---- topics ---- */

struct log_topic *kafka_topic_by_id(struct kafka_core *core, const uint8_t id[16])
{
	mr_str key = mr_str_n(id, 16);
	struct log_topic *topic = mr_map_get(&core->topic_ids, key);
	if (!topic) { /* made since: learn the ids anew */
		size_t count;
		struct log_topic **all = log_topics(core->store, &count);
		for (size_t i = 0; i < count; i++) {
			uint8_t other[16];
			log_topic_id(all[i], other);
			mr_map_put(&core->topic_ids, mr_str_n(other, 16), all[i]);
		}
		free(all);
		topic = mr_map_get(&core->topic_ids, key);
	}
	bool deleted = topic && log_topic_find(core->store, log_topic_name(topic)) != topic;
	return deleted ? NULL : topic;
}

struct log_topic *kafka_topic_of(struct kafka_core *core, mr_str name, const uint8_t id[16], bool by_id)
{
	return by_id ? kafka_topic_by_id(core, id) : log_topic_find(core->store, name);
}

/* ---- waiting ---- */

struct wait_list {
	struct wait *first;
	const void *key;
	bool kept; /* a partition's: it will be waited for again */
};

static mr_str key_bytes(const void *const *key)
{
	return mr_str_n(key, sizeof *key);
}

static void timer_fired(struct loop_timer *timer)
{
	struct request *r = MR_CONTAINER_OF(timer, struct request, timer);
	r->expired = true;
	request_step(r);
}

static void wait_end(struct request *r)
{
	struct mr_map *lists = &request_core(r)->waiters.lists;
	for (size_t i = 0; i < r->wait_count; i++) {
		struct wait_list *list = r->waits[i].list;
		*r->waits[i].link = r->waits[i].next;
		if (r->waits[i].next)
			r->waits[i].next->link = r->waits[i].link;
		if (!list->first && !list->kept)
			free(mr_map_remove(lists, key_bytes(&list->key)));
	}
	r->wait_count = 0;
}

static void wait_add(struct request *r, struct wait *wait, const void *key, bool kept)
{
	struct mr_map *lists = &request_core(r)->waiters.lists;
	struct wait_list *list = mr_map_get(lists, key_bytes(&key));
	if (!list) {
		list = mr_calloc(1, sizeof *list);
		*list = (struct wait_list){.key = key, .kept = kept};
		mr_map_put(lists, key_bytes(&key), list);
	}
	*wait = (struct wait){r, list->first, &list->first, list};
	if (wait->next)
		wait->next->link = &wait->next;
	list->first = wait;
}

void request_wait(struct request *r, struct log_partition *const *partitions, size_t count)
{
	wait_end(r);
	r->waits = arena_calloc(&r->arena, mr_max_size(count, 1), sizeof *r->waits);
	r->wait_count = count;
	for (size_t i = 0; i < count; i++)
		wait_add(r, &r->waits[i], partitions[i], true);
}

void request_wait_keys(struct request *r, const void *const *keys, size_t count)
{
	wait_end(r);
	r->waits = arena_calloc(&r->arena, mr_max_size(count, 1), sizeof *r->waits);
	r->wait_count = count;
	for (size_t i = 0; i < count; i++)
		wait_add(r, &r->waits[i], keys[i], false);
}

void request_wait_key(struct request *r, const void *key, struct log_partition *partition)
{
	wait_end(r);
	r->waits = arena_calloc(&r->arena, 2, sizeof *r->waits);
	if (key)
		wait_add(r, &r->waits[r->wait_count++], key, false);
	if (partition)
		wait_add(r, &r->waits[r->wait_count++], partition, true);
}

bool request_wait_write(struct request *r, const struct group_write *write)
{
	if (groups_write_state(write, NULL) <= 0)
		return true;
	request_wait(r, &write->partition, 1);
	return groups_write_state(write, NULL) <= 0;
}

void request_deadline(struct request *r, int64_t delay_us)
{
	r->timer.fire = timer_fired;
	loop_timer_set(request_core(r)->loop, &r->timer, delay_us);
}

void kafka_core_moved(struct kafka_core *core, struct log_partition *const *moved, size_t count)
{
	kafka_core_wake(core, (const void *const *)moved, count);
}

void kafka_core_wake(struct kafka_core *core, const void *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct wait_list *list = mr_map_get(&core->waiters.lists, key_bytes(&keys[i]));
		for (struct wait *wait = list ? list->first : NULL; wait; wait = wait->next) {
			if (!wait->request->woken)
				mr_vec_push(&core->ready, wait->request);
			wait->request->woken = true;
		}
	}
	for (size_t i = 0; i < core->ready.len; i++) {
		core->ready.items[i]->woken = false;
		request_step(core->ready.items[i]);
	}
	core->ready.len = 0;
	/* Those that stay busy stay in the list, at its front. */
	size_t kept = 0;
	for (size_t i = 0; i < core->busy.len; i++) {
		struct conn *conn = core->busy.items[i];
		if (conn->busy) /* not so when its time ran out meanwhile */
			request_step(conn->busy);
		conn->listed = conn->busy != NULL;
		if (conn->listed)
			core->busy.items[kept++] = conn;
	}
	core->busy.len = kept;
}

/* ---- the life of a request ---- */

struct request *request_new(struct conn *conn)
{
	struct kafka_core *core = conn->core;
	struct request *r = core->spare;
	if (r) {
		core->spare = r->next;
		core->spare_count--;
	} else {
		r = mr_calloc(1, sizeof *r);
		arena_init(&r->arena, 4096);
	}
	r->next = NULL;
	r->conn = conn;
	r->start_us = clock_mono_us(core->env->clock);
	return r;
}

void request_drop(struct request *r)
{
	struct kafka_core *core = request_core(r);
	wait_end(r);
	loop_timer_cancel(core->loop, &r->timer);
	if (r->release)
		r->release(r);
	if (core->spare_count >= SPARE_MAX) {
		request_free(r);
		return;
	}
	struct request clean = {.arena = r->arena, .reply = r->reply};
	arena_reset(&clean.arena);
	wire_out_clear(&clean.reply);
	if (clean.reply.bytes.cap > SPARE_BYTES_MAX)
		wire_out_release(&clean.reply);
	*r = clean;
	r->next = core->spare;
	core->spare = r;
	core->spare_count++;
}

static void count_request(struct request *r)
{
	struct kafka_core *core = request_core(r);
	struct api_counters *c = &core->counters[r->api - kafka_apis];
	int64_t took = clock_mono_us(core->env->clock) - r->start_us;
	atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->errors, r->failed, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->latency_us_sum, (uint64_t)mr_max_i64(took, 0), memory_order_relaxed);
}

/* size, response header (correlation id; tags when flexible, but never for ApiVersions, whose
 * reader does not know yet what the broker speaks), body. */
static void encode_reply(struct request *r)
{
	struct wire_out *reply = &r->reply;
	const struct api *api = r->api;
	bool flexible = r->header.version >= api->flexible;
	char head[9] = {0};
	mr_put_be32(head + 4, (uint32_t)r->header.correlation_id);
	bool tags = flexible && api != &kafka_apis[API_ApiVersions];
	mr_buf_append(&reply->bytes, head, tags ? 9 : 8);
	wire_encode(api->response, r->header.version, flexible, r->out, reply);
	mr_put_be32(reply->bytes.ptr, (uint32_t)(request_reply_bytes(r) - 4));
}

void request_finish(struct request *r)
{
	struct conn *conn = r->conn;
	wait_end(r);
	loop_timer_cancel(conn->core->loop, &r->timer);
	count_request(r);
	if (r->hang_up)
		conn->broken = true;
	else if (!r->silent)
		encode_reply(r);
	r->done = true;
	conn->unsent_bytes += request_reply_bytes(r);
	conn_request_done(conn);
}

void request_step(struct request *r)
{
	enum step step = r->api->step(r);
	conn_step_ended(r->conn, r, step == STEP_BUSY);
	if (step == STEP_DONE)
		request_finish(r);
}
