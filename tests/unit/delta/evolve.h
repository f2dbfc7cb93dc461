/* tests/unit/delta/evolve.h - tables whose properties change, and the files of their logs. */
#pragma once

#include "delta/delta_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

/* One more property of the table. */
static inline int64_t delta_set_property(struct delta_fixture *f, const char *key, const char *value)
{
	struct delta_snapshot *s = delta_now(f);
	mr_str json = delta_metadata_json(s);
	static const char empty[] = "\"configuration\":{}", open[] = "\"configuration\":{";
	char *text = arena_strdup(&f->arena, arena_copy(&f->arena, json).ptr);
	char *at = strstr(text, open);
	bool is_empty = strncmp(at, empty, sizeof empty - 1) == 0;
	at[sizeof open - 1] = 0;
	const char *rest = mr_str_tail(json, (size_t)(at - text) + sizeof open - 1).ptr;
	struct delta_commit commit = {.operation = "SET TBLPROPERTIES"};
	commit.metadata =
	    arena_printf(&f->arena, "%s\"%s\":\"%s\"%s%s", text, key, value, is_empty ? "" : ",", rest);
	commit.base = s;
	int64_t version;
	CHECK_OK(delta_commit(f->table, &commit, &version, &f->err), f->err);
	delta_snapshot_unref(s);
	return version;
}

static inline char *delta_log_path(const struct delta_fixture *f, int64_t version)
{
	return test_path("%s/_delta_log/%020lld.json", f->path, (long long)version);
}

static inline void delta_set_file_time(const char *path, int64_t ms)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = ms / 1000, .tv_nsec = 0}};
	CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}
