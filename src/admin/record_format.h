/* admin/record_format.h - a record as text, by kcat's and rpk's letters.
 *
 *   %t topic      %p partition   %o offset      %T timestamp, ms     %h headers, k=v,k=v
 *   %k key        %K its bytes   %v %s value    %V %S its bytes      %% a percent sign
 *   \n \r \t \0 \\ \xHH
 *
 * The format "json" is an object a line. A null key, value or header value is empty; in JSON it is null.
 */
#pragma once

#include "codec/batch.h"

struct record_format;

/* MR_ERR_INVALID names what it does not know. */
MR_NODISCARD int record_format_parse(mr_str text, struct record_format **out, struct mr_error *err);
void record_format_free(struct record_format *format); /* NULL is fine */
MR_NODISCARD int record_format_put(const struct record_format *format, mr_str topic, int32_t partition,
				   const struct record *record, struct mr_buf *out, struct mr_error *err);
