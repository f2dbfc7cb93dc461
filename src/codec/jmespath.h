/* codec/jmespath.h - JMESPath expressions (jmespath.org/specification) over codec/json.h values.
 *
 * All of the grammar but expression references (&expr, so no sort_by, max_by, min_by, map).
 * Functions: abs avg ceil contains ends_with floor join keys length max min not_null
 * reverse sort starts_with sum to_array to_number to_string type values.
 *
 * A compiled expression is read-only: threads may share it, each with an evaluator of its own.
 * Results live until the evaluator's next use, and view the document they were taken from.
 * A plain field path allocates nothing.
 *
 * Limits: 4 KiB of expression, 64 levels, 100,000 list elements and 1 MiB of text made by one
 * evaluation (MR_ERR_LIMIT), so that no expression can eat the machine.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "codec/json.h"

struct jmespath;

/* A value: a place in a document, or something computed. */
struct jmespath_value {
	enum json_type type;    /* of numbers: JSON_INT (computed counts) or JSON_DOUBLE, see number */
	struct json_value node; /* present when it is a place in a document */
	bool boolean;
	double number;
	mr_str string;
	struct jmespath_value *items; /* of a computed array, or the values of a computed object */
	mr_str *names;                /* of a computed object */
	size_t count;
};

struct jmespath_evaluator {
	struct arena arena;
	size_t items_made;
	size_t bytes_made;
};

/* The error's message holds the column. *out is the caller's. */
MR_NODISCARD int jmespath_compile(mr_str text, struct jmespath **out, struct mr_error *err);
void jmespath_free(struct jmespath *expression);

MR_NODISCARD int jmespath_eval(const struct jmespath *expression, struct jmespath_evaluator *evaluator,
			       struct json_value document, struct jmespath_value *out, struct mr_error *err);
void jmespath_evaluator_release(struct jmespath_evaluator *evaluator); /* zeroed is a fresh one */

/* JMESPath's truth: not null, false, "", [] or {}. */
bool jmespath_truthy(const struct jmespath_value *v);
/* A string as it is, anything else as JSON text; appended. */
void jmespath_text(const struct jmespath_value *v, struct mr_buf *out);
