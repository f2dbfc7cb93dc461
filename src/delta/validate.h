/* delta/validate.h - what every commit is held against before it gets its name.
 *
 * Tables of checks (validate.c and beside it), each with a name, over the very lines that are about to be
 * put: whatever made them, a commit that breaks the protocol does not become a version. Pure: the lines and
 * the state before them decide.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "codec/json.h"

struct delta_log_state;

/* before: the table as it is, NULL for version 0. The parser's document is replaced.
 * MR_ERR_INVALID, whose message names the check, the line and what is wrong. */
MR_NODISCARD int delta_validate_actions(const struct delta_log_state *before, mr_str lines,
					struct json_parser *parser, struct mr_error *err);
/* The checks' names in order; NULL behind the last. */
const char *delta_validation_name(size_t i);
