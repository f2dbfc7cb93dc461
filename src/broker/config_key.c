#include "broker/config_key.h"

#include "conf/units.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_SHOWN_MAX 200

static mr_str trimmed(mr_str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = mr_str_tail(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool config_list_next(mr_str *rest, mr_str *item)
{
	while (rest->len) {
		const char *comma = memchr(rest->ptr, ',', rest->len);
		*item = trimmed(mr_str_n(rest->ptr, comma ? (size_t)(comma - rest->ptr) : rest->len));
		*rest = comma ? mr_str_tail(*rest, (size_t)(comma - rest->ptr) + 1) : MR_STR_NULL;
		if (item->len)
			return true;
	}
	return false;
}

/* A number as text that strtoll and strtod may read. */
static bool number_text(mr_str value, char text[48])
{
	value = trimmed(value);
	if (value.len == 0 || value.len >= 48)
		return false;
	memcpy(text, value.ptr, value.len);
	text[value.len] = 0;
	return strspn(text, "+-.0123456789eE") == value.len;
}

static bool read_int(mr_str value, int64_t *out)
{
	char text[48], *end;
	if (!number_text(value, text))
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == 0;
}

static bool read_double(mr_str value, double *out)
{
	char text[48], *end;
	if (!number_text(value, text))
		return false;
	*out = strtod(text, &end);
	return end != text && *end == 0;
}

int64_t config_int(mr_str value)
{
	int64_t number;
	if (read_int(value, &number))
		return number;
	return mr_str_is(trimmed(value), "true");
}

double config_double(mr_str value)
{
	double number;
	return read_double(value, &number) ? number : 0;
}

static int refuse(const struct config_key *key, mr_str value, struct mr_error *err, const char *why)
{
	mr_fail(err, MR_ERR_INVALID, "Invalid value %.*s for configuration %s: %s",
		(int)mr_min_size(value.len, VALUE_SHOWN_MAX), value.ptr ? value.ptr : "", key->name, why);
	return key->only && err ? mr_hint(err, "%s", key->only) : MR_ERR_INVALID;
}

static const struct {
	const char *name;
	int64_t least, most;
} number_types[] = {
    [CONFIG_INT] = {"INT", INT32_MIN, INT32_MAX},
    [CONFIG_SHORT] = {"SHORT", INT16_MIN, INT16_MAX},
    [CONFIG_LONG] = {"LONG", INT64_MIN, INT64_MAX},
    [CONFIG_DOUBLE] = {"DOUBLE", 0, 0},
};

static int check_range(const struct config_key *key, mr_str value, double number, struct mr_error *err)
{
	char why[64];
	if (key->least == 0 && key->most == 0)
		return 0;
	if (number < (double)key->least)
		snprintf(why, sizeof why, "Value must be at least %lld", (long long)key->least);
	else if (number > (double)key->most)
		snprintf(why, sizeof why, "Value must be no more than %lld", (long long)key->most);
	else
		return 0;
	return refuse(key, value, err, why);
}

static int check_number(const struct config_key *key, mr_str value, struct mr_error *err)
{
	int64_t whole = 0;
	double number = 0;
	bool is = key->type == CONFIG_DOUBLE ? read_double(value, &number) : read_int(value, &whole);
	if (is && key->type != CONFIG_DOUBLE) {
		is = whole >= number_types[key->type].least && whole <= number_types[key->type].most;
		number = (double)whole;
	}
	if (!is) {
		char why[48];
		snprintf(why, sizeof why, "Not a number of type %s", number_types[key->type].name);
		return refuse(key, value, err, why);
	}
	return check_range(key, value, number, err);
}

static bool is_word(const char *words, mr_str value)
{
	size_t len;
	for (const char *word = words; *word; word += len + (word[len] == ' ')) {
		len = strcspn(word, " ");
		if (mr_str_eq(mr_str_n(word, len), value))
			return true;
	}
	return false;
}

static int refuse_word(const struct config_key *key, mr_str value, struct mr_error *err)
{
	char why[256];
	size_t at = (size_t)snprintf(why, sizeof why, "String must be one of: ");
	for (const char *c = key->words; *c && at + 3 < sizeof why; c++) {
		if (*c == ' ')
			why[at++] = ',';
		why[at++] = *c;
	}
	why[at] = 0;
	return refuse(key, value, err, why);
}

static int check_words(const struct config_key *key, mr_str value, struct mr_error *err)
{
	if (memchr(value.ptr, '\n', value.len))
		return refuse(key, value, err, "A value is one line");
	if (!key->words)
		return 0;
	if (key->type != CONFIG_LIST)
		return is_word(key->words, value) ? 0 : refuse_word(key, value, err);
	mr_str rest = value, item;
	while (config_list_next(&rest, &item)) {
		if (!is_word(key->words, item))
			return refuse_word(key, item, err);
	}
	return 0;
}

int config_key_check(const struct config_key *key, mr_str value, struct mr_error *err)
{
	switch (key->type) {
	case CONFIG_BOOLEAN:
		if (!mr_str_is(value, "true") && !mr_str_is(value, "false"))
			return refuse(key, value, err, "Expected value to be either true or false");
		return key->words ? check_words(key, value, err) : 0;
	case CONFIG_STRING:
	case CONFIG_LIST:
		return check_words(key, value, err);
	default:
		return check_number(key, value, err);
	}
}

/* ---- lists ---- */

bool config_list_has(mr_str list, mr_str wanted)
{
	mr_str item;
	while (config_list_next(&list, &item)) {
		if (mr_str_eq(item, wanted))
			return true;
	}
	return false;
}

mr_str config_list_change(enum config_op op, mr_str list, mr_str items, struct arena *arena)
{
	struct mr_buf out = {0};
	mr_str rest = list, item;
	while (config_list_next(&rest, &item)) {
		if (op == CONFIG_APPEND || !config_list_has(items, item))
			mr_buf_printf(&out, "%s%.*s", out.len ? "," : "", MR_FMT(item));
	}
	while (op == CONFIG_APPEND && config_list_next(&items, &item)) {
		if (!config_list_has(list, item))
			mr_buf_printf(&out, "%s%.*s", out.len ? "," : "", MR_FMT(item));
	}
	mr_str made = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return made;
}

int config_not_list(const struct config_key *key, enum config_op op, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INVALID, "Can't %s to key %s because its type is not LIST.",
		       op == CONFIG_APPEND ? "APPEND" : "SUBTRACT", key->name);
}

mr_str config_from_people(mr_str name, mr_str text, struct arena *arena)
{
	int64_t number;
	struct mr_error ignored;
	if ((mr_str_ends(name, MR_STR(".ms")) && conf_parse_duration(text, &number, &ignored) == 0) ||
	    (mr_str_ends(name, MR_STR(".bytes")) && conf_parse_size(text, &number, &ignored) == 0))
		return arena_printf(arena, "%lld", (long long)number);
	return text;
}
