/* ingest/text.h - bytes of records as text. */
#pragma once

#include "base/mem.h"
#include "base/types.h"

/* Well-formed UTF-8 (Unicode 15, table 3-7). Empty and NULL are. */
bool utf8_valid(mr_str bytes);
/* bytes, or a copy in arena in which each byte that is not UTF-8 is U+FFFD. NULL stays NULL. */
mr_str utf8_text(mr_str bytes, struct arena *arena);
