/* conf/options.h - the keys a mapping may have, as a table, and one walker that fills a struct
 * from it. Documentation is written from the same tables (options_document).
 *
 * A default is written as the user would write it and goes through the same parser, so what
 * the documentation says is what the program does. Errors carry file:line:column, the dotted
 * path of the key and, for an unknown key or word, the nearest valid one.
 *
 *   static const struct option commit_options[] = {
 *           {.key = "every", .type = OPTION_DURATION, .offset = offsetof(struct x, every_ms),
 *            .preset = "5s", .help = "…"},
 *   };
 *   static const struct option_table commit_table = OPTION_TABLE("commit", struct x, commit_options);
 */
#pragma once

#include "conf/yaml.h"
#include "env/disk.h"

enum option_type {
	OPTION_STR,      /* mr_str */
	OPTION_BOOL,     /* bool: true or false */
	OPTION_INT32,    /* int32_t, within min..max */
	OPTION_INT64,    /* int64_t, within min..max */
	OPTION_SIZE,     /* int64_t bytes, within min..max; `unlimited` is -1 where min is -1 */
	OPTION_SIZE32,   /* the same, in an int32_t */
	OPTION_DURATION, /* int64_t milliseconds; `forever` is -1 where min is -1 */
	OPTION_WORD,     /* mr_str, one of words */
	OPTION_NAMES,    /* mr_str * and a size_t count: a list of names, or one name */
	OPTION_SECTION,  /* a mapping: table's offsets start at this option's */
	OPTION_LIST,     /* array of table->size and a size_t count, from a list */
	OPTION_MAP,      /* the same from a mapping; the key is given to table->check */
	OPTION_CUSTOM,   /* read() does it */
};

struct option_reader {
	struct arena *arena;
	struct mr_disk *disk;
	const char *file;   /* named in errors */
	const char *folder; /* of the project */
};

/* Where a value stands: what read and check functions need for their messages. */
struct option_place {
	struct option_reader *reader;
	const struct yaml_node *node; /* the value */
	const struct yaml_node *key;  /* of an item of a map; else NULL */
	mr_str path;                  /* "topics.logs.partitions" */
};

struct option_table;

struct option {
	const char *key;
	enum option_type type;
	size_t offset;
	size_t count_offset; /* NAMES, LIST, MAP */
	const char *preset;  /* the default; NULL: zero, empty */
	int64_t min, max;    /* both 0: what the type holds, from 0 */
	const char *const *words;
	size_t word_count;
	const struct option_table *table;
	/* CUSTOM: fill `to` (at offset) from place->node. Else, when set: called after the value is
	 * stored, to check it. */
	int (*read)(const struct option_place *place, const struct option *option, void *to,
		    struct mr_error *err);
	const char *shown_type; /* in the documentation; NULL: by type */
	const char *shown_default;
	const char *help;
	bool required;
};

struct option_table {
	const struct option *options;
	size_t count;
	size_t size;      /* of the struct it fills, for LIST and MAP */
	size_t items_max; /* LIST and MAP; 0: 1000 */
	/* After the keys are in; may be NULL. */
	int (*check)(const struct option_place *place, void *item, struct mr_error *err);
	/* A scalar where the mapping would be (`- stop`); NULL: an error. */
	int (*scalar)(const struct option_place *place, void *item, struct mr_error *err);
};

#define OPTION_TABLE(type, array, ...) \
	{ \
		.options = (array), .count = MR_COUNT(array), .size = sizeof(type), __VA_ARGS__ \
	}

/* Fill the struct at `to` (zeroed by the caller) with the defaults, then from node, which may
 * be NULL or null for "all defaults". */
MR_NODISCARD int options_fill(struct option_reader *reader, const struct option_table *table,
			      const struct yaml_node *node, void *to, struct mr_error *err);

/* A failure at a place: sets err->where. Returns MR_ERR_INVALID. */
int option_fail(const struct option_place *place, struct mr_error *err, const char *fmt, ...) MR_PRINTF(3, 4);

/* Tables of every key, default and meaning, as Markdown, appended. */
void options_document(const struct option_table *table, struct mr_buf *out);
