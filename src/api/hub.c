#include "api/hub.h"

#include "api/json.h"
#include "base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LISTENERS_MAX 64
#define NAMES_MAX 10000 /* runs whose names are remembered */

struct hub_listener {
	struct hub *hub;
	mr_str dag_id;
	char *dag_id_copy;
	struct mr_buf queue;
	bool dropped;
	struct hub_listener *next;
};

struct run_name {
	char *dag_id, *run_id;
};

struct hub {
	struct dag_store *store;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct hub_listener *first;
	size_t count;
	bool closed;
	struct mr_map names; /* run_no: struct run_name; of the publishing thread */
};

struct hub *hub_new(struct dag_store *store)
{
	struct hub *hub = mr_calloc(1, sizeof *hub);
	pthread_condattr_t attr;
	hub->store = store;
	pthread_mutex_init(&hub->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&hub->news, &attr);
	pthread_condattr_destroy(&attr);
	return hub;
}

static void forget_names(struct hub *hub)
{
	mr_map_each (&hub->names, entry) {
		struct run_name *name = entry->value;
		free(name->dag_id);
		free(name->run_id);
		free(name);
	}
	mr_map_release(&hub->names);
}

void hub_free(struct hub *hub)
{
	if (!hub)
		return;
	MR_ASSERT(!hub->first);
	forget_names(hub);
	pthread_cond_destroy(&hub->news);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

/* ---- publishing ---- */

static struct run_name *remember(struct hub *hub, mr_str number, mr_str dag_id, mr_str run_id)
{
	if (hub->names.len >= NAMES_MAX)
		forget_names(hub);
	struct run_name *name = mr_calloc(1, sizeof *name);
	name->dag_id = mr_strndup(dag_id);
	name->run_id = mr_strndup(run_id);
	mr_map_put(&hub->names, number, name);
	return name;
}

/* Rows of instances have the number of their run, listeners want its names. */
static const struct run_name *name_of(struct hub *hub, int64_t run_no)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%lld", (long long)run_no);
	mr_str number = mr_str_n(digits, (size_t)n);
	struct run_name *name = mr_map_get(&hub->names, number);
	if (name)
		return name;
	struct mr_buf row = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = hub->store->ops->query(
	    hub->store, "SELECT dag_id, run_id FROM dag_run WHERE run_no = CAST(?1 AS BIGINT)", &number, 1,
	    &row, NULL);
	if (rc == 0 && row.len && json_parse(parser, mr_buf_view(&row), &v, NULL) == 0)
		name =
		    remember(hub, number, json_str(json_get(v, "dag_id")), json_str(json_get(v, "run_id")));
	json_parser_free(parser);
	mr_buf_release(&row);
	return name;
}

static void put_run(struct json_writer *w, const struct store_run *run)
{
	json_member_str(w, "dag_id", run->dag_id);
	json_member_str(w, "dag_run_id", run->run_id);
	json_member_str(w, "run_type", run->run_type);
	json_member_cstr(w, "state", run_state_name(run->state));
	put_time(w, "logical_date", run->logical_date_us);
	put_time(w, "run_after", run->run_after_us);
	put_time(w, "start_date", run->start_us);
	put_time(w, "end_date", run->end_us);
}

static void put_task(struct json_writer *w, const struct store_task *task, const struct run_name *name)
{
	json_member_cstr(w, "dag_id", name->dag_id);
	json_member_cstr(w, "dag_run_id", name->run_id);
	json_member_str(w, "task_id", task->task_id);
	json_member_int(w, "map_index", task->map_index);
	put_task_state(w, "state", task->state);
	json_member_int(w, "try_number", task->try_number);
	put_time(w, "start_date", task->start_us);
	put_time(w, "end_date", task->end_us);
}

static void put_dag(struct json_writer *w, const struct store_dag *dag)
{
	json_member_str(w, "dag_id", dag->dag_id);
	json_member_bool(w, "is_paused", dag->paused);
	json_member_bool(w, "is_stale", !dag->active);
	put_time(w, "next_dagrun_run_after", dag->next_run_us);
}

static struct json_writer begin(struct mr_buf *event, const char *kind)
{
	mr_buf_clear(event);
	mr_buf_printf(event, "event: %s\ndata: ", kind);
	struct json_writer w = json_writer(event);
	json_begin_object(&w);
	return w;
}

