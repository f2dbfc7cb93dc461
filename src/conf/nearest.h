/* conf/nearest.h - the word that somebody probably meant. */
#pragma once

#include "base/types.h"

/* The candidate fewest edits (insert, delete, replace, swap of neighbours; case is free) away
 * from word, or NULL when none is near enough to suggest: one edit in three letters. */
const char *conf_nearest(mr_str word, const char *const *candidates, size_t count);
