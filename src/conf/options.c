#include "conf/options.h"

#include "conf/nearest.h"
#include "conf/units.h"

#include <stdarg.h>
#include <stdio.h>

#define ITEMS_MAX_USUAL 1000
#define SHOWN_MAX 60 /* bytes of a bad value that a message repeats */

static int fill(const struct option_place *place, const struct option_table *table, char *to,
		struct mr_error *err);

int option_fail(const struct option_place *place, struct mr_error *err, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	mr_fail(err, MR_ERR_INVALID, "%s", text);
	mr_error_where(err, place->reader->file, place->node->line, place->node->column);
	return MR_ERR_INVALID;
}

static const char *path_or_file(mr_str path)
{
	return path.len ? path.ptr : "the project file";
}

static int fail_expected(const struct option_place *place, const char *what, struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	if (node->kind == YAML_SCALAR && !yaml_is_null(node))
		return option_fail(place, err, "%s: expected %s, got '%.*s'", path_or_file(place->path), what,
				   (int)mr_min_size(node->text.len, SHOWN_MAX), node->text.ptr);
	return option_fail(place, err, "%s: expected %s, got %s", path_or_file(place->path), what,
			   yaml_kind_name(node));
}

/* ---- scalars ---- */

static int check_range(const struct option_place *place, const struct option *option, int64_t n,
		       struct mr_error *err)
{
	bool bounded = option->min || option->max;
	int64_t least = option->min, most = bounded ? option->max : INT64_MAX;
	bool narrow = option->type == OPTION_INT32 || option->type == OPTION_SIZE32;
	if (narrow)
		most = mr_min_i64(most, INT32_MAX);
	if (n >= least && n <= most)
		return 0;
	const char *unit = option->type == OPTION_DURATION                                ? " ms"
			   : option->type == OPTION_SIZE || option->type == OPTION_SIZE32 ? " bytes"
											  : "";
	if (most == INT64_MAX)
		return option_fail(place, err, "%s: '%.*s' is less than %lld%s", place->path.ptr,
				   MR_FMT(place->node->text), (long long)least, unit);
	return option_fail(place, err, "%s: '%.*s' is not between %lld and %lld%s", place->path.ptr,
			   MR_FMT(place->node->text), (long long)least, (long long)most, unit);
}

static bool parse_whole(mr_str text, int64_t *out)
{
	bool minus = text.len && text.ptr[0] == '-';
	int64_t n = 0;
	size_t i = minus ? 1 : 0;
	if (i == text.len)
		return false;
	for (; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, text.ptr[i] - '0', &n))
			return false;
	}
	*out = minus ? -n : n;
	return true;
}

/* The number a scalar stands for, in the option's unit. */
static int read_number(const struct option_place *place, const struct option *option, int64_t *out,
		       struct mr_error *err)
{
	mr_str text = place->node->text;
	bool is_size = option->type == OPTION_SIZE || option->type == OPTION_SIZE32;
	bool is_duration = option->type == OPTION_DURATION;
	const char *boundless = is_size ? "unlimited" : "forever";
	const char *what = is_size       ? "a size such as 128MiB"
			   : is_duration ? "a duration such as 5s or 7d"
					 : "a whole number";
	if ((is_size || is_duration) && option->min == -1 && mr_str_is(text, boundless)) {
		*out = -1;
		return 0;
	}
	bool good = is_size       ? conf_parse_size(text, out, NULL) == 0
		    : is_duration ? conf_parse_duration(text, out, NULL) == 0
				  : parse_whole(text, out);
	if (good)
		return check_range(place, option, *out, err);
	int64_t n;
	int rc = fail_expected(place, what, err);
	if (is_duration && parse_whole(text, &n))
		mr_hint(err, "a duration needs its unit: ms, s, m, h, d or w");
	else if ((is_size || is_duration) && option->min == -1)
		mr_hint(err, "or '%s'", boundless);
	return rc;
}

static int read_word(const struct option_place *place, const struct option *option, struct mr_error *err)
{
	mr_str word = place->node->text, list = MR_STR("");
	for (size_t i = 0; i < option->word_count; i++)
		if (mr_str_is(word, option->words[i]))
			return 0;
	for (size_t i = 0; i < option->word_count; i++)
		list =
		    arena_printf(place->reader->arena, "%s%s%s", list.ptr, i ? ", " : "", option->words[i]);
	int rc = option_fail(place, err, "%s: '%.*s' is not one of %s", place->path.ptr,
			     (int)mr_min_size(word.len, SHOWN_MAX), word.ptr, list.ptr);
	const char *near = conf_nearest(word, option->words, option->word_count);
	if (near)
		mr_hint(err, "did you mean '%s'?", near);
	return rc;
}

