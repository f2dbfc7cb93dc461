/* query/render_out.h - what the renderers share: buffered output to the caller's function. */
#pragma once

#include "base/buf.h"
#include "query/render.h"
#include "sql/engine.h"

struct render_out {
	struct mr_buf text; /* not yet handed out */
	render_put_fn put;
	void *arg;
};

/* Hand out what is there when it is much, or `all`. */
MR_NODISCARD int render_flush(struct render_out *out, bool all, struct mr_error *err);

/* Append text with control characters as \n, \t, \x1B and bad UTF-8 as U+FFFD. Stops when
 * `cells` are full; returns whether all of it went in. */
bool render_put_plain(struct mr_buf *to, mr_str text, size_t cells);

MR_NODISCARD int render_box(struct sql_result *result, const struct render_options *options,
			    struct render_out *out, struct mr_error *err);
