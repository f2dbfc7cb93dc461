/* env/library.h - shared libraries that are loaded at their first use.
 *
 * DuckDB's 38,000 relocations and the 28 libraries behind libcurl (libpq brings eight of them too) took two
 * thirds of the time from exec to ready, in a server that may never need either. tools/lazy_library.py
 * writes, for such a library, a struct of pointers to the functions that our sources call, and the names that
 * fill it; callers call functions as ever, after NAME_load().
 *
 * A library is looked for where the program's own are (its run path, LD_LIBRARY_PATH, the system's folders)
 * and is never unloaded: its threads and thread-local destructors may outlive any owner.
 *
 * Threading: library_load() may be called by any thread; a call through the pointers is ordered after the
 * library_load() that its thread, or the maker of its object, made.
 */
#pragma once

#include "base/error.h"

#include <pthread.h>

struct library {
	const char *file; /* "libcurl.so.4" */
	const char *const *names;
	size_t count;
	void *calls; /* `count` function pointers, in the order of `names` */
	pthread_mutex_t lock;
	bool loaded; /* under the lock */
};

#define LIBRARY_INIT(file_, names_, calls_) \
	{ \
		.file = (file_), .names = (names_), .count = MR_COUNT(names_), .calls = (calls_), \
		.lock = PTHREAD_MUTEX_INITIALIZER, \
	}

/* 0 when every function has its pointer; MR_ERR_UNAVAILABLE: the library is not there or lacks one of them,
 * with the way out as a hint. A failure is not remembered: a library put in place later is found. */
MR_NODISCARD int library_load(struct library *library, struct mr_error *err);
