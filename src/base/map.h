/* base/map.h - a hash map from byte strings to pointers.
 *
 * Keys are copied in; values are the caller's. Open addressing, FNV-1a seeded per
 * process against crafted collisions. Iteration is in insertion order. Not locked.
 */
#pragma once

#include "base/types.h"

struct mr_map_entry {
	char *key; /* NUL-terminated copy; NULL when removed */
	size_t key_len;
	uint64_t hash;
	void *value;
};

struct mr_map {
	struct mr_map_entry *entries; /* in insertion order */
	size_t used;                  /* entries filled, removed ones included */
	size_t len;                   /* live entries */
	size_t cap;
	uint32_t *slots; /* index + 1 into entries; 0 is free */
	size_t slot_count;
};

void mr_map_release(struct mr_map *map); /* zero-initialised is an empty map */

void *mr_map_get(const struct mr_map *map, mr_str key); /* NULL when absent */
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *mr_map_put(struct mr_map *map, mr_str key, void *value);
void *mr_map_remove(struct mr_map *map, mr_str key);

#define mr_map_each(map, entry) \
	for (struct mr_map_entry *entry = (map)->entries; entry && entry < (map)->entries + (map)->used; \
	     entry++) \
		if (entry->key)

uint64_t mr_hash(mr_str s); /* the seeded hash, for other tables */
