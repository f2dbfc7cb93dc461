/* log/index.c - the sparse index of a segment. See the header. */
#include "log/index.h"

#include "log/batch_bytes.h"
#include "log/segment.h"

#include "base/buf.h"

enum { INDEX_ENTRY_SIZE = 8, TIME_ENTRY_SIZE = 12 };

void index_tail_init(struct index_tail *tail)
{
	*tail = (struct index_tail){.filed_timestamp = -1, .max_timestamp = -1};
}

void index_tail_release(struct index_tail *tail)
{
	mr_vec_release(&tail->offsets);
	mr_vec_release(&tail->times);
}

static void note_time(struct segment *segment)
{
	struct index_tail *tail = &segment->index;
	if (tail->max_timestamp <= tail->filed_timestamp)
		return;
	mr_vec_push(&tail->times, (struct time_entry){
				      .timestamp = tail->max_timestamp,
				      .offset = (uint32_t)(tail->max_timestamp_last - segment->base),
				  });
	tail->filed_timestamp = tail->max_timestamp;
}

void index_note(struct segment *segment, const char *batch, int64_t position)
{
	struct index_tail *tail = &segment->index;
	if (bb_max_timestamp(batch) > tail->max_timestamp) {
		tail->max_timestamp = bb_max_timestamp(batch);
		tail->max_timestamp_last = bb_last_offset(batch);
	}
	if (position >= tail->next_at && position > 0) {
		mr_vec_push(&tail->offsets,
			    (struct index_entry){
				.last_offset = (uint32_t)(bb_last_offset(batch) - segment->base),
				.position = (uint32_t)position,
			    });
		note_time(segment);
		tail->next_at = position + bb_size(batch) + INDEX_INTERVAL;
	} else if (position == 0) {
		tail->next_at = INDEX_INTERVAL;
	}
}

void index_seal(struct segment *segment)
{
	note_time(segment);
}

bool index_flush_take(struct segment *segment, struct index_flush *out)
{
	struct index_tail *tail = &segment->index;
	if (tail->offsets.len == 0 && tail->times.len == 0)
		return false;
	*out = (struct index_flush){
	    .base = segment->base,
	    .offsets_at = tail->offsets_filed,
	    .times_at = tail->times_filed,
	};
	for (size_t i = 0; i < tail->offsets.len; i++)
		mr_vec_push(&out->offsets, tail->offsets.items[i]);
	for (size_t i = 0; i < tail->times.len; i++)
		mr_vec_push(&out->times, tail->times.items[i]);
	return true;
}

static int write_entries(struct mr_disk *disk, const char *dir, int64_t base, const char *ending, int64_t at,
			 mr_str bytes)
{
	if (bytes.len == 0 && at > 0) /* Kafka's tools want the file even without an entry */
		return 0;
	char *path = segment_path(dir, base, ending);
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_WRITE | FILE_CREATE, &file, NULL);
	if (rc == 0) {
		rc = file_write_at(file, bytes.ptr, bytes.len, at, NULL);
		int64_t end = at + (int64_t)bytes.len, size = 0;
		if (rc == 0)
			rc = file_size(file, &size, NULL);
		if (rc == 0 && size > end) /* an older, longer index lies there */
			rc = file_truncate(file, end, NULL);
		file_close(file);
	}
	free(path);
	return rc;
}

void index_flush_write(struct index_flush *flush, struct mr_disk *disk, const char *dir)
{
	struct mr_buf offsets = {0}, times = {0};
	char be[TIME_ENTRY_SIZE];
	for (size_t i = 0; i < flush->offsets.len; i++) {
		mr_put_be32(be, flush->offsets.items[i].last_offset);
		mr_put_be32(be + 4, flush->offsets.items[i].position);
		mr_buf_append(&offsets, be, INDEX_ENTRY_SIZE);
	}
	for (size_t i = 0; i < flush->times.len; i++) {
		mr_put_be64(be, (uint64_t)flush->times.items[i].timestamp);
		mr_put_be32(be + 8, flush->times.items[i].offset);
		mr_buf_append(&times, be, TIME_ENTRY_SIZE);
	}
	/* Only a hint: what is not written is looked up more slowly. */
	(void)write_entries(disk, dir, flush->base, ".index", (int64_t)flush->offsets_at * INDEX_ENTRY_SIZE,
			    mr_buf_view(&offsets));
	(void)write_entries(disk, dir, flush->base, ".timeindex", (int64_t)flush->times_at * TIME_ENTRY_SIZE,
			    mr_buf_view(&times));
	mr_buf_release(&offsets);
	mr_buf_release(&times);
	mr_vec_release(&flush->offsets);
	mr_vec_release(&flush->times);
}

static void drop_first(void *items, size_t *len, size_t count, size_t item_size)
{
	*len -= count;
	memmove(items, (char *)items + count * item_size, *len * item_size);
}

void index_flush_done(struct segment *segment, uint32_t offsets, uint32_t times)
{
	struct index_tail *tail = &segment->index;
	if (offsets)
		drop_first(tail->offsets.items, &tail->offsets.len, offsets, sizeof *tail->offsets.items);
	if (times)
		drop_first(tail->times.items, &tail->times.len, times, sizeof *tail->times.items);
	tail->offsets_filed += offsets;
	tail->times_filed += times;
}

static uint32_t count_entries(struct mr_disk *disk, const char *dir, int64_t base, const char *ending,
			      int64_t entry_size)
{
	char *path = segment_path(dir, base, ending);
	struct file_info info;
	int rc = disk_stat(disk, path, &info, NULL);
	free(path);
	if (rc < 0 || info.size / entry_size > UINT32_MAX)
		return 0;
	return (uint32_t)(info.size / entry_size);
}

