/* delta/files.c - the data files that snapshots share, and which of them live; see internal.h.
 *
 * A table may have a million files, so an entry costs its 80 bytes, some 35 of its packed path, and 12 in
 * the index by path; partition values are shared by all files of a partition.
 */
#include "delta/internal.h"

#define TEXT_BLOCK ((size_t)64 << 10)
#define SLOT_GONE UINT32_MAX

struct file_set *delta_file_set_new(void)
{
	struct file_set *set = mr_calloc(1, sizeof *set);
	set->refs = 1;
	arena_init(&set->arena, TEXT_BLOCK);
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
	for (size_t i = 0; i < FILE_CHUNKS; i++)
		free(set->chunks[i]);
	for (size_t i = 0; i < set->source_count; i++)
		delta_stats_source_free(set->sources[i]);
	mr_map_release(&set->tuples);
	mr_map_release(&set->word_ids);
	mr_buf_release(&set->packed);
	arena_release(&set->arena);
	free(set);
}

/* Chunk k holds the 256 << k entries from 256 * (2^k - 1) on. */
static size_t chunk_of(size_t index, size_t *offset)
{
	size_t n = index / FILE_CHUNK_FIRST + 1;
	size_t chunk = 63 - (size_t)__builtin_clzll(n);
	*offset = index - FILE_CHUNK_FIRST * (((size_t)1 << chunk) - 1);
	return chunk;
}

struct file_entry *delta_file_set_at(const struct file_set *set, size_t index)
{
	size_t offset, chunk = chunk_of(index, &offset);
	return &set->chunks[chunk][offset];
}

struct file_entry *delta_file_set_add(struct file_set *set)
{
	size_t offset, chunk = chunk_of(set->count, &offset);
	MR_ASSERT(chunk < FILE_CHUNKS && set->count < SLOT_GONE - 1);
	if (!set->chunks[chunk]) /* pages that are not touched cost nothing */
		set->chunks[chunk] = mr_calloc((size_t)FILE_CHUNK_FIRST << chunk, sizeof *set->chunks[chunk]);
	struct file_entry *entry = &set->chunks[chunk][offset];
	set->count++;
	entry->removed = VERSION_NEVER;
	return entry;
}

mr_str delta_file_set_text(struct file_set *set, mr_str text)
{
	if (text.len >= TEXT_BLOCK / 4)
		return arena_copy(&set->arena, text);
	if (set->text_left <= text.len) {
		set->text = arena_alloc(&set->arena, TEXT_BLOCK);
		set->text_left = TEXT_BLOCK;
	}
	char *copy = set->text;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	set->text += text.len + 1;
	set->text_left -= text.len + 1;
	return mr_str_n(copy, text.len);
}

/* ---- partition values ---- */

static bool same_tuple(const mr_str *a, const mr_str *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!mr_str_eq(a[i], b[i]))
			return false;
	return true;
}

mr_str *delta_file_set_tuple(struct file_set *set, const mr_str *values, size_t count)
{
	/* Neighbours in the log mostly share a partition. */
	if (set->last_tuple && same_tuple(set->last_tuple, values, count))
		return (mr_str *)(uintptr_t)set->last_tuple;
	struct mr_buf key = {0};
	for (size_t i = 0; i < count; i++) {
		mr_buf_append(&key, &values[i].len, sizeof values[i].len);
		mr_buf_str(&key, values[i]);
	}
	mr_str *tuple = mr_map_get(&set->tuples, mr_buf_view(&key));
	if (!tuple) {
		tuple = arena_calloc(&set->arena, count, sizeof *tuple);
		for (size_t i = 0; i < count; i++)
			if (values[i].len)
				tuple[i] = arena_copy(&set->arena, values[i]);
		mr_map_put(&set->tuples, mr_buf_view(&key), tuple);
	}
	mr_buf_release(&key);
	set->last_tuple = tuple;
	return tuple;
}

struct file_entry *delta_file_cursor_next(struct file_cursor *cursor)
{
	return cursor->at == cursor->count ? NULL : delta_file_set_at(cursor->set, cursor->at++);
}

