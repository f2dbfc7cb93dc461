/* Methods of strings, lists and mappings. Letters beyond ASCII keep their case. */
#include "jinja/tree.h"

#include <ctype.h>

static mr_str strip(mr_str s, mr_str set, bool left, bool right)
{
	while (left && s.len && memchr(set.ptr, s.ptr[0], set.len))
		s = mr_str_tail(s, 1);
	while (right && s.len && memchr(set.ptr, s.ptr[s.len - 1], set.len))
		s.len--;
	return s;
}

static int change_case(struct jinja_state *state, mr_str s, mr_str how, struct jinja_value *out,
		       struct mr_error *err)
{
	int rc = jinja_charge(state, 1, s.len, err);
	if (rc != 0)
		return rc;
	mr_str copy = arena_copy(state->arena, s);
	char *p = (char *)copy.ptr;
	bool upper = mr_str_is(how, "upper"), title = mr_str_is(how, "title"),
	     swap = mr_str_is(how, "swapcase");
	for (size_t i = 0; i < copy.len; i++) {
		bool begins = i == 0 || (title && !isalpha((unsigned char)s.ptr[i - 1]));
		bool up = upper || ((title || mr_str_is(how, "capitalize")) && begins) ||
			  (swap && islower((unsigned char)s.ptr[i]));
		p[i] = (char)(up ? toupper((unsigned char)s.ptr[i]) : tolower((unsigned char)s.ptr[i]));
	}
	*out = jinja_str(copy);
	return 0;
}

static int split_text(struct jinja_state *state, mr_str s, const struct jinja_args *args, bool from_right,
		      struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value sep = jinja_none(), most = jinja_int(-1);
	int64_t limit;
	jinja_arg(args, 0, "sep", &sep);
	jinja_arg(args, 1, "maxsplit", &most);
	if ((sep.type != JINJA_NONE && sep.type != JINJA_STR) || (sep.type == JINJA_STR && !sep.text.len) ||
	    !jinja_as_int(most, &limit))
		return mr_fail(err, MR_ERR_INVALID,
			       "split takes a separator that is not empty, and a number");
	int rc = jinja_charge(state, s.len / 4, s.len / 2 * sizeof sep, err);
	if (rc != 0)
		return rc;
	*out = jinja_list_new(state->arena, JINJA_LIST, 0);
	bool spaces = sep.type == JINJA_NONE;
	size_t skip = spaces ? 1 : sep.text.len, total = 0;
	if (from_right && limit >= 0) { /* all but the last `limit` separators stay */
		for (const char *p = s.ptr;
		     !spaces && s.len &&
		     (p = memmem(p, (size_t)(s.ptr + s.len - p), sep.text.ptr, skip)) != NULL;
		     p += skip)
			total++;
	}
	int64_t keep = from_right && limit >= 0 ? (int64_t)total - limit : 0;
	size_t start = 0, i = 0;
	while (i + skip <= s.len) {
		bool here =
		    spaces ? isspace((unsigned char)s.ptr[i]) : memcmp(s.ptr + i, sep.text.ptr, skip) == 0;
		if (spaces && here && i == start) {
			start = ++i;
			continue;
		}
		bool done = !from_right && limit >= 0 && (int64_t)out->list->count >= limit;
		if (here && !done && keep-- <= 0) {
			jinja_list_push(state->arena, out->list,
					jinja_str(mr_str_n(s.ptr + start, i - start)));
			start = i + skip;
			i = start;
		} else {
			i += here ? skip : 1;
		}
	}
	if (!spaces || start < s.len)
		jinja_list_push(state->arena, out->list, jinja_str(mr_str_tail(s, start)));
	return 0;
}