void index_count_files(struct mr_disk *disk, const char *dir, int64_t base, uint32_t *offsets,
		       uint32_t *times)
{
	*offsets = count_entries(disk, dir, base, ".index", INDEX_ENTRY_SIZE);
	*times = count_entries(disk, dir, base, ".timeindex", TIME_ENTRY_SIZE);
}

/* Is the entry's key at or below the target? */
typedef bool (*entry_fits_fn)(const char *entry, int64_t target);

/* Binary search over the entries of a file, read one by one: the page cache has them. */
static int search(struct mr_file *file, size_t entry_size, uint32_t count, entry_fits_fn fits, int64_t target,
		  char *found, struct mr_error *err)
{
	uint32_t low = 0, high = count; /* entries below low fit, from high on they do not */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		char entry[TIME_ENTRY_SIZE];
		size_t got;
		int rc =
		    file_read_at(file, entry, entry_size, (int64_t)middle * (int64_t)entry_size, &got, err);
		if (rc < 0)
			return rc;
		if (got == entry_size && fits(entry, target)) {
			memcpy(found, entry, entry_size);
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0;
}

static int search_file(struct mr_disk *disk, const char *dir, int64_t base, const char *ending,
		       size_t entry_size, uint32_t count, entry_fits_fn fits, int64_t target, char *found,
		       struct mr_error *err)
{
	if (count == 0)
		return 0;
	char *path = segment_path(dir, base, ending);
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_READ, &file, err);
	free(path);
	if (rc == MR_ERR_NOT_FOUND)
		return 0;
	if (rc < 0)
		return rc;
	rc = search(file, entry_size, count, fits, target, found, err);
	file_close(file);
	return rc;
}

static bool offset_fits(const char *entry, int64_t target)
{
	return (int64_t)mr_get_be32(entry) <= target;
}

static bool position_fits(const char *entry, int64_t target)
{
	return (int64_t)mr_get_be32(entry + 4) <= target;
}

static bool time_fits(const char *entry, int64_t target)
{
	return (int64_t)mr_get_be64(entry) < target;
}

int index_find_offset(struct mr_disk *disk, const char *dir, int64_t base, uint32_t count, uint32_t target,
		      struct index_entry *out, struct mr_error *err)
{
	char entry[INDEX_ENTRY_SIZE];
	int rc = search_file(disk, dir, base, ".index", sizeof entry, count, offset_fits, target, entry, err);
	if (rc == 1)
		*out = (struct index_entry){mr_get_be32(entry), mr_get_be32(entry + 4)};
	return rc;
}

int index_find_position(struct mr_disk *disk, const char *dir, int64_t base, uint32_t count, uint32_t target,
			struct index_entry *out, struct mr_error *err)
{
	char entry[INDEX_ENTRY_SIZE];
	int rc =
	    search_file(disk, dir, base, ".index", sizeof entry, count, position_fits, target, entry, err);
	if (rc == 1)
		*out = (struct index_entry){mr_get_be32(entry), mr_get_be32(entry + 4)};
	return rc;
}

int index_find_time(struct mr_disk *disk, const char *dir, int64_t base, uint32_t count, int64_t target,
		    struct time_entry *out, struct mr_error *err)
{
	char entry[TIME_ENTRY_SIZE];
	int rc =
	    search_file(disk, dir, base, ".timeindex", sizeof entry, count, time_fits, target, entry, err);
	if (rc == 1)
		*out = (struct time_entry){(int64_t)mr_get_be64(entry), mr_get_be32(entry + 8)};
	return rc;
}

static int note_batch(void *arg, const char *batch, int64_t position)
{
	index_note(arg, batch, position);
	return 0;
}

int index_build(struct mr_disk *disk, const char *dir, int64_t base, int64_t size, struct index_tail *tail,
		struct mr_error *err)
{
	char *path = segment_path(dir, base, ".log");
	struct segment fresh = {.base = base};
	index_tail_init(&fresh.index);
	struct segment_scan scan = {
	    .limit = size, .next_offset = base, .check_crc = false, .fn = note_batch, .arg = &fresh};
	int rc = disk_open(disk, path, FILE_READ, &scan.file, err);
	free(path);
	if (rc < 0)
		return rc;
	rc = segment_scan(&scan, err);
	file_close(scan.file);
	if (rc < 0) {
		index_tail_release(&fresh.index);
		return rc;
	}
	index_seal(&fresh);
	*tail = fresh.index;
	return 0;
}

static void replace_with(struct mr_disk *disk, const char *dir, int64_t base, const char *ending)
{
	char *path = segment_path(dir, base, ending);
	char *old = mr_asprintf("%s.old", path);
	/* Readers in the old file keep it: it is renamed and removed, not overwritten. */
	if (disk_rename(disk, path, old, NULL) == 0)
		(void)!disk_unlink(disk, old, NULL);
	free(old);
	free(path);
}

int index_rebuild(struct mr_disk *disk, const char *dir, int64_t base, int64_t size, struct index_tail *tail,
		  struct mr_error *err)
{
	int rc = index_build(disk, dir, base, size, tail, err);
	if (rc < 0)
		return rc;
	struct segment fresh = {.base = base, .index = *tail};
	replace_with(disk, dir, base, ".index");
	replace_with(disk, dir, base, ".timeindex");
	struct index_flush flush;
	if (index_flush_take(&fresh, &flush)) {
		uint32_t offsets = (uint32_t)flush.offsets.len, times = (uint32_t)flush.times.len;
		index_flush_write(&flush, disk, dir);
		index_flush_done(&fresh, offsets, times);
	}
	*tail = fresh.index;
	return 0;
}
