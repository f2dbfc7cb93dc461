#include "dag/heap.h"

#include "base/error.h"

static void put(struct heap *heap, size_t at, struct heap_entry *entry)
{
	heap->items.items[at] = entry;
	entry->index = at + 1;
}

static void sift_up(struct heap *heap, size_t at, struct heap_entry *entry)
{
	while (at > 0 && heap->before(entry, heap->items.items[(at - 1) / 2])) {
		put(heap, at, heap->items.items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(heap, at, entry);
}

static void sift_down(struct heap *heap, size_t at, struct heap_entry *entry)
{
	for (size_t child; (child = at * 2 + 1) < heap->items.len; at = child) {
		struct heap_entry **items = heap->items.items;
		if (child + 1 < heap->items.len && heap->before(items[child + 1], items[child]))
			child++;
		if (!heap->before(items[child], entry))
			break;
		put(heap, at, items[child]);
	}
	put(heap, at, entry);
}

void heap_add(struct heap *heap, struct heap_entry *entry)
{
	MR_ASSERT(!heap_holds(entry));
	mr_vec_push(&heap->items, entry);
	sift_up(heap, heap->items.len - 1, entry);
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
	size_t at = entry->index - 1;
	MR_ASSERT(at < heap->items.len && heap->items.items[at] == entry);
	struct heap_entry *last = heap->items.items[--heap->items.len];
	entry->index = 0;
	if (last == entry)
		return;
	/* The last one fills the gap: it may belong above or below. */
	sift_down(heap, at, last);
	sift_up(heap, last->index - 1, last);
}

void heap_release(struct heap *heap)
{
	mr_vec_release(&heap->items);
}