/* Under the lock. */
static void give(struct hub *hub, struct json_writer *w, mr_str dag_id)
{
	json_end_object(w);
	mr_buf_cstr(w->out, "\n\n");
	for (struct hub_listener *l = hub->first; l; l = l->next) {
		if (l->dropped || (l->dag_id.len && !mr_str_eq(l->dag_id, dag_id)))
			continue;
		mr_buf_str(&l->queue, mr_buf_view(w->out));
		if (l->queue.overflow) {
			mr_buf_clear(&l->queue);
			l->dropped = true;
		}
	}
}

void hub_publish(struct hub *hub, const struct store_batch *batch)
{
	struct mr_buf event = {0};
	struct json_writer w;
	pthread_mutex_lock(&hub->lock);
	for (size_t i = 0; hub->first && i < batch->dags.len; i++) {
		w = begin(&event, "dag");
		put_dag(&w, &batch->dags.items[i]);
		give(hub, &w, batch->dags.items[i].dag_id);
	}
	for (size_t i = 0; hub->first && i < batch->runs.len; i++) {
		w = begin(&event, "dag_run");
		put_run(&w, &batch->runs.items[i]);
		give(hub, &w, batch->runs.items[i].dag_id);
	}
	for (size_t i = 0; hub->first && i < batch->tasks.len; i++) {
		const struct run_name *name = name_of(hub, batch->tasks.items[i].run_no);
		if (!name)
			continue;
		w = begin(&event, "task_instance");
		put_task(&w, &batch->tasks.items[i], name);
		give(hub, &w, mr_str_from(name->dag_id));
	}
	pthread_cond_broadcast(&hub->news);
	pthread_mutex_unlock(&hub->lock);
	mr_buf_release(&event);
}

void hub_close(struct hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	hub->closed = true;
	pthread_cond_broadcast(&hub->news);
	pthread_mutex_unlock(&hub->lock);
}

/* ---- listening ---- */

struct hub_listener *hub_listen(struct hub *hub, mr_str dag_id)
{
	struct hub_listener *listener = NULL;
	pthread_mutex_lock(&hub->lock);
	if (hub->count < LISTENERS_MAX && !hub->closed) {
		listener = mr_calloc(1, sizeof *listener);
		listener->hub = hub;
		listener->dag_id_copy = mr_strndup(dag_id);
		listener->dag_id = mr_str_from(listener->dag_id_copy);
		mr_buf_init(&listener->queue, HUB_QUEUE_BYTES);
		listener->next = hub->first;
		hub->first = listener;
		hub->count++;
	}
	pthread_mutex_unlock(&hub->lock);
	return listener;
}

void hub_leave(struct hub_listener *listener)
{
	struct hub *hub = listener->hub;
	pthread_mutex_lock(&hub->lock);
	struct hub_listener **at = &hub->first;
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	hub->count--;
	pthread_mutex_unlock(&hub->lock);
	mr_buf_release(&listener->queue);
	free(listener->dag_id_copy);
	free(listener);
}

static void deadline(struct timespec *until, int64_t timeout_ms)
{
	clock_gettime(CLOCK_MONOTONIC, until);
	until->tv_sec += timeout_ms / 1000;
	until->tv_nsec += timeout_ms % 1000 * 1000000;
	if (until->tv_nsec >= 1000000000) {
		until->tv_sec++;
		until->tv_nsec -= 1000000000;
	}
}

int hub_wait(struct hub_listener *listener, int64_t timeout_ms, struct mr_buf *out)
{
	struct hub *hub = listener->hub;
	struct timespec until;
	int late = 0, rc = 0;
	deadline(&until, timeout_ms);
	pthread_mutex_lock(&hub->lock);
	while (!listener->queue.len && !listener->dropped && !hub->closed && late != ETIMEDOUT)
		late = pthread_cond_timedwait(&hub->news, &hub->lock, &until);
	if (hub->closed)
		rc = MR_ERR_CLOSED;
	else if (listener->dropped)
		mr_buf_cstr(out, "event: reset\ndata: {}\n\n");
	else if (listener->queue.len)
		mr_buf_str(out, mr_buf_view(&listener->queue));
	else
		rc = 1;
	listener->dropped = false;
	mr_buf_clear(&listener->queue);
	pthread_mutex_unlock(&hub->lock);
	return rc;
}

size_t hub_listeners(struct hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	size_t count = hub->count;
	pthread_mutex_unlock(&hub->lock);
	return count;
}
