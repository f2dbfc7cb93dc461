/* log/committer.c - the thread that commits: sleeps until something is pending, then rounds.
 *
 * It also drops old segments once a minute and, when nothing has been written for that long,
 * takes a checkpoint so that the next start has nothing to read.
 */
#include "log/store.h"

#include <errno.h>
#include <time.h>

#define RETAIN_EVERY_S 60

static void due_in(struct timespec *at, int64_t seconds)
{
	clock_gettime(CLOCK_MONOTONIC, at);
	at->tv_sec += seconds;
}

/* Faults of a round fence partitions, and who appends hears of it there. */
static void round_once(struct log_store *store)
{
	fair_lock(&store->io_lock);
	(void)!commit_round(store, NULL);
	fair_unlock(&store->io_lock);
}

static void housekeeping(struct log_store *store)
{
	fair_lock(&store->io_lock);
	(void)!retain_all(store, NULL);
	spares_trim(&store->spares);
	flush_reap(store);
	if (store->dirty.len > 0 && !flush_under_way(store))
		(void)!flush_begin(store, NULL);
	fair_unlock(&store->io_lock);
}

static void *run(void *arg)
{
	struct log_store *store = arg;
	struct timespec due;
	due_in(&due, RETAIN_EVERY_S);
	for (;;) {
		bool late = false;
		pthread_mutex_lock(&store->queue_lock);
		while (!store->queue_head && !store->stopping && !late)
			late =
			    pthread_cond_timedwait(&store->queue_wake, &store->queue_lock, &due) == ETIMEDOUT;
		bool work = store->queue_head != NULL;
		bool stop = store->stopping && (!work || store->abandoned);
		pthread_mutex_unlock(&store->queue_lock);
		if (stop)
			return NULL;
		if (work)
			round_once(store);
		if (late) {
			housekeeping(store);
			due_in(&due, RETAIN_EVERY_S);
		}
	}
}

int committer_start(struct log_store *store, struct mr_error *err)
{
	int rc = pthread_create(&store->committer, NULL, run, store);
	if (rc != 0)
		return mr_fail(err, MR_ERR_INTERNAL, "cannot start the committer thread: %s", strerror(rc));
	store->committer_runs = true;
	return 0;
}

void committer_stop(struct log_store *store)
{
	if (!store->committer_runs)
		return;
	pthread_mutex_lock(&store->queue_lock);
	store->stopping = true;
	pthread_cond_signal(&store->queue_wake);
	pthread_mutex_unlock(&store->queue_lock);
	pthread_join(store->committer, NULL);
	store->committer_runs = false;
}

void fair_lock_init(struct fair_lock *lock)
{
	*lock = (struct fair_lock){0};
	pthread_mutex_init(&lock->mutex, NULL);
	pthread_cond_init(&lock->turn, NULL);
}

void fair_lock_destroy(struct fair_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
	pthread_cond_destroy(&lock->turn);
}

void fair_lock(struct fair_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
	uint64_t ticket = lock->next++;
	while (ticket != lock->serving)
		pthread_cond_wait(&lock->turn, &lock->mutex);
	pthread_mutex_unlock(&lock->mutex);
}

void fair_unlock(struct fair_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
	lock->serving++;
	pthread_cond_broadcast(&lock->turn);
	pthread_mutex_unlock(&lock->mutex);
}
