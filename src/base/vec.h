/* base/vec.h - a typed growable array.
 *
 *   MR_VEC(struct thing) things = {0};
 *   mr_vec_push(&things, (struct thing){...});
 *   for (size_t i = 0; i < things.len; i++) use(&things.items[i]);
 *   mr_vec_release(&things);
 */
#pragma once

#include "base/mem.h"

#include <stdlib.h>

#define MR_VEC(type) \
	struct { \
		type *items; \
		size_t len; \
		size_t cap; \
	}

#define mr_vec_reserve(vec, count) \
	((vec)->items = mr_vec_grow((vec)->items, &(vec)->cap, (count), sizeof *(vec)->items))

#define mr_vec_push(vec, ...) \
	do { \
		if ((vec)->len == (vec)->cap) \
			mr_vec_reserve((vec), (vec)->len + 1); \
		(vec)->items[(vec)->len++] = (__VA_ARGS__); \
	} while (0)

#define mr_vec_remove(vec, index) \
	(memmove(&(vec)->items[index], &(vec)->items[(index) + 1], \
		 ((vec)->len - (index)-1) * sizeof *(vec)->items), \
	 (void)(vec)->len--)

#define mr_vec_release(vec) (free((vec)->items), (vec)->items = NULL, (vec)->len = (vec)->cap = 0)

static inline void *mr_vec_grow(void *items, size_t *cap, size_t count, size_t item_size)
{
	if (count <= *cap)
		return items;
	size_t want = mr_max_size(*cap * 2, mr_max_size(count, 8));
	*cap = want;
	return mr_realloc(items, want * item_size);
}
