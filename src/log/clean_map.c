/* log/clean_map.c - open addressing over keys in one buffer. See the header. */
#include "log/clean_map.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

#define SLOTS_MIN 1024

void clean_map_init(struct clean_map *map, size_t bytes_max)
{
	*map = (struct clean_map){.bytes_max = bytes_max};
}

void clean_map_release(struct clean_map *map)
{
	mr_buf_release(&map->keys);
	free(map->entries);
	free(map->slots);
	*map = (struct clean_map){.bytes_max = map->bytes_max};
}

/* The slot that has the key, or the free one where it belongs. */
static size_t find_slot(const struct clean_map *map, mr_str key, uint32_t hash)
{
	size_t at = hash & (map->slot_count - 1);
	for (;; at = (at + 1) & (map->slot_count - 1)) {
		if (map->slots[at] == 0)
			return at;
		const struct clean_map_entry *entry = &map->entries[map->slots[at] - 1];
		if (entry->hash == hash && entry->len == key.len &&
		    memcmp(map->keys.ptr + entry->at, key.ptr, key.len) == 0)
			return at;
	}
}

static void grow(struct clean_map *map)
{
	map->slot_count = mr_max_size(SLOTS_MIN, map->slot_count * 2);
	map->cap = map->slot_count / 2;
	map->entries = mr_realloc(map->entries, map->cap * sizeof *map->entries);
	free(map->slots);
	map->slots = mr_calloc(map->slot_count, sizeof *map->slots);
	for (size_t i = 0; i < map->count; i++) {
		const struct clean_map_entry *entry = &map->entries[i];
		mr_str key = {map->keys.ptr + entry->at, entry->len};
		map->slots[find_slot(map, key, entry->hash)] = (uint32_t)i + 1;
	}
}

static size_t memory_after(const struct clean_map *map, mr_str key)
{
	size_t slots =
	    map->count + 1 > map->cap ? mr_max_size(SLOTS_MIN, map->slot_count * 2) : map->slot_count;
	return map->keys.len + key.len + slots * sizeof *map->slots + slots / 2 * sizeof *map->entries;
}

bool clean_map_put(struct clean_map *map, mr_str key, int64_t offset)
{
	uint32_t hash = (uint32_t)mr_hash(key);
	if (map->count > 0) {
		size_t slot = find_slot(map, key, hash);
		if (map->slots[slot]) {
			map->entries[map->slots[slot] - 1].offset = offset;
			return true;
		}
	}
	/* The first key always fits, or a large one would stop the cleaner for good. */
	if (map->count > 0 && memory_after(map, key) > map->bytes_max)
		return false;
	if (map->count == map->cap)
		grow(map);
	map->slots[find_slot(map, key, hash)] = (uint32_t)map->count + 1;
	map->entries[map->count++] = (struct clean_map_entry){map->keys.len, (uint32_t)key.len, hash, offset};
	mr_buf_str(&map->keys, key);
	return true;
}

int64_t clean_map_get(const struct clean_map *map, mr_str key)
{
	if (map->count == 0)
		return -1;
	size_t slot = find_slot(map, key, (uint32_t)mr_hash(key));
	return map->slots[slot] ? map->entries[map->slots[slot] - 1].offset : -1;
}
