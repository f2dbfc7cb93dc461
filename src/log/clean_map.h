/* log/clean_map.h - the last offset of each key, in bounded memory: what compaction goes by.
 *
 * Keys are kept as they are, so two keys are never taken for one. Memory: the keys, 16 bytes each
 * and a slot; clean_map_put refuses a key when that would pass the limit, and the cleaner then
 * cleans up to there and goes on another time.
 *
 * Not locked.
 */
#pragma once

#include "base/buf.h"
#include "base/types.h"

struct clean_map_entry {
	uint64_t at; /* in keys */
	uint32_t len;
	uint32_t hash;
	int64_t offset;
};

struct clean_map {
	struct mr_buf keys;
	struct clean_map_entry *entries;
	size_t count, cap;
	uint32_t *slots; /* index + 1; 0 is free */
	size_t slot_count;
	size_t bytes_max;
};

void clean_map_init(struct clean_map *map, size_t bytes_max);
void clean_map_release(struct clean_map *map);
bool clean_map_put(struct clean_map *map, mr_str key, int64_t offset); /* false: it is full */
int64_t clean_map_get(const struct clean_map *map, mr_str key);        /* -1 when absent */
