/* codec/template_filter.h - the filters of templates, as a table. Only for codec/template.c. */
#pragma once

#include "base/buf.h"
#include "codec/json.h"

struct template_filter_input {
	int64_t now_ms;
	struct json_value json; /* present when the text was read from the event, unfiltered */
};

struct template_filter {
	const char *name;
	bool typed; /* writes a JSON value: `value`; else text to text: `text` */
	/* Views the input, `small` (64 bytes) or the scratch buffer; ptr NULL: absent from here on. */
	mr_str (*text)(const struct template_filter_input *in, mr_str text, char *small,
		       struct mr_buf *scratch);
	/* text.ptr NULL: absent. Writes "null" and returns false when there is no such value. */
	bool (*value)(const struct template_filter_input *in, mr_str text, struct mr_buf *out);
};

const struct template_filter *template_filter_find(mr_str name); /* NULL when unknown */
const char *template_filter_names(void);                         /* for messages */

/* The inside of a JSON string: escaped, without the quotes, appended. */
void template_quote_inner(struct mr_buf *out, mr_str text);