static int replace_text(struct jinja_state *state, mr_str s, const struct jinja_args *args,
			struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value from, to, most = jinja_int(-1);
	int64_t limit;
	if (!jinja_arg(args, 0, "old", &from) || !jinja_arg(args, 1, "new", &to) || from.type != JINJA_STR ||
	    to.type != JINJA_STR)
		return mr_fail(err, MR_ERR_INVALID, "replace needs two strings");
	jinja_arg(args, 2, "count", &most);
	if (!jinja_as_int(most, &limit))
		limit = -1;
	struct mr_buf text = {.limit = JINJA_BYTES_MAX};
	for (size_t i = 0; i <= s.len;) {
		bool here = limit != 0 && i + from.text.len <= s.len &&
			    (!from.text.len || memcmp(s.ptr + i, from.text.ptr, from.text.len) == 0);
		if (here) {
			mr_buf_str(&text, to.text);
			limit--;
		}
		if (!here || !from.text.len) {
			if (i < s.len)
				mr_buf_char(&text, s.ptr[i]);
			i++;
		} else {
			i += from.text.len;
		}
	}
	return jinja_take(state, &text, out, err);
}

static int join_items(struct jinja_state *state, mr_str sep, struct jinja_value list, struct jinja_value *out,
		      struct mr_error *err)
{
	const struct jinja_value *items;
	size_t count;
	struct mr_buf text = {0};
	int rc = eval_items(state, list, &items, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].type != JINJA_STR) {
			rc = mr_fail(err, MR_ERR_INVALID, "join: element %zu is %s, not a string", i,
				     jinja_type_name(items[i]));
			break;
		}
		if (i)
			mr_buf_str(&text, sep);
		mr_buf_str(&text, items[i].text);
		rc = jinja_charge(state, 1, sep.len + items[i].text.len, err);
	}
	if (rc == 0)
		return jinja_take(state, &text, out, err);
	mr_buf_release(&text);
	return rc;
}

static int find_text(mr_str s, mr_str name, const struct jinja_args *args, struct jinja_value *out,
		     struct mr_error *err)
{
	struct jinja_value what;
	if (!jinja_arg(args, 0, NULL, &what) || what.type != JINJA_STR)
		return mr_fail(err, MR_ERR_INVALID, "%.*s needs a string", MR_FMT(name));
	if (mr_str_is(name, "startswith")) {
		*out = jinja_bool(mr_str_starts(s, what.text));
	} else if (mr_str_is(name, "endswith")) {
		*out = jinja_bool(mr_str_ends(s, what.text));
	} else if (mr_str_is(name, "count")) {
		int64_t n = 0;
		for (size_t i = 0; what.text.len && i + what.text.len <= s.len;) {
			bool here = memcmp(s.ptr + i, what.text.ptr, what.text.len) == 0;
			n += here;
			i += here ? what.text.len : 1;
		}
		*out = jinja_int(n);
	} else {
		const char *at =
		    what.text.len && s.len ? memmem(s.ptr, s.len, what.text.ptr, what.text.len) : NULL;
		*out = jinja_int(at ? at - s.ptr : what.text.len ? -1 : 0);
	}
	return 0;
}

static int is_kind(mr_str s, mr_str name, struct jinja_value *out)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} kinds[] = {{"isdigit", isdigit},
		     {"isnumeric", isdigit},
		     {"isalpha", isalpha},
		     {"isalnum", isalnum},
		     {"isspace", isspace}};
	for (size_t i = 0; i < MR_COUNT(kinds); i++) {
		if (!mr_str_is(name, kinds[i].name))
			continue;
		bool all = s.len > 0;
		for (size_t k = 0; all && k < s.len; k++)
			all = kinds[i].is((unsigned char)s.ptr[k]) != 0;
		*out = jinja_bool(all);
		return 0;
	}
	return 1;
}

static bool one_of(mr_str name, const char *const *words)
{
	for (; *words; words++)
		if (mr_str_is(name, *words))
			return true;
	return false;
}

