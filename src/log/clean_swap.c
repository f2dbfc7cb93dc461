/* log/clean_swap.c - a cleaned segment takes the place of those it was made from.
 *
 *   1. BASE.log.cleaned is written and synced          a crash: removed at start
 *   2. renamed to BASE.log.swap, folder synced         from here on a start finishes the exchange
 *   3. the old segments behind BASE and all their
 *      indexes are removed, folder synced
 *   4. BASE.log.swap renamed over BASE.log, folder synced
 *
 * The segment list changes between 2 and 3, under the partition's lock. Who has an old file open
 * reads on in it; who looks a segment up meanwhile compares its version (lookup.c) and tries again.
 *
 * No journal entry may name the old segments, or a replay would write into the new one: they
 * were synced and a checkpoint has been taken since.
 */
#include "log/cleaner.h"

#include "log/batch_bytes.h"

#include <stdlib.h>

static int rename_ending(struct log_partition *partition, int64_t base, const char *from, const char *to,
			 struct mr_error *err)
{
	struct mr_disk *disk = partition->topic->store->env->disk;
	char *old = segment_path(partition->dir, base, from), *new = segment_path(partition->dir, base, to);
	int rc = disk_rename(disk, old, new, err);
	free(old);
	free(new);
	return rc;
}

static int unlink_ending(struct log_partition *partition, int64_t base, const char *ending,
			 struct mr_error *err)
{
	char *path = segment_path(partition->dir, base, ending);
	int rc = disk_unlink(partition->topic->store->env->disk, path, err);
	free(path);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static int unlink_indexes(struct log_partition *partition, int64_t base, struct mr_error *err)
{
	static const char *const endings[] = {".index", ".timeindex", ".txnindex"};
	int rc = 0;
	for (size_t i = 0; i < MR_COUNT(endings) && rc == 0; i++)
		rc = unlink_ending(partition, base, endings[i], err);
	return rc;
}

void clean_discard(struct clean_group *group)
{
	(void)!unlink_ending(group->partition, group->pieces[0].base, ".log.cleaned", NULL);
	segment_free(group->result);
	group->result = NULL;
}

/* Where the pieces stand in the list; false when retention or a deletion took one. */
static bool find_pieces(const struct clean_group *group, size_t *at)
{
	const struct log_partition *partition = group->partition;
	for (size_t i = 0; i + group->count < partition->segments.len; i++) {
		if (partition->segments.items[i]->base != group->pieces[0].base)
			continue;
		*at = i;
		for (size_t k = 0; k < group->count; k++) {
			const struct segment *segment = partition->segments.items[i + k];
			if (segment->base != group->pieces[k].base ||
			    segment->size != group->pieces[k].size ||
			    segment->version != group->pieces[k].version ||
			    segment->synced_size != segment->size)
				return false;
		}
		return !partition->deleted;
	}
	return false;
}

static void replace_in_list(struct clean_group *group, size_t at)
{
	struct log_partition *partition = group->partition;
	struct segment *result = group->result;
	pthread_mutex_lock(&partition->lock);
	int64_t before = 0;
	for (size_t k = 0; k < group->count; k++) {
		struct segment *old = partition->segments.items[at + k];
		before += old->stable_size;
		segment_free(old);
	}
	partition->segments.items[at] = result;
	for (size_t k = 1; k < group->count; k++)
		mr_vec_remove(&partition->segments, at + 1);
	partition->size_bytes += result->stable_size - before;
	tail_forget_before(partition, partition->segments.items[at + 1]->base);
	pthread_mutex_unlock(&partition->lock);
	group->result = NULL;
}

static int exchange_files(struct log_partition *partition, const struct clean_piece *pieces, size_t count,
			  struct mr_error *err)
{
	struct mr_disk *disk = partition->topic->store->env->disk;
	int rc = 0;
	for (size_t k = 0; k < count && rc == 0; k++) {
		rc = unlink_indexes(partition, pieces[k].base, err);
		if (rc == 0 && k > 0)
			rc = unlink_ending(partition, pieces[k].base, ".log", err);
	}
	if (rc == 0)
		rc = disk_sync_dir(disk, partition->dir, err);
	if (rc == 0)
		rc = rename_ending(partition, pieces[0].base, ".log.swap", ".log", err);
	return rc < 0 ? rc : disk_sync_dir(disk, partition->dir, err);
}

static void file_index(struct log_partition *partition, int64_t base)
{
	struct index_flush flush;
	pthread_mutex_lock(&partition->lock);
	struct segment *segment = NULL;
	for (size_t i = 0; i < partition->segments.len; i++) {
		if (partition->segments.items[i]->base == base)
			segment = partition->segments.items[i];
	}
	bool any = segment && index_flush_take(segment, &flush);
	pthread_mutex_unlock(&partition->lock);
	uint32_t offsets = 0, times = 0;
	if (any) {
		offsets = (uint32_t)flush.offsets.len;
		times = (uint32_t)flush.times.len;
		index_flush_write(&flush, partition->topic->store->env->disk, partition->dir);
	}
	pthread_mutex_lock(&partition->lock);
	struct shared_file *file = segment->file;
	segment->file = NULL; /* by name from now on */
	if (any)
		index_flush_done(segment, offsets, times);
	pthread_mutex_unlock(&partition->lock);
	shared_file_drop(file);
}

int clean_swap(struct clean_group *group, struct mr_error *err)
{
	struct log_partition *partition = group->partition;
	struct log_store *store = partition->topic->store;
	int64_t base = group->pieces[0].base;
	size_t at;
	/* The journal names bytes by segment and position: what it has of this partition must be void. */
	if (!partition->deleted &&
	    (partition->dirty || partition->generation >= journal_floor(store->journal))) {
		int rc = checkpoint_write(store, err);
		if (rc < 0)
			return rc;
	}
	if (!find_pieces(group, &at)) {
		clean_discard(group);
		return 1;
	}
	int rc = rename_ending(partition, base, ".log.cleaned", ".log.swap", err);
	if (rc == 0)
		rc = disk_sync_dir(store->env->disk, partition->dir, err);
	if (rc < 0) {
		(void)!unlink_ending(partition, base, ".log.swap", NULL);
		return rc;
	}
	replace_in_list(group, at);
	rc = exchange_files(partition, group->pieces, group->count, err);
	if (rc == 0)
		file_index(partition, base);
	return rc;
}

struct leftovers {
	MR_VEC(int64_t) cleaned, swaps, logs;
};

static int note_leftover(void *arg, const char *name, const struct file_info *info)
{
	struct leftovers *found = arg;
	char plain[32];
	if (strlen(name) < 24 || strlen(name) > 32)
		return 0;
	memcpy(plain, name, 24);
	plain[24] = 0;
	int64_t base = segment_parse_name(plain);
	if (base < 0)
		return 0;
	if (strcmp(name + 24, ".cleaned") == 0)
		mr_vec_push(&found->cleaned, base);
	else if (strcmp(name + 24, ".swap") == 0)
		mr_vec_push(&found->swaps, base);
	else if (name[24] == 0)
		mr_vec_push(&found->logs, base);
	return 0;
}

/* Past the last batch of BASE.log.swap, which was synced before it got that name. */
static int swap_end(struct log_partition *partition, int64_t base, int64_t *next, struct mr_error *err)
{
	char *path = segment_path(partition->dir, base, ".log.swap");
	struct segment_scan scan = {.next_offset = base, .check_crc = true};
	int rc = disk_open(partition->topic->store->env->disk, path, FILE_READ, &scan.file, err);
	free(path);
	if (rc < 0)
		return rc;
	rc = file_size(scan.file, &scan.limit, err);
	if (rc == 0)
		rc = segment_scan(&scan, err);
	file_close(scan.file);
	*next = scan.next_offset;
	return rc < 0 ? rc : 0;
}

/* Old segments whose every record was superseded may lie behind the new one's end: they stay, and
 * are cleaned again. */
static int finish_swap(struct log_partition *partition, int64_t base, const struct leftovers *found,
		       struct mr_error *err)
{
	int64_t next;
	int rc = swap_end(partition, base, &next, err);
	if (rc < 0)
		return rc;
	MR_VEC(struct clean_piece) pieces = {0};
	mr_vec_push(&pieces, (struct clean_piece){.base = base});
	for (size_t i = 0; i < found->logs.len; i++) {
		if (found->logs.items[i] > base && found->logs.items[i] < next)
			mr_vec_push(&pieces, (struct clean_piece){.base = found->logs.items[i]});
	}
	rc = exchange_files(partition, pieces.items, pieces.len, err);
	mr_vec_release(&pieces);
	return rc;
}

int clean_recover(struct log_partition *partition, struct mr_error *err)
{
	struct leftovers found = {0};
	int rc = disk_list(partition->topic->store->env->disk, partition->dir, note_leftover, &found, err);
	for (size_t i = 0; i < found.cleaned.len && rc == 0; i++)
		rc = unlink_ending(partition, found.cleaned.items[i], ".log.cleaned", err);
	for (size_t i = 0; i < found.swaps.len && rc == 0; i++)
		rc = finish_swap(partition, found.swaps.items[i], &found, err);
	mr_vec_release(&found.cleaned);
	mr_vec_release(&found.swaps);
	mr_vec_release(&found.logs);
	return rc;
}