/* ---- by path ---- */

void delta_live_release(struct live_files *live)
{
	free(live->slots);
	*live = (struct live_files){0};
}

/* Seeded as base/map.h's; eight bytes at a time, since a million paths pass through here. */
static uint32_t path_hash(mr_str path)
{
	uint64_t h = mr_hash(MR_STR("")) ^ path.len, word;
	size_t i = 0;
	for (; i + sizeof word <= path.len; i += sizeof word) {
		memcpy(&word, path.ptr + i, sizeof word);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	word = 0;
	if (i < path.len)
		memcpy(&word, path.ptr + i, path.len - i);
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

/* The packed path's slot, or the free one where the search ends. */
static struct live_slot *find_slot(const struct live_files *live, const struct file_set *set, mr_str path,
				   uint32_t hash)
{
	size_t mask = live->slot_count - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct live_slot *slot = &live->slots[i];
		if (!slot->index ||
		    (slot->hash == hash && slot->index != SLOT_GONE &&
		     mr_str_eq(delta_file_packed(delta_file_set_at(set, slot->index - 1)), path)))
			return slot;
	}
}

void delta_live_reserve(struct live_files *live, size_t files)
{
	struct live_files bigger = {.slot_count = 64};
	while (bigger.slot_count * 3 < mr_max_size(files, live->len) * 4 + 4)
		bigger.slot_count *= 2;
	bigger.slots = mr_calloc(bigger.slot_count, sizeof *bigger.slots);
	size_t mask = bigger.slot_count - 1;
	for (size_t i = 0; i < live->slot_count; i++) {
		if (!live->slots[i].index || live->slots[i].index == SLOT_GONE)
			continue;
		size_t at = live->slots[i].hash & mask;
		while (bigger.slots[at].index)
			at = (at + 1) & mask;
		bigger.slots[at] = live->slots[i];
	}
	bigger.used = bigger.len = live->len;
	free(live->slots);
	*live = bigger;
}

static struct file_entry *get_packed(const struct live_files *live, const struct file_set *set, mr_str packed)
{
	struct live_slot *slot = find_slot(live, set, packed, path_hash(packed));
	return slot->index ? delta_file_set_at(set, slot->index - 1) : NULL;
}

struct file_entry *delta_live_get(const struct live_files *live, struct file_set *set, mr_str path)
{
	mr_str packed;
	return live->len && delta_path_pack(set, path, false, &packed) ? get_packed(live, set, packed) : NULL;
}

struct file_entry *delta_live_same(const struct live_files *live, const struct file_set *set,
				   const struct file_entry *entry)
{
	return live->len ? get_packed(live, set, delta_file_packed(entry)) : NULL;
}

void delta_live_expect(const struct live_files *live, const struct file_entry *entry)
{
	if (live->slot_count)
		__builtin_prefetch(
		    &live->slots[path_hash(delta_file_packed(entry)) & (live->slot_count - 1)]);
}

struct file_entry *delta_live_put(struct live_files *live, const struct file_set *set, size_t index)
{
	if ((live->used + 1) * 4 > live->slot_count * 3)
		delta_live_reserve(live, live->len * 2);
	mr_str path = delta_file_packed(delta_file_set_at(set, index));
	uint32_t hash = path_hash(path);
	struct live_slot *slot = find_slot(live, set, path, hash);
	struct file_entry *before = slot->index ? delta_file_set_at(set, slot->index - 1) : NULL;
	live->used += !before;
	live->len += !before;
	*slot = (struct live_slot){(uint32_t)index + 1, hash};
	return before;
}

void delta_live_remove(struct live_files *live, const struct file_set *set, const struct file_entry *entry)
{
	if (!live->len)
		return;
	mr_str path = delta_file_packed(entry);
	struct live_slot *slot = find_slot(live, set, path, path_hash(path));
	if (!slot->index)
		return;
	slot->index = SLOT_GONE;
	live->len--;
}
