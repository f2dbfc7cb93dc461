/* log/store.c - a store's life: open, close, what it says of itself, producer ids.
 *
 * DIR/log/          partitions               DIR/journal/      the shared journal
 * DIR/topics/       one file a topic         DIR/checkpoint    where recovery starts
 * DIR/producer-ids  the first id never given out, as text
 */
#include "log/cleaner.h"
#include "log/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <time.h>

#define PENDING_BYTES_DEFAULT ((size_t)16 << 20)
#define PRODUCER_IDS_BLOCK 1000

static struct log_store *store_new(const struct log_store_options *options)
{
	struct log_store *store = mr_calloc(1, sizeof *store);
	store->env = options->env;
	store->dir = mr_strdup(options->dir);
	store->manual = options->manual;
	store->health = options->health;
	store->health_arg = options->health_arg;
	store->journal_use = options->journal;
	store->pending_bytes_max =
	    options->pending_bytes_max ? options->pending_bytes_max : PENDING_BYTES_DEFAULT;
	store->journal_file_bytes = options->journal_bytes;
	store->queue_tail = &store->queue_head;
	fair_lock_init(&store->io_lock);
	spares_init(&store->spares);
	pthread_mutex_init(&store->topics_lock, NULL);
	pthread_mutex_init(&store->queue_lock, NULL);
	pthread_mutex_init(&store->listeners_lock, NULL);
	pthread_mutex_init(&store->ids_lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&store->queue_wake, &monotonic);
	pthread_cond_init(&store->clean_wake, &monotonic);
	pthread_mutex_init(&store->clean_lock, NULL);
	pthread_mutex_init(&store->flush_lock, NULL);
	pthread_cond_init(&store->flush_changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return store;
}

static void store_free(struct log_store *store)
{
	flusher_release(store);
	journal_close(store->journal);
	for (size_t i = 0; i < store->all.len; i++)
		topic_free(store->all.items[i]);
	mr_vec_release(&store->all);
	mr_map_release(&store->topics);
	mr_vec_release(&store->dirty);
	mr_vec_release(&store->round);
	mr_vec_release(&store->moved);
	mr_vec_release(&store->dropped);
	mr_vec_release(&store->owing);
	mr_vec_release(&store->write_faults);
	tail_queue_release(&store->tails);
	spares_release(&store->spares);
	fair_lock_destroy(&store->io_lock);
	pthread_mutex_destroy(&store->topics_lock);
	pthread_mutex_destroy(&store->queue_lock);
	pthread_mutex_destroy(&store->listeners_lock);
	pthread_mutex_destroy(&store->ids_lock);
	pthread_cond_destroy(&store->queue_wake);
	pthread_cond_destroy(&store->clean_wake);
	pthread_mutex_destroy(&store->clean_lock);
	pthread_mutex_destroy(&store->flush_lock);
	pthread_cond_destroy(&store->flush_changed);
	free(store->dir);
	free(store);
}

static int make_folder(struct log_store *store, const char *name, struct mr_error *err)
{
	char *path = mr_asprintf("%s/%s", store->dir, name);
	int rc = disk_mkdir_all(store->env->disk, path, err);
	free(path);
	return rc;
}

static int load_producer_ids(struct log_store *store, struct mr_error *err)
{
	struct mr_buf text = {0};
	char *path = mr_asprintf("%s/producer-ids", store->dir);
	int rc = disk_read_file(store->env->disk, path, 64, &text, err);
	if (rc == 0) {
		char *end;
		store->next_producer_id = strtoll(text.ptr, &end, 10);
		if (end == text.ptr || store->next_producer_id < 0)
			rc = mr_fail(err, MR_ERR_CORRUPT, "%s holds no number", path);
		store->producer_ids_end = store->next_producer_id;
	}
	free(path);
	mr_buf_release(&text);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static int open_parts(struct log_store *store, struct mr_error *err)
{
	int rc = make_folder(store, "log", err);
	if (rc == 0)
		rc = make_folder(store, "topics", err);
	if (rc == 0)
		rc = load_producer_ids(store, err);
	char *journal_dir = mr_asprintf("%s/journal", store->dir);
	if (rc == 0)
		rc = journal_open(store->env, journal_dir, store->journal_file_bytes, &store->journal, err);
	free(journal_dir);
	if (rc == 0)
		rc = topics_load(store, err);
	if (rc == 0)
		rc = recover(store, err);
	if (rc == 0 && !store->manual)
		rc = flusher_start(store, err);
	if (rc == 0 && !store->manual)
		rc = committer_start(store, err);
	if (rc == 0 && !store->manual)
		rc = cleaner_start(store, err);
	return rc;
}

int log_store_open(const struct log_store_options *options, struct log_store **out, struct mr_error *err)
{
	struct log_store *store = store_new(options);
	int rc = open_parts(store, err);
	if (rc < 0) {
		committer_stop(store);
		flusher_stop(store);
		store_free(store);
		return mr_error_wrap(err, rc, "cannot open the log in %s", options->dir);
	}
	*out = store;
	return 0;
}

void log_store_close(struct log_store *store)
{
	if (!store)
		return;
	cleaner_stop(store);
	committer_stop(store);
	flusher_stop(store);
	(void)!commit_round(store, NULL);
	if (store->dirty.len > 0)
		(void)!checkpoint_write(store, NULL);
	store_free(store);
}

const char *log_store_dir(const struct log_store *store)
{
	return store->dir;
}

void log_store_abandon(struct log_store *store)
{
	if (!store)
		return;
	pthread_mutex_lock(&store->queue_lock);
	store->abandoned = true;
	pthread_mutex_unlock(&store->queue_lock);
	cleaner_stop(store);
	committer_stop(store);
	flusher_stop(store);
	store_free(store);
}

int log_store_commit(struct log_store *store, struct mr_error *err)
{
	fair_lock(&store->io_lock);
	int rc = commit_round(store, err);
	fair_unlock(&store->io_lock);
	return rc;
}

int log_store_retain(struct log_store *store, struct mr_error *err)
{
	fair_lock(&store->io_lock);
	int rc = retain_all(store, err);
	fair_unlock(&store->io_lock);
	return rc;
}

void log_listen(struct log_store *store, struct log_listener *listener)
{
	pthread_mutex_lock(&store->listeners_lock);
	listener->next = store->listeners;
	store->listeners = listener;
	pthread_mutex_unlock(&store->listeners_lock);
}

void log_unlisten(struct log_store *store, struct log_listener *listener)
{
	pthread_mutex_lock(&store->listeners_lock);
	for (struct log_listener **at = &store->listeners; *at; at = &(*at)->next) {
		if (*at == listener) {
			*at = listener->next;
			break;
		}
	}
	pthread_mutex_unlock(&store->listeners_lock);
}

/* Ids are reserved in blocks: a crash skips the rest of a block and gives none out twice. */
int log_next_producer_id(struct log_store *store, int64_t *out, struct mr_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&store->ids_lock);
	if (store->next_producer_id == store->producer_ids_end) {
		int64_t end = store->producer_ids_end + PRODUCER_IDS_BLOCK;
		char *path = mr_asprintf("%s/producer-ids", store->dir);
		char *text = mr_asprintf("%lld\n", (long long)end);
		rc = disk_replace_file(store->env->disk, path, mr_str_from(text), err);
		free(text);
		free(path);
		if (rc == 0)
			store->producer_ids_end = end;
	}
	if (rc == 0)
		*out = store->next_producer_id++;
	pthread_mutex_unlock(&store->ids_lock);
	return rc;
}

void log_store_stats(struct log_store *store, struct log_stats *out)
{
	*out = (struct log_stats){
	    .rounds = store->rounds,
	    .syncs = store->syncs,
	    .appended_batches = store->appended_batches,
	    .appended_bytes = store->appended_bytes,
	    .journal_bytes = journal_bytes_written(store->journal),
	    .checkpoints = store->checkpoints,
	    .pending_bytes = store->pending_bytes,
	    .pending_bytes_high = store->pending_bytes_high,
	};
}
