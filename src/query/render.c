#include "query/render.h"

#include "base/buf.h"
#include "codec/json.h"
#include "query/render_box.h"

#define FLUSH_BYTES (64u * 1024)

struct renderer {
	struct sql_result *result;
	render_put_fn put;
	void *arg;
	struct mr_buf out;
	size_t columns;
	uint64_t rows;
};

static int flush(struct renderer *r, struct mr_error *err)
{
	if (r->out.len && r->put(r->arg, mr_buf_view(&r->out)) != 0)
		return mr_fail(err, MR_ERR_CANCELLED, "the reader has gone");
	mr_buf_clear(&r->out);
	return 0;
}

/* A field that holds the separator, a quote or a line end is quoted. (RFC 4180.) */
static void put_csv_field(struct mr_buf *out, mr_str text)
{
	bool plain = text.len > 0;
	for (size_t i = 0; i < text.len && plain; i++)
		plain = !strchr(",\"\r\n", text.ptr[i]) || !text.ptr[i];
	if (plain) {
		mr_buf_str(out, text);
		return;
	}
	mr_buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"')
			mr_buf_char(out, '"');
		mr_buf_char(out, text.ptr[i]);
	}
	mr_buf_char(out, '"');
}

/* As PostgreSQL's COPY text format: tabs and line ends escaped, so a row is a line. */
static void put_tsv_field(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\t' || c == '\n' || c == '\r' || c == '\\')
			mr_buf_append(out,
				      (char[]){'\\', c == '\t'   ? 't'
						     : c == '\n' ? 'n'
						     : c == '\r' ? 'r'
								 : '\\'},
				      2);
		else
			mr_buf_char(out, c);
	}
}

static void put_markdown_field(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '|')
			mr_buf_char(out, '\\');
		mr_buf_char(out, c == '\n' || c == '\r' ? ' ' : c);
	}
}

static void put_fields(struct renderer *r, bool header, const char *before, const char *between,
		       const char *after, void (*field)(struct mr_buf *, mr_str))
{
	mr_buf_cstr(&r->out, before);
	for (size_t c = 0; c < r->columns; c++) {
		mr_buf_cstr(&r->out, c ? between : "");
		if (header)
			field(&r->out, sql_column_name(r->result, c));
		else if (!sql_is_null(r->result, c))
			field(&r->out, sql_text(r->result, c));
	}
	mr_buf_cstr(&r->out, after);
}

static void csv_row(struct renderer *r, bool header)
{
	put_fields(r, header, "", ",", "\n", put_csv_field);
}

static void tsv_row(struct renderer *r, bool header)
{
	put_fields(r, header, "", "\t", "\n", put_tsv_field);
}

static void markdown_row(struct renderer *r, bool header)
{
	put_fields(r, header, "| ", " | ", " |\n", put_markdown_field);
	for (size_t c = 0; header && c < r->columns; c++)
		mr_buf_cstr(&r->out, sql_column_is_number(r->result, c) ? "|--:" : "|---");
	mr_buf_cstr(&r->out, header ? "|\n" : "");
}

static void json_object(struct renderer *r)
{
	mr_buf_char(&r->out, '{');
	for (size_t c = 0; c < r->columns; c++) {
		mr_buf_cstr(&r->out, c ? "," : "");
		json_quote(&r->out, sql_column_name(r->result, c));
		mr_buf_char(&r->out, ':');
		sql_put_json(r->result, c, &r->out);
	}
	mr_buf_char(&r->out, '}');
}

static void json_row(struct renderer *r, bool header)
{
	if (header) {
		mr_buf_char(&r->out, '[');
		return;
	}
	mr_buf_cstr(&r->out, r->rows ? ",\n" : "");
	json_object(r);
}

static void jsonl_row(struct renderer *r, bool header)
{
	if (header)
		return;
	json_object(r);
	mr_buf_char(&r->out, '\n');
}

static const struct {
	const char *name;
	void (*row)(struct renderer *r, bool header); /* NULL: box */
	const char *end;
} formats[] = {
    [RENDER_BOX] = {"box", NULL, ""},          [RENDER_CSV] = {"csv", csv_row, ""},
    [RENDER_TSV] = {"tsv", tsv_row, ""},       [RENDER_JSON] = {"json", json_row, "]\n"},
    [RENDER_JSONL] = {"jsonl", jsonl_row, ""}, [RENDER_MARKDOWN] = {"markdown", markdown_row, ""},
};

int render_format_parse(mr_str name, enum render_format *out, struct mr_error *err)
{
	for (size_t i = 0; i < MR_COUNT(formats); i++) {
		if (mr_str_is(name, formats[i].name)) {
			*out = (enum render_format)i;
			return 0;
		}
	}
	mr_fail(err, MR_ERR_INVALID, "there is no format '%.*s'", MR_FMT(name));
	mr_hint(err, "formats are box, csv, tsv, json, jsonl, markdown");
	return MR_ERR_INVALID;
}

static int render_rows(struct renderer *r, enum render_format format, struct mr_error *err)
{
	formats[format].row(r, true);
	int rc;
	while ((rc = sql_next(r->result, err)) > 0) {
		formats[format].row(r, false);
		r->rows++;
		if (r->out.len >= FLUSH_BYTES && (rc = flush(r, err)) < 0)
			return rc;
	}
	if (rc == 0)
		mr_buf_cstr(&r->out, formats[format].end);
	return rc;
}

int render(struct sql_result *result, const struct render_options *options, render_put_fn put, void *arg,
	   struct mr_error *err)
{
	struct renderer r = {.result = result, .put = put, .arg = arg, .columns = sql_column_count(result)};
	int rc = formats[options->format].row ? render_rows(&r, options->format, err)
					      : render_box(result, options->width, &r.out, err);
	if (rc == 0)
		rc = flush(&r, err);
	mr_buf_release(&r.out);
	return rc;
}
