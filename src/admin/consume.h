/* admin/consume.h - reading a topic for people: `millrace topic consume`.
 *
 * One call gives a piece of it, about a megabyte at most, and where to go on: the caller asks again with
 * that, and so has neither session nor thread here. Committed records only. Partitions are merged by time as
 * far as a piece goes.
 *
 * In (JSON): topic; format (record_format.h); offset, a range of positions (position.h) and partition, of the
 * first call; or next and until as the last answer had them; count: records at most; wait_ms: with nothing to
 * read, how long to wait for something.
 * Out: a line of JSON {"next": […], "until": […], "records": N, "more": bool}, then the records' text.
 * `more` is false when this call came as far as it can without new records.
 */
#pragma once

#include "admin/admin.h"

MR_NODISCARD int admin_consume(const struct admin *admin, mr_str body, struct mr_buf *out,
			       struct mr_error *err);
