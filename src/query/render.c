/* query/render.c - the formats that go row by row. The box is in render_box.c. */
#include "query/render.h"

#include "codec/json.h"
#include "conf/nearest.h"
#include "query/render_out.h"
#include "query/text_width.h"

#define FLUSH_BYTES ((size_t)64 << 10)

/* ---- output ---- */

int render_flush(struct render_out *out, bool all, struct mr_error *err)
{
	if (out->text.len < FLUSH_BYTES && !(all && out->text.len))
		return 0;
	int rc = out->put(out->arg, mr_buf_view(&out->text));
	mr_buf_clear(&out->text);
	return rc ? mr_fail(err, MR_ERR_CANCELLED, "the output was closed before its end") : 0;
}

static size_t put_escape(struct mr_buf *to, uint32_t c)
{
	static const char names[] = "abtnvfr"; /* of 7 to 13 */
	size_t before = to->len;
	if (c >= 7 && c <= 13)
		mr_buf_printf(to, "\\%c", names[c - 7]);
	else
		mr_buf_printf(to, "\\x%02X", c);
	return to->len - before;
}

bool render_put_plain(struct mr_buf *to, mr_str text, size_t cells)
{
	while (text.len) {
		size_t length, before = to->len;
		uint32_t c = text_decode(text, &length);
		size_t width = (size_t)text_char_width(c);
		/* C0, DEL, C1, and the marks that reorder what is around them. */
		bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
			       (c >= 0x2066 && c <= 0x2069);
		if (control)
			width = put_escape(to, c);
		else if (c == 0xFFFD)
			mr_buf_cstr(to, "\xEF\xBF\xBD");
		else
			mr_buf_append(to, text.ptr, length);
		if (width > cells) {
			to->len = before;
			return false;
		}
		cells -= width;
		text = mr_str_tail(text, length);
	}
	return true;
}

/* ---- one row each ---- */

static void put_csv_text(struct mr_buf *to, mr_str text)
{
	bool quote = text.len == 0;
	for (size_t i = 0; i < text.len && !quote; i++)
		quote = strchr(",\"\n\r", text.ptr[i]) != NULL; /* NUL too: it ends the list */
	if (!quote) {
		mr_buf_str(to, text);
		return;
	}
	mr_buf_char(to, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"')
			mr_buf_char(to, '"');
		mr_buf_char(to, text.ptr[i]);
	}
	mr_buf_char(to, '"');
}

static void put_tsv_text(struct mr_buf *to, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		const char *escape = c == '\t'   ? "\\t"
				     : c == '\n' ? "\\n"
				     : c == '\r' ? "\\r"
				     : c == '\\' ? "\\\\"
						 : NULL;
		if (escape)
			mr_buf_cstr(to, escape);
		else
			mr_buf_char(to, c);
	}
}

static void put_markdown_text(struct mr_buf *to, mr_str text)
{
	while (text.len) {
		const char *bar = memchr(text.ptr, '|', text.len);
		size_t part = bar ? (size_t)(bar - text.ptr) : text.len;
		render_put_plain(to, mr_str_n(text.ptr, part), SIZE_MAX);
		if (bar)
			mr_buf_cstr(to, "\\|");
		text = mr_str_tail(text, part + (bar ? 1 : 0));
	}
}

/* How a format of rows and columns is punctuated. */
struct row_style {
	const char *begin, *between, *end, *null;
	void (*put_text)(struct mr_buf *to, mr_str text);
};

static const struct row_style row_styles[] = {
    [RENDER_CSV] = {"", ",", "\n", "", put_csv_text},
    [RENDER_TSV] = {"", "\t", "\n", "", put_tsv_text},
    [RENDER_MARKDOWN] = {"| ", " | ", " |\n", "", put_markdown_text},
};

