/* query/text_width.h - how many terminal cells text takes, whatever the locale.
 *
 * Combining marks, joiners and variation selectors take none, East Asian wide characters and
 * emoji two (Unicode Standard Annex 11; ranges rounded to blocks), everything else one.
 */
#pragma once

#include "base/types.h"

/* Decode the character at the front of s, which is not empty: *length bytes of it. Bytes that are
 * no UTF-8 give U+FFFD, one at a time. */
uint32_t text_decode(mr_str s, size_t *length);
int text_char_width(uint32_t c); /* 0, 1 or 2 */
size_t text_width(mr_str s);
/* Bytes of the longest front part that takes at most `cells`. */
size_t text_fit(mr_str s, size_t cells);
