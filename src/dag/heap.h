/* dag/heap.h - a binary heap of entries that sit in their owners: O(log n) to add, take the first,
 * and remove from the middle. Not locked. */
#pragma once

#include "base/vec.h"

struct heap_entry {
	size_t index; /* plus one; 0: in no heap */
};

struct heap {
	MR_VEC(struct heap_entry *) items;
	bool (*before)(const struct heap_entry *a, const struct heap_entry *b);
};

static inline bool heap_holds(const struct heap_entry *entry)
{
	return entry->index != 0;
}

static inline struct heap_entry *heap_first(const struct heap *heap)
{
	return heap->items.len ? heap->items.items[0] : NULL;
}

void heap_add(struct heap *heap, struct heap_entry *entry); /* entry is in none */
void heap_remove(struct heap *heap, struct heap_entry *entry);
void heap_release(struct heap *heap); /* the entries are their owners' */