static void put_header(struct sql_result *result, const struct row_style *style, struct mr_buf *to)
{
	size_t columns = sql_column_count(result);
	for (size_t i = 0; i < columns; i++) {
		mr_buf_cstr(to, i ? style->between : style->begin);
		style->put_text(to, sql_column_name(result, i));
	}
	mr_buf_cstr(to, style->end);
	if (style->put_text != put_markdown_text)
		return;
	for (size_t i = 0; i < columns; i++)
		mr_buf_cstr(to, sql_column_is_number(result, i) ? "|--:" : "|---");
	mr_buf_cstr(to, "|\n");
}

static void put_row(struct sql_result *result, const struct row_style *style, struct mr_buf *to)
{
	size_t columns = sql_column_count(result);
	for (size_t i = 0; i < columns; i++) {
		mr_buf_cstr(to, i ? style->between : style->begin);
		if (sql_is_null(result, i))
			mr_buf_cstr(to, style->null);
		else
			style->put_text(to, sql_text(result, i));
	}
	mr_buf_cstr(to, style->end);
}

static int render_rows(struct sql_result *result, const struct row_style *style, struct render_out *out,
		       struct mr_error *err)
{
	int rc;
	put_header(result, style, &out->text);
	while ((rc = sql_next(result, err)) > 0) {
		put_row(result, style, &out->text);
		if ((rc = render_flush(out, false, err)) < 0)
			break;
	}
	return rc;
}

static void put_object(struct sql_result *result, struct mr_buf *to)
{
	size_t columns = sql_column_count(result);
	mr_buf_char(to, '{');
	for (size_t i = 0; i < columns; i++) {
		if (i)
			mr_buf_char(to, ',');
		json_quote(to, sql_column_name(result, i));
		mr_buf_char(to, ':');
		sql_put_json(result, i, to);
	}
	mr_buf_char(to, '}');
}

static int render_json(struct sql_result *result, bool array, struct render_out *out, struct mr_error *err)
{
	int rc;
	size_t rows = 0;
	mr_buf_cstr(&out->text, array ? "[" : "");
	while ((rc = sql_next(result, err)) > 0) {
		if (array)
			mr_buf_cstr(&out->text, rows++ ? ",\n" : "");
		put_object(result, &out->text);
		if (!array)
			mr_buf_char(&out->text, '\n');
		if ((rc = render_flush(out, false, err)) < 0)
			return rc;
	}
	mr_buf_cstr(&out->text, array && rc == 0 ? "]\n" : "");
	return rc;
}

/* ---- the door ---- */

static const char *const format_names[] = {
    [RENDER_BOX] = "box",   [RENDER_CSV] = "csv",     [RENDER_TSV] = "tsv",
    [RENDER_JSON] = "json", [RENDER_JSONL] = "jsonl", [RENDER_MARKDOWN] = "markdown",
};

int render_format_parse(mr_str name, enum render_format *out, struct mr_error *err)
{
	for (size_t i = 0; i < MR_COUNT(format_names); i++) {
		if (mr_str_is(name, format_names[i])) {
			*out = (enum render_format)i;
			return 0;
		}
	}
	mr_fail(err, MR_ERR_INVALID, "no output format '%.*s': box, csv, tsv, json, jsonl or markdown",
		(int)mr_min_size(name.len, 40), name.ptr);
	const char *near = conf_nearest(name, format_names, MR_COUNT(format_names));
	if (near)
		mr_hint(err, "did you mean '%s'?", near);
	return MR_ERR_INVALID;
}

int render(struct sql_result *result, const struct render_options *options, render_put_fn put, void *arg,
	   struct mr_error *err)
{
	struct render_out out = {.put = put, .arg = arg};
	int rc;
	switch (options->format) {
	case RENDER_JSON:
	case RENDER_JSONL:
		rc = render_json(result, options->format == RENDER_JSON, &out, err);
		break;
	case RENDER_BOX:
		rc = render_box(result, options, &out, err);
		break;
	default:
		rc = render_rows(result, &row_styles[options->format], &out, err);
	}
	if (rc == 0)
		rc = render_flush(&out, true, err);
	mr_buf_release(&out.text);
	return rc;
}
