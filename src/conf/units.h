/* conf/units.h - sizes and durations as people write them.
 *
 *   size      128MiB  10GB  4096  512KiB     KiB MiB GiB TiB are powers of 1024,
 *                                            kB KB MB GB TB powers of 1000
 *   duration  5s  250ms  1h30m  7d  2w       a number needs its unit
 *
 * A failure's message says what was expected; the caller adds where.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

MR_NODISCARD int conf_parse_size(mr_str text, int64_t *bytes_out, struct mr_error *err);
MR_NODISCARD int conf_parse_duration(mr_str text, int64_t *ms_out, struct mr_error *err);
