/* delta/partition.c - paths in add.path, and partition values as text and back.
 *
 * add.path is a URI: percent-encoded once, decoded exactly once. Partition values are
 * strings (protocol, "Partition Value Serialization"): NULL and '' both mean null; timestamps
 * are written as 2020-01-01T00:00:00.000000Z and read with a space and without zone too.
 */
#include "delta/internal.h"

#include <ctype.h>

static bool is_plain(unsigned char c)
{
	return isalnum(c) || (c && strchr("-_.~/=", c));
}

void delta_path_encode(struct mr_buf *out, mr_str path)
{
	for (size_t i = 0; i < path.len; i++) {
		if (is_plain((unsigned char)path.ptr[i]))
			mr_buf_char(out, path.ptr[i]);
		else
			mr_buf_printf(out, "%%%02X", (unsigned char)path.ptr[i]);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool has_scheme(mr_str path)
{
	size_t i = 0;
	while (i < path.len && (isalnum((unsigned char)path.ptr[i]) || path.ptr[i] == '+'))
		i++;
	return i > 0 && i < path.len && path.ptr[i] == ':';
}

/* A component ".." would lead out of the table; a NUL would end the name early. */
static bool is_hostile(mr_str path)
{
	if (!path.len || memchr(path.ptr, 0, path.len))
		return true;
	for (size_t at = 0; at <= path.len;) {
		const char *slash = at < path.len ? memchr(path.ptr + at, '/', path.len - at) : NULL;
		size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
		if (end - at == 2 && path.ptr[at] == '.' && path.ptr[at + 1] == '.')
			return true;
		at = end + 1;
	}
	return false;
}

int delta_path_decode(mr_str encoded, struct arena *arena, mr_str *out, struct mr_error *err)
{
	char *to = arena_alloc(arena, encoded.len + 1);
	const char *first = encoded.len ? memchr(encoded.ptr, '%', encoded.len) : NULL;
	size_t len = first ? (size_t)(first - encoded.ptr) : encoded.len; /* most have nothing to decode */
	if (len)
		memcpy(to, encoded.ptr, len);
	for (size_t i = len; i < encoded.len; i++) {
		int high = -1, low = -1;
		if (encoded.ptr[i] == '%' && i + 2 < encoded.len) {
			high = hex_digit(encoded.ptr[i + 1]);
			low = hex_digit(encoded.ptr[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			to[len++] = (char)(high << 4 | low);
			i += 2;
		} else {
			to[len++] = encoded.ptr[i];
		}
	}
	to[len] = 0;
	mr_str path = mr_str_n(to, len);
	if (mr_str_starts(encoded, MR_STR("file:")))
		path = mr_str_tail(path, mr_str_starts(path, MR_STR("file://")) ? 7 : 5);
	else if (len && has_scheme(encoded))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "%.*s is in a store that cannot be read here",
			       (int)mr_min_size(encoded.len, 200), encoded.ptr);
	if (is_hostile(path))
		return mr_fail(err, MR_ERR_CORRUPT, "\"%.*s\" is not a path below the table",
			       (int)mr_min_size(encoded.len, 200), encoded.ptr ? encoded.ptr : "");
	*out = path;
	return 0;
}

void delta_partition_text_sql(struct mr_buf *out, const struct column_def *def, mr_str expression)
{
	static const struct {
		enum column_type type;
		const char *before, *after;
	} forms[] = {
	    {COL_TIMESTAMP, "strftime(timezone('UTC', ", "), '%Y-%m-%dT%H:%M:%S.%fZ')"},
	    {COL_TIMESTAMP_NTZ, "strftime(", ", '%Y-%m-%d %H:%M:%S.%f')"},
	    {COL_BINARY, "decode(", ")"},
	};
	const char *before = "CAST(", *after = " AS VARCHAR)";
	for (size_t i = 0; i < MR_COUNT(forms); i++)
		if (forms[i].type == def->type)
			before = forms[i].before, after = forms[i].after;
	mr_buf_cstr(out, before);
	mr_buf_str(out, expression);
	mr_buf_cstr(out, after);
}

void delta_partition_literal_sql(struct mr_buf *out, const struct table_meta *meta, size_t column,
				 mr_str value)
{
	mr_str type = meta->columns[column].sql_type;
	if (!value.len) {
		mr_buf_printf(out, "CAST(NULL AS %.*s)", MR_FMT(type));
		return;
	}
	bool binary = meta->defs[column].type == COL_BINARY;
	mr_buf_cstr(out, binary ? "encode(" : "CAST(");
	sql_quote_literal(out, value);
	if (!binary)
		mr_buf_printf(out, " AS %.*s", MR_FMT(type));
	mr_buf_char(out, ')');
}

int64_t delta_small_files(const struct delta_snapshot *snapshot, int64_t below_bytes)
{
	struct mr_map partitions = {0}; /* the values' shared copy -> how many; NULL is none */
	int64_t small = 0;
	struct file_cursor cursor = file_cursor(snapshot->files, snapshot->entry_count);
	for (struct file_entry *entry; (entry = delta_snapshot_next_file(snapshot, &cursor));) {
		if (entry->size >= below_bytes)
			continue;
		const mr_str *values = entry->partition_values;
		mr_str key = mr_str_n(&values, sizeof values);
		uintptr_t before = (uintptr_t)mr_map_get(&partitions, key);
		small += before == 0 ? 0 : before == 1 ? 2 : 1;
		mr_map_put(&partitions, key, (void *)(before + 1));
	}
	mr_map_release(&partitions);
	return small;
}
