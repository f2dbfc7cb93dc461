#include "base/map.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/random.h>

static uint64_t hash_seed;

static __attribute__((constructor)) void hash_seed_init(void)
{
	if (getrandom(&hash_seed, sizeof hash_seed, GRND_NONBLOCK) != (ssize_t)sizeof hash_seed)
		hash_seed = (uint64_t)(uintptr_t)&hash_seed;
}

uint64_t mr_hash(mr_str s)
{
	uint64_t h = 0xcbf29ce484222325u ^ hash_seed;
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * 0x100000001b3u;
	return h ^ (h >> 29);
}

static uint32_t *slot_find(const struct mr_map *map, mr_str key, uint64_t hash)
{
	size_t mask = map->slot_count - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		uint32_t *slot = &map->slots[i];
		if (*slot == 0)
			return slot;
		struct mr_map_entry *e = &map->entries[*slot - 1];
		if (e->key && e->hash == hash && mr_str_eq(mr_str_n(e->key, e->key_len), key))
			return slot;
	}
}

/* Rebuild the slots and squeeze removed entries out. */
static void map_rebuild(struct mr_map *map)
{
	size_t live = 0;
	for (size_t i = 0; i < map->used; i++) {
		if (map->entries[i].key)
			map->entries[live++] = map->entries[i];
	}
	map->used = live;
	size_t slot_count = 16;
	while (slot_count < (live + 1) * 2)
		slot_count *= 2;
	free(map->slots);
	map->slots = mr_calloc(slot_count, sizeof *map->slots);
	map->slot_count = slot_count;
	size_t mask = slot_count - 1;
	for (size_t i = 0; i < live; i++) {
		size_t at = map->entries[i].hash & mask;
		while (map->slots[at])
			at = (at + 1) & mask;
		map->slots[at] = (uint32_t)i + 1;
	}
}

void *mr_map_get(const struct mr_map *map, mr_str key)
{
	if (map->len == 0)
		return NULL;
	uint32_t *slot = slot_find(map, key, mr_hash(key));
	return *slot ? map->entries[*slot - 1].value : NULL;
}

void *mr_map_put(struct mr_map *map, mr_str key, void *value)
{
	if (map->slot_count == 0 || (map->used + 1) * 2 > map->slot_count)
		map_rebuild(map);
	uint64_t hash = mr_hash(key);
	uint32_t *slot = slot_find(map, key, hash);
	if (*slot) {
		struct mr_map_entry *e = &map->entries[*slot - 1];
		void *old = e->value;
		e->value = value;
		return old;
	}
	if (map->used == map->cap) {
		map->cap = map->cap ? map->cap * 2 : 8;
		map->entries = mr_realloc(map->entries, map->cap * sizeof *map->entries);
	}
	map->entries[map->used++] = (struct mr_map_entry){mr_strndup(key), key.len, hash, value};
	map->len++;
	*slot = (uint32_t)map->used;
	return NULL;
}

void *mr_map_remove(struct mr_map *map, mr_str key)
{
	if (map->len == 0)
		return NULL;
	uint32_t *slot = slot_find(map, key, mr_hash(key));
	if (!*slot)
		return NULL;
	/* The slot keeps pointing at the dead entry: probing must not stop here. */
	struct mr_map_entry *e = &map->entries[*slot - 1];
	void *old = e->value;
	free(e->key);
	*e = (struct mr_map_entry){0};
	map->len--;
	return old;
}

void mr_map_release(struct mr_map *map)
{
	mr_map_each (map, e)
		free(e->key);
	free(map->entries);
	free(map->slots);
	*map = (struct mr_map){0};
}