static int pad(struct jinja_state *state, mr_str s, mr_str name, const struct jinja_args *args,
	       struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value v, fill = jinja_str(MR_STR(" "));
	int64_t width;
	if (!jinja_arg(args, 0, NULL, &v) || !jinja_as_int(v, &width) || width > (1 << 20))
		return mr_fail(err, MR_ERR_INVALID, "%.*s needs a width", MR_FMT(name));
	jinja_arg(args, 1, NULL, &fill);
	bool zeros = mr_str_is(name, "zfill"), sign = zeros && s.len && strchr("+-", s.ptr[0]);
	char with = zeros ? '0' : fill.type == JINJA_STR && fill.text.len == 1 ? fill.text.ptr[0] : ' ';
	struct mr_buf text = {0};
	if (sign)
		mr_buf_char(&text, s.ptr[0]);
	if (mr_str_is(name, "ljust"))
		mr_buf_str(&text, s);
	for (int64_t i = (int64_t)s.len; i < width; i++)
		mr_buf_char(&text, with);
	if (!mr_str_is(name, "ljust"))
		mr_buf_str(&text, mr_str_tail(s, sign));
	return jinja_take(state, &text, out, err);
}

int string_method(struct jinja_state *state, mr_str s, mr_str name, const struct jinja_args *args,
		  struct jinja_value *out, struct mr_error *err)
{
	static const char *const cases[] = {"upper", "lower", "title", "capitalize", "swapcase", NULL};
	static const char *const finds[] = {"startswith", "endswith", "find", "count", NULL};
	static const char *const pads[] = {"zfill", "ljust", "rjust", NULL};
	struct jinja_value set = jinja_str(MR_STR(" \t\n\r\f\v"));
	if (one_of(name, cases))
		return change_case(state, s, name, out, err);
	if (one_of(name, finds))
		return find_text(s, name, args, out, err);
	if (one_of(name, pads))
		return pad(state, s, name, args, out, err);
	if (mr_str_is(name, "strip") || mr_str_is(name, "lstrip") || mr_str_is(name, "rstrip")) {
		jinja_arg(args, 0, NULL, &set);
		if (set.type != JINJA_STR)
			return mr_fail(err, MR_ERR_INVALID, "%.*s takes a string", MR_FMT(name));
		*out = jinja_str(strip(s, set.text, name.ptr[0] != 'r', name.ptr[0] != 'l'));
		return 0;
	}
	if (mr_str_is(name, "split") || mr_str_is(name, "rsplit"))
		return split_text(state, s, args, name.ptr[0] == 'r', out, err);
	if (mr_str_is(name, "replace"))
		return replace_text(state, s, args, out, err);
	if (mr_str_is(name, "join") && args->count == 1)
		return join_items(state, s, args->items[0], out, err);
	if (mr_str_is(name, "removeprefix") && args->count == 1 && args->items[0].type == JINJA_STR) {
		*out = jinja_str(
		    mr_str_starts(s, args->items[0].text) ? mr_str_tail(s, args->items[0].text.len) : s);
		return 0;
	}
	if (mr_str_is(name, "removesuffix") && args->count == 1 && args->items[0].type == JINJA_STR) {
		s.len -= mr_str_ends(s, args->items[0].text) ? args->items[0].text.len : 0;
		*out = jinja_str(s);
		return 0;
	}
	if (mr_str_is(name, "splitlines"))
		return split_text(
		    state, strip(s, MR_STR("\n"), false, true),
		    &(struct jinja_args){&(struct jinja_value){JINJA_STR, .text = MR_STR("\n")}, 1}, false,
		    out, err);
	return is_kind(s, name, out);
}

/* A value that grew into itself could not be compared or printed. */
static bool is_container(struct jinja_value v)
{
	return jinja_is_list(v) || v.type == JINJA_DICT;
}

