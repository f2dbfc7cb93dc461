/* delta/validate_checks.h - between the files of validate.c: what a check sees, and the tables of checks,
 * one a subject. A check returns negative, with what is wrong, or 0. */
#pragma once

#include "delta/internal.h"

struct id_range {
	int64_t from, to; /* the last one too */
};

struct validation {
	const struct delta_log_state *before;
	struct json_parser *inner;             /* for JSON inside of strings */
	const struct table_protocol *protocol; /* that the version has */
	struct table_meta *meta;
	struct table_protocol listed; /* the commit's own protocol, if new_protocol */
	size_t protocols, metas;
	size_t actions, infos; /* so far */
	bool info_first;
	int64_t commit_ms;             /* its in-commit timestamp; -1 */
	int64_t mark_before, mark;     /* the highest row id that was given, and will be */
	MR_VEC(struct id_range) fresh; /* ids that files got above mark_before */
	struct arena arena;
	struct mr_map adds, removes, domains, apps; /* keys: decoded paths, names; values: struct seen */
};

struct seen {
	bool has_dv;
	struct delta_dv dv;
};

static inline const struct delta_dv *seen_dv(const struct seen *seen)
{
	return seen->has_dv ? &seen->dv : NULL;
}

static inline const struct delta_dv *action_dv(const struct action_file *file)
{
	return file->has_dv ? &file->dv : NULL;
}

static inline bool validation_has(const struct validation *v, const char *feature)
{
	return delta_protocol_has(v->protocol, feature);
}

static inline bool validation_property_is(const struct validation *v, const char *key, const char *value)
{
	return mr_str_is(delta_meta_property(v->meta, key), value);
}

/* NULL when the key is new. */
struct seen *validation_note(struct validation *v, struct mr_map *map, mr_str key,
			     const struct action_file *file);

/* ---- the tables ---- */

#define KIND(kind) (1u << (kind))

struct action_check { /* of each action of these kinds */
	const char *name;
	unsigned kinds;
	int (*fn)(struct validation *v, const struct action *action, struct mr_error *err);
};

struct commit_check { /* of the commit as a whole, when its actions passed */
	const char *name;
	int (*fn)(struct validation *v, struct mr_error *err);
};

struct check_tables {
	const struct action_check *actions;
	size_t action_count;
	const struct commit_check *commits;
	size_t commit_count;
};

extern const struct check_tables delta_metadata_checks; /* validate_metadata.c */
extern const struct check_tables delta_file_checks;     /* validate_files.c */
