/* group/regex.h - the regular expressions that consumers subscribe by: Kafka means RE2's, whole
 * names; PCRE2's do, within limits on time and memory. Not locked. */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct topic_regex;

MR_NODISCARD int topic_regex_new(mr_str pattern, struct topic_regex **out, struct mr_error *err);
void topic_regex_free(struct topic_regex *regex);
/* False also when matching takes too long. */
bool topic_regex_matches(const struct topic_regex *regex, mr_str name);
