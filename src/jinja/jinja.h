/* jinja/jinja.h - templates of DAG files: a subset of Jinja 3, parsed once, rendered often.
 *
 * What is there: {{ expressions }} with attributes, subscripts, slices, calls, filters, tests, inline
 * if; if/elif/else, for/else with loop.*, set (a value or a block), with, do, raw, comments, and the
 * whitespace signs - and +. Undefined names are errors, as under Airflow (StrictUndefined), unless
 * a test or default asks. Not there, and refused by name: macro, call, include, import, extends,
 * block, filter, autoescape.
 *
 * Limits: 1 MiB of source, 200 levels of nesting, 1 MiB of output, and for what one rendering may
 * do, JINJA_STEPS_MAX steps and JINJA_BYTES_MAX bytes of values.
 *
 * Threading: a template is immutable, renderings of it may run at the same time; a rendering belongs
 * to one thread. Everything a rendering makes lives in the arena that it was given.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "jinja/value.h"

#define JINJA_SOURCE_BYTES_MAX ((size_t)1 << 20)
#define JINJA_OUTPUT_BYTES_MAX ((size_t)1 << 20)
#define JINJA_DEPTH_MAX 200
#define JINJA_STEPS_MAX 1000000
#define JINJA_BYTES_MAX ((size_t)64 << 20)

struct jinja_template;

/* A name that templates may use, and what may follow its dot. */
struct jinja_name {
	const char *name;
	const char *const *members; /* NULL-terminated; NULL: not known before rendering */
};

/* Parse text (copied). names, when not NULL, are all that a rendering will know: any other name that
 * the template does not set itself is an error, with the nearest one as hint. Errors say "line L,
 * column C" of the text. */
MR_NODISCARD int jinja_parse(mr_str text, const struct jinja_name *names, size_t name_count,
			     struct jinja_template **out, struct mr_error *err);
void jinja_free(struct jinja_template *template); /* NULL is fine */

/* Does text hold anything to render? */
bool jinja_has_template(mr_str text);

/* What names mean. lookup and call return 1 for a name that they do not know; NULL: none known. */
struct jinja_context {
	int (*lookup)(void *arg, struct jinja_state *state, mr_str name, struct jinja_value *out,
		      struct mr_error *err);
	int (*call)(void *arg, struct jinja_state *state, mr_str name, const struct jinja_args *args,
		    struct jinja_value *out, struct mr_error *err);
	void *arg;
};

/* Append the text to out. */
MR_NODISCARD int jinja_render(const struct jinja_template *template, const struct jinja_context *context,
			      struct arena *arena, struct mr_buf *out, struct mr_error *err);