static int read_bool(const struct option_place *place, bool *to, struct mr_error *err)
{
	bool yes = mr_str_is(place->node->text, "true");
	if (!yes && !mr_str_is(place->node->text, "false"))
		return fail_expected(place, "true or false", err);
	*to = yes;
	return 0;
}

static int check_text(const struct option_place *place, const char *what, struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	if (node->kind != YAML_SCALAR || yaml_is_null(node))
		return fail_expected(place, what, err);
	if (memchr(node->text.ptr, 0, node->text.len))
		return option_fail(place, err, "%s holds a NUL byte", path_or_file(place->path));
	return 0;
}

static int read_scalar(const struct option_place *place, const struct option *option, char *to,
		       struct mr_error *err)
{
	static const char *const wanted[] = {
	    [OPTION_STR] = "a text",
	    [OPTION_BOOL] = "true or false",
	    [OPTION_INT32] = "a whole number",
	    [OPTION_INT64] = "a whole number",
	    [OPTION_SIZE] = "a size such as 128MiB",
	    [OPTION_SIZE32] = "a size such as 128MiB",
	    [OPTION_DURATION] = "a duration such as 5s or 7d",
	    [OPTION_WORD] = "a word",
	};
	int rc = check_text(place, wanted[option->type], err);
	if (rc < 0)
		return rc;
	if (option->type == OPTION_BOOL)
		return read_bool(place, (bool *)to, err);
	if (option->type == OPTION_WORD && (rc = read_word(place, option, err)) < 0)
		return rc;
	if (option->type == OPTION_STR || option->type == OPTION_WORD) {
		memcpy(to, &place->node->text, sizeof(mr_str));
		return 0;
	}
	int64_t n;
	rc = read_number(place, option, &n, err);
	if (rc < 0)
		return rc;
	int32_t narrow = (int32_t)n;
	if (option->type == OPTION_INT32 || option->type == OPTION_SIZE32)
		memcpy(to, &narrow, sizeof narrow);
	else
		memcpy(to, &n, sizeof n);
	return 0;
}

/* ---- collections ---- */

static int read_names(const struct option_place *place, const struct option *option, char *base,
		      struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
	if (node->kind == YAML_MAPPING || yaml_is_null(node))
		return fail_expected(place, "a list of names", err);
	mr_str *names = arena_calloc(place->reader->arena, count + 1, sizeof *names);
	for (size_t i = 0; i < count; i++) {
		struct option_place item = *place;
		item.node = node->kind == YAML_SEQUENCE ? node->items[i] : node;
		int rc = check_text(&item, "a list of names", err);
		if (rc < 0)
			return rc;
		names[i] = item.node->text;
		for (size_t j = 0; j < i; j++)
			if (mr_str_eq(names[i], names[j]))
				return option_fail(&item, err, "%s: '%.*s' is given twice", place->path.ptr,
						   MR_FMT(names[i]));
	}
	memcpy(base + option->offset, &names, sizeof names);
	memcpy(base + option->count_offset, &count, sizeof count);
	return 0;
}

static mr_str item_path(const struct option_place *place, size_t i)
{
	struct arena *arena = place->reader->arena;
	if (place->node->kind == YAML_MAPPING)
		return arena_printf(arena, "%s.%.*s", place->path.ptr, MR_FMT(place->node->keys[i]->text));
	return arena_printf(arena, "%s[%zu]", place->path.ptr, i);
}

static int read_items(const struct option_place *place, const struct option *option, char *base,
		      struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	const struct option_table *table = option->table;
	enum yaml_kind kind = option->type == OPTION_MAP ? YAML_MAPPING : YAML_SEQUENCE;
	if (yaml_is_null(node))
		return 0;
	if (node->kind != kind)
		return fail_expected(place, kind == YAML_MAPPING ? "a mapping" : "a list", err);
	size_t most = table->items_max ? table->items_max : ITEMS_MAX_USUAL;
	if (node->count > most)
		return option_fail(place, err, "%s: %zu entries are more than the %zu allowed",
				   place->path.ptr, node->count, most);
	char *items = arena_calloc(place->reader->arena, node->count + 1, table->size);
	for (size_t i = 0; i < node->count; i++) {
		struct option_place item = {place->reader, node->items[i], NULL, item_path(place, i)};
		if (kind == YAML_MAPPING)
			item.key = node->keys[i];
		int rc = fill(&item, table, items + i * table->size, err);
		if (rc < 0)
			return rc;
	}
	memcpy(base + option->offset, &items, sizeof items);
	memcpy(base + option->count_offset, &node->count, sizeof node->count);
	return 0;
}

