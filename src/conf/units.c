#include "conf/units.h"

struct unit {
	const char *name;
	int64_t factor;
};

#define KIB ((int64_t)1024)
static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", KIB},
    {"MiB", KIB *KIB},
    {"GiB", KIB *KIB *KIB},
    {"TiB", KIB *KIB *KIB *KIB},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000},
};

/* Take digits off the front. False when there are none or they pass int64. */
static bool take_number(mr_str *rest, int64_t *out)
{
	int64_t n = 0;
	size_t i = 0;
	for (; i < rest->len && rest->ptr[i] >= '0' && rest->ptr[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, rest->ptr[i] - '0', &n))
			return false;
	*rest = mr_str_tail(*rest, i);
	*out = n;
	return i > 0;
}

/* Take the letters off the front and find them in the table. */
static const struct unit *take_unit(mr_str *rest, const struct unit *units, size_t count)
{
	size_t i = 0;
	while (i < rest->len && (rest->ptr[i] < '0' || rest->ptr[i] > '9'))
		i++;
	mr_str name = {rest->ptr, i};
	*rest = mr_str_tail(*rest, i);
	while (name.len && name.ptr[0] == ' ')
		name = mr_str_tail(name, 1);
	for (size_t u = 0; u < count; u++)
		if (mr_str_is(name, units[u].name))
			return &units[u];
	return NULL;
}

static bool add_part(int64_t *total, int64_t n, const struct unit *unit)
{
	return !__builtin_mul_overflow(n, unit->factor, &n) && !__builtin_add_overflow(*total, n, total);
}

int conf_parse_size(mr_str text, int64_t *bytes_out, struct mr_error *err)
{
	mr_str rest = text;
	int64_t n, total = 0;
	const struct unit *unit = NULL;
	if (take_number(&rest, &n))
		unit = take_unit(&rest, size_units, MR_COUNT(size_units));
	if (!unit || rest.len || !add_part(&total, n, unit))
		return mr_fail(err, MR_ERR_INVALID, "expected a size such as 128MiB, got '%.*s'",
			       MR_FMT(text));
	*bytes_out = total;
	return 0;
}

int conf_parse_duration(mr_str text, int64_t *ms_out, struct mr_error *err)
{
	mr_str rest = text;
	int64_t total = 0;
	do {
		int64_t n;
		const struct unit *unit = NULL;
		if (take_number(&rest, &n))
			unit = take_unit(&rest, duration_units, MR_COUNT(duration_units));
		if (!unit || !add_part(&total, n, unit))
			return mr_fail(err, MR_ERR_INVALID,
				       "expected a duration such as 5s or 7d, got '%.*s'", MR_FMT(text));
	} while (rest.len);
	*ms_out = total;
	return 0;
}
