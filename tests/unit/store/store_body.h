/* The body that every kind of store passes: what store/store.h promises, one check after the other. */
#pragma once

#include "store/store.h"

/* Everything below prefix ("" or "x/") is the test's. */
void store_body(const struct env *env, struct store *store, const char *prefix);
/* Eight threads put the same 40 keys if absent; each key has exactly one winner, whose bytes are there. */
void store_race_body(struct store *store, const char *prefix);
