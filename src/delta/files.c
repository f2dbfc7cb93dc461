/* delta/files.c - the list of data files that snapshots share; see internal.h. */
#include "delta/internal.h"

struct file_set *delta_file_set_new(void)
{
	struct file_set *set = mr_calloc(1, sizeof *set);
	set->refs = 1;
	arena_init(&set->arena, 64 << 10);
	return set;
}

struct file_set *delta_file_set_ref(struct file_set *set)
{
	atomic_fetch_add(&set->refs, 1);
	return set;
}

void delta_file_set_unref(struct file_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
		return;
	while (set->first) {
		struct file_chunk *next = set->first->next;
		free(set->first);
		set->first = next;
	}
	arena_release(&set->arena);
	free(set);
}

struct file_entry *delta_file_set_add(struct file_set *set)
{
	if (set->count % FILE_CHUNK == 0) {
		struct file_chunk *chunk = mr_calloc(1, sizeof *chunk);
		if (set->last)
			set->last->next = chunk;
		else
			set->first = chunk;
		set->last = chunk;
	}
	struct file_entry *entry = &set->last->entries[set->count++ % FILE_CHUNK];
	entry->removed = VERSION_NEVER;
	return entry;
}

struct file_entry *delta_file_cursor_next(struct file_cursor *cursor)
{
	if (cursor->at == cursor->count)
		return NULL;
	struct file_entry *entry = &cursor->chunk->entries[cursor->at++ % FILE_CHUNK];
	/* The link is there before the next chunk's first entry is counted. */
	if (cursor->at % FILE_CHUNK == 0 && cursor->at < cursor->count)
		cursor->chunk = cursor->chunk->next;
	return entry;
}
