/* conf/nearest.c - optimal string alignment distance over three rows. */
#include "conf/nearest.h"

#include <ctype.h>

#define WORD_MAX 64

static size_t least(size_t a, size_t b, size_t c)
{
	return mr_min_size(a, mr_min_size(b, c));
}

static char folded(mr_str s, size_t i)
{
	return (char)tolower((unsigned char)s.ptr[i]);
}

static size_t distance(mr_str a, mr_str b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= b.len; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			char x = folded(a, i - 1), y = folded(b, j - 1);
			now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == folded(b, j - 2) && folded(a, i - 2) == y)
				now[j] = mr_min_size(now[j], before[j - 2] + 1);
		}
		size_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b.len];
}

const char *conf_nearest(mr_str word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;
	if (word.len == 0 || word.len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		mr_str candidate = mr_str_from(candidates[i]);
		if (candidate.len == 0 || candidate.len > WORD_MAX)
			continue;
		size_t edits = distance(word, candidate);
		size_t allowed = mr_max_size(1, mr_max_size(word.len, candidate.len) / 3);
		if (edits <= allowed && edits < best_distance) {
			best = candidates[i];
			best_distance = edits;
		}
	}
	return best;
}
