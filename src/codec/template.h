/* codec/template.h - "{{name|filter|...}}" templates, compiled once, rendered per event.
 *
 * Two kinds of text. A text template is rendered as it stands. A JSON template is a JSON
 * document whose strings may hold tags: what a tag inserts is escaped, so the result is always
 * valid JSON; a string that is one tag with a typed filter (json, int, float, bool) becomes that
 * value: {"status": "{{status|int}}"} gives {"status":200}.
 *
 * A name is one of the caller's variables (a slot number its resolver gives), "uuid" (a fresh
 * version 4 UUID), or else a dotted path into the JSON event. docs/gateway.md lists the filters.
 *
 * A compiled template is read-only and may be shared by threads; a context belongs to one.
 * Rendering allocates nothing once its buffers have grown.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "codec/json.h"
#include "env/rng.h"

struct template;

#define TEMPLATE_BYTES_MAX (64 << 10)

/* The slot of a variable, or -1 when the name is none of the caller's. */
typedef int (*template_resolve_fn)(void *arg, mr_str name);

/* The event is parsed only when a path asks for it. */
typedef struct json_value (*template_event_fn)(void *arg);

struct template_context {
	const mr_str *slots; /* by slot number; ptr NULL: absent */
	template_event_fn event;
	void *event_arg;
	struct mr_rng *rng;
	int64_t now_ms;
	struct mr_buf scratch; /* of the filters; template_context_release frees it */
};

void template_context_release(struct template_context *context);

/* The template lives in the arena and keeps no reference to text. MR_ERR_INVALID names the
 * fault: an open tag, an empty name, an unknown filter. */
MR_NODISCARD int template_compile(struct arena *arena, mr_str text, template_resolve_fn resolve, void *arg,
				  const struct template **out, struct mr_error *err);
/* The same for a JSON template; json is a document parsed by the caller, needed during the call. */
MR_NODISCARD int template_compile_json(struct arena *arena, struct json_value json,
				       template_resolve_fn resolve, void *arg, const struct template **out,
				       struct mr_error *err);

/* Appended to out. Returns the number of tags in it that were absent (rendered as nothing, or
 * as null where they are values). */
size_t template_render(const struct template *t, struct template_context *context, struct mr_buf *out);

/* The name of the first tag that is absent, for messages; empty when none is. */
mr_str template_absent_name(const struct template *t, struct template_context *context);
