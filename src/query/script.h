/* query/script.h - statements one after the other, their results as text. */
#pragma once

#include "query/render.h"
#include "query/session.h"

/* width: see render.h. The first failure ends it. */
MR_NODISCARD int script_run(struct session_pool *pool, mr_str text, const char *format, int width,
			    render_put_fn put, void *arg, struct mr_error *err);
