/* stream/statement.h - text with several statements, one by one. */
#pragma once

#include "base/types.h"

/* The next statement of *text without its ';' and the spaces around it, and *text moved
 * behind it; strings, quoted names and comments are respected. Empty at the end. */
mr_str statement_next(mr_str *text);
