#include "base/mem.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BLOCK_DEFAULT (16u * 1024)

static MR_NORETURN void out_of_memory(size_t size)
{
	fprintf(stderr, "millrace: out of memory (asked for %zu bytes)\n", size);
	abort();
}

void *mr_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

void *mr_calloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

void *mr_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

char *mr_strndup(mr_str s)
{
	char *p = mr_alloc(s.len + 1);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	p[s.len] = 0;
	return p;
}

char *mr_strdup(const char *s)
{
	return mr_strndup(mr_str_from(s));
}

char *mr_asprintf(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	MR_ASSERT(n >= 0);
	char *p = mr_alloc((size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, args);
	va_end(args);
	return p;
}

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) char bytes[];
};

void arena_init(struct arena *arena, size_t block_size)
{
	*arena = (struct arena){.block_size = block_size};
}

static void blocks_free(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_release(struct arena *arena)
{
	blocks_free(arena->block);
	arena->block = NULL;
	arena->used = 0;
}

void arena_reset(struct arena *arena)
{
	if (!arena->block)
		return;
	blocks_free(arena->block->next);
	arena->block->next = NULL;
	arena->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t need = (size + 15) & ~(size_t)15;
	MR_ASSERT(need >= size);
	if (!arena->block || arena->block->size - arena->used < need) {
		size_t usual = arena->block_size ? arena->block_size : ARENA_BLOCK_DEFAULT;
		size_t block_size = mr_max_size(need, usual);
		struct arena_block *block = mr_alloc(sizeof *block + block_size);
		block->size = block_size;
		block->next = arena->block;
		arena->block = block;
		arena->used = 0;
	}
	void *p = arena->block->bytes + arena->used;
	arena->used += need;
	return p;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
	size_t total;
	MR_ASSERT(!__builtin_mul_overflow(count, size, &total));
	return memset(arena_alloc(arena, total), 0, total);
}

mr_str arena_copy(struct arena *arena, mr_str s)
{
	char *p = arena_alloc(arena, s.len + 1);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	p[s.len] = 0;
	return (mr_str){p, s.len};
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return (char *)arena_copy(arena, mr_str_from(s)).ptr;
}

mr_str arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	MR_ASSERT(n >= 0);
	char *p = arena_alloc(arena, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, args);
	va_end(args);
	return (mr_str){p, (size_t)n};
}
