#include "task/topic_watch.h"

#include "base/mem.h"
#include "base/vec.h"

#include <pthread.h>
#include <stdlib.h>

struct wait {
	char *topic, *event;
	int32_t partition;
	int64_t records;
};

struct topic_watch {
	struct log_store *store;
	struct dag_sink *sink;
	struct log_listener listener;
	pthread_mutex_t lock;
	_Atomic size_t waiting; /* waits.len, for a look without the lock */
	MR_VEC(struct wait) waits;
};

int64_t topic_records(struct log_store *store, mr_str name, int32_t partition)
{
	struct log_topic *topic = log_topic_find(store, name);
	int64_t total = 0;
	for (int32_t i = 0; topic && i < log_topic_partition_count(topic); i++)
		if (partition < 0 || partition == i)
			total += log_stable_offset(log_partition_at(topic, i));
	return total;
}

static void drop(struct topic_watch *watch, size_t i)
{
	free(watch->waits.items[i].topic);
	free(watch->waits.items[i].event);
	watch->waits.items[i] = watch->waits.items[--watch->waits.len];
	watch->waiting = watch->waits.len;
}

/* Under the lock. */
static bool tell(struct topic_watch *watch, size_t i)
{
	struct wait *wait = &watch->waits.items[i];
	if (topic_records(watch->store, mr_str_from(wait->topic), wait->partition) < wait->records)
		return false;
	dag_sink_event(watch->sink, mr_str_from(wait->event), MR_STR("{}"));
	drop(watch, i);
	return true;
}

static void moved(void *arg, struct log_partition *const *partitions, size_t count)
{
	struct topic_watch *watch = arg;
	if (!watch->waiting)
		return;
	pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < watch->waits.len;) {
		bool told = false;
		for (size_t p = 0; p < count && !told; p++) {
			mr_str name = log_topic_name(log_partition_topic(partitions[p]));
			told = mr_str_is(name, watch->waits.items[i].topic) && tell(watch, i);
		}
		i += told ? 0 : 1;
	}
	pthread_mutex_unlock(&watch->lock);
}

void topic_watch_add(struct topic_watch *watch, mr_str topic, int32_t partition, int64_t records,
		     mr_str event)
{
	pthread_mutex_lock(&watch->lock);
	size_t i = 0;
	while (i < watch->waits.len && !mr_str_is(event, watch->waits.items[i].event))
		i++;
	if (i == watch->waits.len) {
		if (i == TOPIC_WAITS_MAX)
			drop(watch, 0);
		mr_vec_push(&watch->waits, (struct wait){.topic = mr_strndup(topic),
							 .event = mr_strndup(event),
							 .partition = partition,
							 .records = records});
		watch->waiting = watch->waits.len;
		i = watch->waits.len - 1;
	}
	tell(watch, i); /* what came before the wait was there */
	pthread_mutex_unlock(&watch->lock);
}

struct topic_watch *topic_watch_new(struct log_store *store, struct dag_sink *sink)
{
	struct topic_watch *watch = mr_calloc(1, sizeof *watch);
	watch->store = store;
	watch->sink = sink;
	watch->listener = (struct log_listener){.fn = moved, .arg = watch};
	pthread_mutex_init(&watch->lock, NULL);
	log_listen(store, &watch->listener);
	return watch;
}

void topic_watch_free(struct topic_watch *watch)
{
	if (!watch)
		return;
	log_unlisten(watch->store, &watch->listener);
	while (watch->waits.len)
		drop(watch, watch->waits.len - 1);
	mr_vec_release(&watch->waits);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}
