#include "task/mask.h"

#include "base/vec.h"

static int longest_first(const void *a, const void *b)
{
	const mr_str *x = a, *y = b;
	return (x->len < y->len) - (x->len > y->len);
}

void mask_init(struct mask *mask, const mr_str *secrets, size_t count)
{
	MR_VEC(mr_str) list = {0};
	*mask = (struct mask){0};
	for (size_t i = 0; i < count; i++) {
		mr_str rest = secrets[i];
		if (rest.len >= MASK_LEAST)
			mr_vec_push(&list, mr_str_n(mr_strndup(rest), rest.len));
		for (const char *nl; rest.len && (nl = memchr(rest.ptr, '\n', rest.len)) != NULL;) {
			mr_str line = mr_str_n(rest.ptr, (size_t)(nl - rest.ptr));
			if (line.len >= MASK_LEAST)
				mr_vec_push(&list, mr_str_n(mr_strndup(line), line.len));
			rest = mr_str_tail(rest, line.len + 1);
		}
		if (rest.len != secrets[i].len && rest.len >= MASK_LEAST)
			mr_vec_push(&list, mr_str_n(mr_strndup(rest), rest.len));
	}
	if (list.len)
		qsort(list.items, list.len, sizeof *list.items, longest_first);
	mask->secrets = list.items;
	mask->count = list.len;
	for (size_t i = 0; i < list.len; i++)
		mask->first[(unsigned char)list.items[i].ptr[0]] = true;
}

void mask_release(struct mask *mask)
{
	for (size_t i = 0; i < mask->count; i++)
		free((char *)mask->secrets[i].ptr);
	free(mask->secrets);
	mr_buf_release(&mask->held);
	*mask = (struct mask){0};
}

enum found { FOUND_NOTHING, FOUND_SECRET, FOUND_BEGINNING };

/* Does a secret stand at the front of s, or may one when more bytes come? */
static enum found look(const struct mask *mask, mr_str s, size_t *len)
{
	for (size_t i = 0; i < mask->count; i++) {
		if (mr_str_starts(s, mask->secrets[i])) {
			*len = mask->secrets[i].len;
			return FOUND_SECRET;
		}
		if (mask->secrets[i].len > s.len && mr_str_starts(mask->secrets[i], s))
			return FOUND_BEGINNING;
	}
	return FOUND_NOTHING;
}

static void run(struct mask *mask, struct mr_buf *out, bool last)
{
	mr_str s = mr_buf_view(&mask->held);
	size_t from = 0, i = 0, len = 0;
	while (i < s.len) {
		enum found found = mask->first[(unsigned char)s.ptr[i]] ? look(mask, mr_str_tail(s, i), &len)
									: FOUND_NOTHING;
		if (found == FOUND_BEGINNING && !last)
			break;
		if (found == FOUND_SECRET) {
			mr_buf_append(out, s.ptr + from, i - from);
			mr_buf_cstr(out, "***");
			i += len;
			from = i;
		} else {
			i++;
		}
	}
	mr_buf_append(out, s.ptr + from, i - from);
	mr_buf_consume(&mask->held, i);
}

void mask_feed(struct mask *mask, mr_str bytes, struct mr_buf *out)
{
	if (mask->count == 0) {
		mr_buf_str(out, bytes);
		return;
	}
	mr_buf_str(&mask->held, bytes);
	run(mask, out, false);
}

void mask_end(struct mask *mask, struct mr_buf *out)
{
	run(mask, out, true);
}