/* ---- the walk ---- */

static int read_option(const struct option_place *place, const struct option *option, char *base,
		       struct mr_error *err)
{
	int rc;
	switch (option->type) {
	case OPTION_CUSTOM:
		return option->read(place, option, base + option->offset, err);
	case OPTION_NAMES:
		rc = read_names(place, option, base, err);
		break;
	case OPTION_LIST:
	case OPTION_MAP:
		rc = read_items(place, option, base, err);
		break;
	case OPTION_SECTION:
		rc = fill(place, option->table, base + option->offset, err);
		break;
	default:
		rc = read_scalar(place, option, base + option->offset, err);
	}
	return rc == 0 && option->read ? option->read(place, option, base + option->offset, err) : rc;
}

static void fill_preset(const struct option_place *place, const struct option *option, char *base)
{
	struct mr_error err = {0};
	struct yaml_node node = {.kind = YAML_SCALAR, .plain = true, .text = mr_str_from(option->preset)};
	struct option_place preset = {place->reader, &node, NULL, mr_str_from(option->key)};
	if (option->preset && read_option(&preset, option, base, &err) < 0)
		mr_assert_failed(err.message, __FILE__, __LINE__); /* the table is wrong */
}

static void fill_presets(const struct option_place *place, const struct option_table *table, char *to)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];
		if (option->type == OPTION_SECTION)
			fill_presets(place, option->table, to + option->offset);
		else
			fill_preset(place, option, to);
	}
}

static int fail_unknown(const struct option_place *place, const struct option_table *table,
			const struct yaml_node *key, struct mr_error *err)
{
	const char *names[64];
	MR_ASSERT(table->count <= MR_COUNT(names));
	for (size_t i = 0; i < table->count; i++)
		names[i] = table->options[i].key;
	struct option_place at = *place;
	at.node = key;
	int rc = option_fail(&at, err, "unknown key '%.*s' in %s", (int)mr_min_size(key->text.len, SHOWN_MAX),
			     key->text.ptr, path_or_file(place->path));
	const char *near = conf_nearest(key->text, names, table->count);
	if (near) {
		mr_hint(err, "did you mean '%s'?", near);
		return rc;
	}
	struct mr_buf list = {0};
	for (size_t i = 0; i < table->count; i++)
		mr_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	mr_hint(err, "valid keys: %.200s", mr_buf_view(&list).ptr);
	mr_buf_release(&list);
	return rc;
}

static const struct option *find_option(const struct option_table *table, mr_str key)
{
	for (size_t i = 0; i < table->count; i++)
		if (mr_str_is(key, table->options[i].key))
			return &table->options[i];
	return NULL;
}

static int fill_keys(const struct option_place *place, const struct option_table *table, char *to,
		     struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	for (size_t i = 0; i < node->count; i++) {
		const struct option *option = find_option(table, node->keys[i]->text);
		if (!option)
			return fail_unknown(place, table, node->keys[i], err);
		struct option_place child = {.reader = place->reader, .node = node->items[i]};
		child.path = place->path.len
				 ? arena_printf(place->reader->arena, "%s.%s", place->path.ptr, option->key)
				 : mr_str_from(option->key);
		int rc = read_option(&child, option, to, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < table->count; i++)
		if (table->options[i].required && !yaml_get(node, table->options[i].key))
			return option_fail(place, err, "missing key '%s' in %s", table->options[i].key,
					   path_or_file(place->path));
	return 0;
}

/* A section's defaults were filled with its parent's; an item of a list gets them here. */
static int fill(const struct option_place *place, const struct option_table *table, char *to,
		struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	int rc = 0;
	fill_presets(place, table, to);
	if (node->kind == YAML_SCALAR && !yaml_is_null(node)) {
		if (!table->scalar)
			return fail_expected(place, "a mapping", err);
		rc = table->scalar(place, to, err);
	} else if (node->kind == YAML_SEQUENCE) {
		return fail_expected(place, "a mapping", err);
	} else {
		rc = fill_keys(place, table, to, err);
	}
	return rc == 0 && table->check ? table->check(place, to, err) : rc;
}

int options_fill(struct option_reader *reader, const struct option_table *table, const struct yaml_node *node,
		 void *to, struct mr_error *err)
{
	static const struct yaml_node nothing = {.kind = YAML_SCALAR, .plain = true};
	struct option_place place = {.reader = reader, .node = node ? node : &nothing, .path = MR_STR("")};
	return fill(&place, table, to, err);
}
