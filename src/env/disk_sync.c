/* env/disk_sync.c - many files and folders synced as one.
 *
 * A journaling file system answers an fsync when its running transaction is on the disk, and those
 * that ask meanwhile share the next one. So syncs one after the other take a transaction each, and
 * syncs at the same time two for all of them. A disk that says `syncs_together` gets them from threads;
 * the others (simulated ones, whose calls must come in one order) one by one.
 */
#include "env/disk.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS_MAX 8

struct job {
	struct mr_disk *disk;
	const struct disk_sync *items;
	size_t count;
	atomic_size_t next;
};

struct worker {
	struct job *job;
	pthread_t thread;
	int rc;
	struct mr_error err;
};

static int sync_one(struct mr_disk *disk, const struct disk_sync *item, struct mr_error *err)
{
	struct mr_file *file;
	if (item->is_folder)
		return disk_sync_dir(disk, item->path, err);
	int rc = disk_open(disk, item->path, FILE_WRITE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_sync(file, err);
	file_close(file);
	return rc;
}

/* One after the other, until none is left or one fails. */
static void work(struct worker *worker)
{
	struct job *job = worker->job;
	size_t at;
	while (worker->rc == 0 && (at = atomic_fetch_add(&job->next, 1)) < job->count)
		worker->rc = sync_one(job->disk, &job->items[at], &worker->err);
}

static void *work_thread(void *arg)
{
	work(arg);
	return NULL;
}

int disk_sync_all(struct mr_disk *disk, const struct disk_sync *items, size_t count, struct mr_error *err)
{
	struct job job = {.disk = disk, .items = items, .count = count};
	struct worker workers[THREADS_MAX] = {{.job = &job}};
	size_t wanted = disk->ops->syncs_together ? mr_min_size(count, THREADS_MAX) : 1, started = 1;
	for (; started < wanted; started++) {
		workers[started] = (struct worker){.job = &job};
		if (pthread_create(&workers[started].thread, NULL, work_thread, &workers[started]) != 0)
			break; /* fewer hands: those that are there take all */
	}
	work(&workers[0]);
	for (size_t i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (size_t i = 0; i < started; i++) {
		if (workers[i].rc == 0)
			continue;
		if (err)
			*err = workers[i].err;
		return workers[i].rc;
	}
	return 0;
}
