/* sql/quote.c - names and literals as SQL reads them. */
#include "sql/engine.h"

static void quote(struct mr_buf *out, mr_str text, char mark)
{
	mr_buf_char(out, mark);
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == mark)
			mr_buf_char(out, mark);
		mr_buf_char(out, text.ptr[i]);
	}
	mr_buf_char(out, mark);
}

void sql_quote_literal(struct mr_buf *out, mr_str text)
{
	quote(out, text, '\'');
}

void sql_quote_name(struct mr_buf *out, mr_str text)
{
	quote(out, text, '"');
}

void sql_quote_path(struct mr_buf *out, mr_str dotted)
{
	for (;;) {
		const char *dot = dotted.len ? memchr(dotted.ptr, '.', dotted.len) : NULL;
		size_t len = dot ? (size_t)(dot - dotted.ptr) : dotted.len;
		sql_quote_name(out, mr_str_n(dotted.ptr, len));
		if (!dot)
			return;
		mr_buf_char(out, '.');
		dotted = mr_str_tail(dotted, len + 1);
	}
}

void sql_put_type(struct mr_buf *out, const struct column_def *def)
{
	static const char *const names[] = {
	    [COL_BOOLEAN] = "BOOLEAN", [COL_BYTE] = "TINYINT",
	    [COL_SHORT] = "SMALLINT",  [COL_INTEGER] = "INTEGER",
	    [COL_LONG] = "BIGINT",     [COL_FLOAT] = "FLOAT",
	    [COL_DOUBLE] = "DOUBLE",   [COL_DECIMAL] = "DECIMAL",
	    [COL_STRING] = "VARCHAR",  [COL_BINARY] = "BLOB",
	    [COL_DATE] = "DATE",       [COL_TIMESTAMP] = "TIMESTAMPTZ",
	    [COL_JSON] = "VARCHAR",    [COL_TIMESTAMP_NTZ] = "TIMESTAMP",
	};
	mr_buf_cstr(out, names[def->type]);
	if (def->type == COL_DECIMAL)
		mr_buf_printf(out, "(%u,%u)", def->precision, def->scale);
}
