/* dag/tz.h - IANA time zones, read from the system's TZif files (RFC 8536; package tzdata).
 *
 * Wall clock to UTC where it is not one to one, as Airflow does: a time that occurs twice (autumn)
 * is the second, a time that does not exist (spring) moves on by the gap.
 *
 * The rule at a file's end is written out as transitions until 2200; later times keep the last
 * offset. Immutable once loaded; safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "env/disk.h"

struct tz;

/* "Europe/Berlin", "UTC". The error of an unknown name says where it was looked for. */
MR_NODISCARD int tz_load(struct mr_disk *disk, mr_str name, struct tz **out, struct mr_error *err);
MR_NODISCARD int tz_parse(mr_str name, mr_str bytes, struct tz **out, struct mr_error *err); /* a TZif file */
void tz_free(struct tz *tz); /* NULL is fine */

mr_str tz_name(const struct tz *tz);
int64_t tz_offset_s(const struct tz *tz, int64_t utc_s); /* local minus UTC */
int64_t tz_local_s(const struct tz *tz, int64_t utc_s);
int64_t tz_utc_s(const struct tz *tz, int64_t local_s);
