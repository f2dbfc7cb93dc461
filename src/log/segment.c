/* log/segment.c - segment files: names, opening, walking batches. See the header. */
#include "log/segment.h"

#include "log/batch_bytes.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define SCAN_WINDOW (1 << 20)

struct shared_file *shared_file_hold(struct shared_file *shared)
{
	shared->holds++;
	return shared;
}

void shared_file_drop(struct shared_file *shared)
{
	if (!shared || --shared->holds > 0)
		return;
	file_close(shared->file);
	free(shared);
}

struct segment *segment_new(int64_t base)
{
	struct segment *segment = mr_calloc(1, sizeof *segment);
	segment->base = base;
	segment->max_timestamp = -1;
	index_tail_init(&segment->index);
	return segment;
}

void segment_free(struct segment *segment)
{
	if (!segment)
		return;
	shared_file_drop(segment->file);
	index_tail_release(&segment->index);
	free(segment);
}

char *segment_path(const char *dir, int64_t base, const char *ending)
{
	return mr_asprintf("%s/%020lld%s", dir, (long long)base, ending);
}

int64_t segment_parse_name(const char *name)
{
	int64_t base = 0;
	for (int i = 0; i < 20; i++) {
		if (name[i] < '0' || name[i] > '9' || base > (INT64_MAX - 9) / 10)
			return -1;
		base = base * 10 + (name[i] - '0');
	}
	return strcmp(name + 20, ".log") == 0 ? base : -1;
}

static int open_shared(struct mr_disk *disk, const char *dir, int64_t base, int flags,
		       struct shared_file **out, struct mr_error *err)
{
	char *path = segment_path(dir, base, ".log");
	struct mr_file *file;
	int rc = disk_open(disk, path, flags, &file, err);
	free(path);
	if (rc < 0)
		return rc;
	*out = mr_alloc(sizeof **out);
	**out = (struct shared_file){.file = file, .holds = 1};
	return 0;
}

int segment_open_file(struct segment *segment, struct mr_disk *disk, const char *dir, pthread_mutex_t *lock,
		      struct mr_error *err)
{
	if (segment->file)
		return 0;
	struct shared_file *shared;
	int rc = open_shared(disk, dir, segment->base, FILE_WRITE | FILE_CREATE, &shared, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(lock);
	segment->file = shared;
	pthread_mutex_unlock(lock);
	return 0;
}

int segment_open_shared(struct mr_disk *disk, const char *dir, int64_t base, struct shared_file **out,
			struct mr_error *err)
{
	return open_shared(disk, dir, base, FILE_WRITE, out, err);
}

int segment_unlink(struct mr_disk *disk, const char *dir, int64_t base, struct mr_error *err)
{
	static const char *const endings[] = {".log", ".index", ".timeindex", ".txnindex"};
	int rc = 0;
	for (size_t i = 0; i < MR_COUNT(endings) && rc == 0; i++) {
		char *path = segment_path(dir, base, endings[i]);
		rc = disk_unlink(disk, path, err);
		if (rc == MR_ERR_NOT_FOUND)
			rc = 0;
		free(path);
	}
	return rc;
}

/* The part of the file that is in memory during a scan. */
struct window {
	struct mr_buf bytes;
	int64_t at;
};

/* Have `need` bytes from `position` on in memory: 0, or 1 when the limit comes first. */
static int window_fill(struct window *window, const struct segment_scan *scan, int64_t position, int64_t need,
		       struct mr_error *err)
{
	if (position + need > scan->limit)
		return 1;
	if (position >= window->at && position + need <= window->at + (int64_t)window->bytes.len)
		return 0;
	int64_t want = mr_min_i64(mr_max_i64(need, SCAN_WINDOW), scan->limit - position);
	mr_buf_clear(&window->bytes);
	mr_buf_reserve(&window->bytes, (size_t)want);
	size_t got;
	int rc = file_read_at(scan->file, window->bytes.ptr, (size_t)want, position, &got, err);
	if (rc < 0)
		return rc;
	window->at = position;
	window->bytes.len = got;
	return (int64_t)got < need ? 1 : 0;
}

/* 0 and *batch when a good batch starts at scan->position; 1 when none does. */
static int scan_one(struct segment_scan *scan, struct window *window, const char **batch,
		    struct mr_error *err)
{
	int rc = window_fill(window, scan, scan->position, BATCH_HEADER_SIZE, err);
	if (rc != 0)
		return rc;
	const char *header = window->bytes.ptr + (scan->position - window->at);
	if (!bb_header_ok(header) || bb_offset(header) < scan->next_offset ||
	    scan->position + bb_size(header) > scan->limit)
		return 1;
	if (scan->check_crc) {
		int64_t size = bb_size(header);
		rc = window_fill(window, scan, scan->position, size, err);
		if (rc != 0)
			return rc;
		header = window->bytes.ptr + (scan->position - window->at);
		if (!bb_crc_ok(header, (size_t)size))
			return 1;
	}
	*batch = header;
	return 0;
}

int segment_scan(struct segment_scan *scan, struct mr_error *err)
{
	struct window window = {0};
	int rc = 0;
	while (rc == 0 && scan->position < scan->limit) {
		const char *batch;
		rc = scan_one(scan, &window, &batch, err);
		if (rc == 0 && scan->fn)
			rc = scan->fn(scan->arg, batch, scan->position);
		if (rc == 0) {
			scan->next_offset = bb_next_offset(batch);
			scan->position += bb_size(batch);
		}
	}
	mr_buf_release(&window.bytes);
	return rc;
}
