/* base/mem.h - allocation that does not fail, and the arena.
 *
 * Out of memory ends the process with a message: sizes that come from outside pass
 * a limit before they reach here, so a failure is the machine's, not the input's.
 *
 * An arena hands out memory that lives until arena_reset or arena_release: one per
 * request, batch or query. Not locked; one thread at a time.
 */
#pragma once

#include "base/types.h"

void *mr_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* not cleared */
void *mr_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mr_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *mr_strdup(const char *s) __attribute__((returns_nonnull));
char *mr_strndup(mr_str s) __attribute__((returns_nonnull)); /* NUL-terminated copy */
char *mr_asprintf(const char *fmt, ...) MR_PRINTF(1, 2) __attribute__((returns_nonnull));

struct arena_block;

struct arena {
	struct arena_block *block; /* the one being filled, linked to the full ones */
	size_t used;
	size_t block_size;
};

/* Zero-initialised is valid too: struct arena a = {0}. */
void arena_init(struct arena *arena, size_t block_size);
void arena_release(struct arena *arena); /* frees all; the arena may be used again */
void arena_reset(struct arena *arena);   /* forgets all, keeps one block for reuse */

void *arena_alloc(struct arena *arena, size_t size)
    __attribute__((returns_nonnull)); /* 16-aligned, not cleared */
void *arena_calloc(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));
mr_str arena_copy(struct arena *arena, mr_str s); /* adds a NUL after the copy, not counted */
char *arena_strdup(struct arena *arena, const char *s);
mr_str arena_printf(struct arena *arena, const char *fmt, ...) MR_PRINTF(2, 3);
