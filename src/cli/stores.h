/* cli/stores.h - the real environment, with object stores among its folders (store/mount.h).
 *
 * The mirror: MILLRACE_CACHE, or millrace below XDG_CACHE_HOME, or ~/.cache/millrace; MILLRACE_CACHE_BYTES of
 * it at most (10 GB). Nothing is made or read before a table of a store is named. */
#pragma once

#include "env/env.h"

struct stores {
	struct env env; /* to be given to who opens tables */
	char *root;
};

/* Not to be moved afterwards. */
void stores_init(struct stores *stores);
void stores_release(struct stores *stores); /* zeroed is fine; tables are closed */