static int dict_method(struct jinja_state *state, struct jinja_dict *dict, mr_str name,
		       const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value key, preset = jinja_none();
	if (mr_str_is(name, "get")) {
		if (!jinja_arg(args, 0, "key", &key))
			return mr_fail(err, MR_ERR_INVALID, "get needs a key");
		jinja_arg(args, 1, "default", &preset);
		const struct jinja_value *found = jinja_dict_get(dict, key);
		*out = found ? *found : preset;
		return jinja_charge(state, dict->count / 64, 0, err);
	}
	if (mr_str_is(name, "update") && args->count == 1 && args->items[0].type == JINJA_DICT) {
		const struct jinja_dict *from = args->items[0].dict;
		for (size_t i = 0; i < from->count; i++)
			if (is_container(from->pairs[i].value))
				return mr_fail(err, MR_ERR_UNSUPPORTED, "update takes plain values, no %s",
					       jinja_type_name(from->pairs[i].value));
		for (size_t i = 0; i < from->count; i++)
			jinja_dict_put(state->arena, dict, from->pairs[i].key, from->pairs[i].value);
		*out = jinja_none();
		return jinja_charge(state, from->count, from->count * sizeof *from->pairs, err);
	}
	bool items = mr_str_is(name, "items"), keys = mr_str_is(name, "keys");
	if (!items && !keys && !mr_str_is(name, "values"))
		return 1;
	*out = jinja_list_new(state->arena, JINJA_LIST, dict->count);
	for (size_t i = 0; i < dict->count; i++) {
		struct jinja_value pair = keys ? dict->pairs[i].key : dict->pairs[i].value;
		if (items) {
			pair = jinja_list_new(state->arena, JINJA_TUPLE, 2);
			jinja_list_push(state->arena, pair.list, dict->pairs[i].key);
			jinja_list_push(state->arena, pair.list, dict->pairs[i].value);
		}
		jinja_list_push(state->arena, out->list, pair);
	}
	return jinja_charge(state, dict->count, dict->count * 4 * sizeof key, err);
}

static int list_method(struct jinja_state *state, struct jinja_list *list, mr_str name,
		       const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	if (args->count != 1)
		return 1;
	if (mr_str_is(name, "append")) {
		if (is_container(args->items[0]))
			return mr_fail(err, MR_ERR_UNSUPPORTED, "append takes plain values, no %s",
				       jinja_type_name(args->items[0]));
		jinja_list_push(state->arena, list, args->items[0]);
		*out = jinja_none();
		return jinja_charge(state, 1, 2 * sizeof *list->items, err);
	}
	if (mr_str_is(name, "count") || mr_str_is(name, "index")) {
		int64_t count = 0;
		for (size_t i = 0; i < list->count; i++) {
			if (!jinja_equal(list->items[i], args->items[0]))
				continue;
			if (mr_str_is(name, "index")) {
				*out = jinja_int((int64_t)i);
				return 0;
			}
			count++;
		}
		if (mr_str_is(name, "index"))
			return mr_fail(err, MR_ERR_INVALID, "index: no such element");
		*out = jinja_int(count);
		return 0;
	}
	return 1;
}

int eval_method(struct jinja_state *state, struct jinja_value v, mr_str name, const struct jinja_args *args,
		struct jinja_value *out, struct mr_error *err)
{
	int rc = jinja_charge(state, 1, 0, err);
	if (rc != 0)
		return rc;
	switch (v.type) {
	case JINJA_UNDEFINED:
		return mr_fail(err, MR_ERR_INVALID, "'%.*s' is undefined", MR_FMT(v.text));
	case JINJA_STR:
		return string_method(state, v.text, name, args, out, err);
	case JINJA_DICT:
		return dict_method(state, v.dict, name, args, out, err);
	case JINJA_LIST:
		return list_method(state, v.list, name, args, out, err);
	case JINJA_TIME:
	case JINJA_DELTA:
		return time_method(state, v, name, args, out, err);
	case JINJA_OBJECT:
		return v.object->ops->call ? v.object->ops->call(v.object, state, name, args, out, err) : 1;
	default:
		return 1;
	}
}
