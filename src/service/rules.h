/* service/rules.h - the gateway's ordered rules, compiled once, applied to each line.
 *
 * A line becomes an event: at first the syslog message's text. Each rule whose pattern matches
 * its field runs its actions in order: `merge` adds to the event (which must be a JSON object),
 * `replace` puts another in its place, `forward` names the topic and ends, `stop` ends and drops
 * the line. The field `msg` is the event as the rules before left it.
 *
 * Events are UTF-8: in a line that is not, each bad byte becomes U+FFFD before the rules see it.
 * Regular expressions are PCRE2, compiled by its JIT, with a match limit: a pattern that runs
 * away fails that line (RULES_ERROR), not the gateway.
 *
 * One thread per struct rules: it owns the buffers that results point into.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "codec/syslog.h"
#include "conf/project.h"
#include "env/rng.h"

struct rules;

/* Errors say "rule 2: ...". rng: for {{uuid}}; outlives the rules. *out is the caller's. */
MR_NODISCARD int rules_compile(const struct conf_rule *rules, size_t count, struct mr_rng *rng,
			       struct rules **out, struct mr_error *err);
void rules_free(struct rules *rules);

struct rules_line {
	mr_str line; /* as received, any bytes */
	mr_str peer; /* "127.0.0.1:40312" */
	int64_t now_ms;
	struct mr_buf *trace; /* not NULL: readable text about each match goes here */
};

enum rules_outcome {
	RULES_FORWARD,
	RULES_STOPPED,   /* dropped by a `stop`: wanted */
	RULES_UNMATCHED, /* no rule forwarded it */
	RULES_ERROR,
};

struct rules_result {
	enum rules_outcome outcome;
	mr_str topic;  /* of RULES_FORWARD */
	mr_str event;  /* of RULES_FORWARD; views the line or the rules' buffers: until the next call */
	mr_str reason; /* of RULES_UNMATCHED and RULES_ERROR */
	bool mended;   /* the line was not UTF-8 */
};

void rules_apply(struct rules *rules, const struct rules_line *line, struct rules_result *out);
