/* codec/json_columns_store.c - JSON tokens into typed values: one small function a type. */
#include "codec/json_columns_scan.h"

#include <math.h>

bool json_number_valid(mr_str text, bool *integer)
{
	const char *p = text.ptr, *end = text.ptr + text.len;
	p += p < end && *p == '-';
	const char *digits = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == digits || (*digits == '0' && p - digits > 1))
		return false;
	*integer = p == end;
	if (p < end && *p == '.') {
		digits = ++p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == digits)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		digits = p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == digits)
			return false;
	}
	return p == end;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of \uXXXX, or -1. */
static int32_t hex_quad(const char *p, const char *end)
{
	if (end - p < 4)
		return -1;
	int32_t value = 0;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	}
	return out;
}

/* p is after "\u"; returns what is after the escape, or NULL. */
static const char *unescape_unicode(const char *p, const char *end, uint32_t *code)
{
	int32_t high = hex_quad(p, end);
	if (high < 0 || (high >= 0xdc00 && high < 0xe000))
		return NULL;
	p += 4;
	*code = (uint32_t)high;
	if (high < 0xd800 || high >= 0xe000)
		return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return NULL;
	int32_t low = hex_quad(p + 2, end);
	if (low < 0xdc00 || low >= 0xe000)
		return NULL;
	*code = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
	return p + 6;
}

bool json_unescape(mr_str escaped, struct arena *arena, mr_str *out)
{
	static const char plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
					['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
	/* An escape is never shorter than what it stands for. */
	char *start = arena_alloc(arena, escaped.len), *to = start;
	const char *p = escaped.ptr, *end = escaped.ptr + escaped.len;
	while (p < end) {
		const char *backslash = memchr(p, '\\', (size_t)(end - p));
		size_t run = (size_t)((backslash ? backslash : end) - p);
		memcpy(to, p, run);
		to += run;
		p += run;
		if (p == end)
			break;
		if (end - p < 2)
			return false;
		char what = p[1];
		p += 2;
		if (what == 'u') {
			uint32_t code;
			p = unescape_unicode(p, end, &code);
			if (!p)
				return false;
			to = put_utf8(to, code);
		} else if (plain[(unsigned char)what]) {
			*to++ = plain[(unsigned char)what];
		} else {
			return false;
		}
	}
	*out = mr_str_n(start, (size_t)(to - start));
	return true;
}

static int base64_digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* RFC 4648, both alphabets, padding optional. */
static bool unbase64(mr_str text, struct arena *arena, mr_str *out)
{
	while (text.len && text.ptr[text.len - 1] == '=' && text.len % 4 != 1)
		text.len--;
	if (text.len % 4 == 1)
		return false;
	uint8_t *start = arena_alloc(arena, text.len / 4 * 3 + 3), *to = start;
	uint32_t bits = 0;
	int held = 0;
	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit((unsigned char)text.ptr[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (uint8_t)(bits >> held);
		}
	}
	*out = mr_str_n(start, (size_t)(to - start));
	return true;
}

/* ---- numbers ---- */

static bool integer_of(const struct json_token *token, int64_t *out)
{
	if (token->kind != JSON_TOKEN_NUMBER)
		return false;
	if (!token->integer) {
		/* 1.0 and 1e3 are integers to JSON Schema. */
		double d;
		if (!json_scan_double(token->text, &d) || d != trunc(d) || d < -0x1p63 || d >= 0x1p63)
			return false;
		*out = (int64_t)d;
		return true;
	}
	const char *p = token->text.ptr, *end = p + token->text.len;
	bool negative = *p == '-';
	p += negative;
	if (end - p > 19)
		return false;
	uint64_t magnitude = 0; /* 19 digits fit */
	for (; p < end; p++)
		magnitude = magnitude * 10 + (uint64_t)(*p - '0');
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}

static bool integer_within(const struct json_token *token, int64_t least, int64_t most, int64_t *out)
{
	return integer_of(token, out) && *out >= least && *out <= most;
}

/* Takes digits with one optional point; *exponent falls by one for each after the point. */
static bool decimal_digits(const char **at, const char *end, __int128 *value, int *exponent)
{
	const __int128 digits_37 = (__int128)INT64_C(10000000000000000) * INT64_C(1000000000000000000) * 1000;
	const char *p = *at;
	bool point = false, any = false;
	for (; p < end && (*p == '.' || (*p >= '0' && *p <= '9')); p++) {
		if (*p == '.') {
			if (point)
				return false;
			point = true;
			continue;
		}
		if (*value >= digits_37)
			return false;
		*value = *value * 10 + (*p - '0');
		*exponent -= point;
		any = true;
	}
	*at = p;
	return any;
}

static bool decimal_exponent(const char *p, const char *end, int *exponent)
{
	if (p == end)
		return true;
	if (*p != 'e' && *p != 'E')
		return false;
	p++;
	bool negative = p < end && *p == '-';
	p += p < end && (*p == '-' || *p == '+');
	if (p == end || end - p > 3)
		return false;
	int value = 0;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
	}
	*exponent += negative ? -value : value;
	return true;
}

/* Exact: a digit that the scale has no place for is refused, not rounded. */
static bool decimal_of(mr_str text, uint8_t precision, uint8_t scale, __int128 *out)
{
	const char *p = text.ptr, *end = p + text.len;
	bool negative = p < end && *p == '-';
	p += negative;
	__int128 value = 0, limit = 1;
	int exponent = scale;
	if (!decimal_digits(&p, end, &value, &exponent) || !decimal_exponent(p, end, &exponent))
		return false;
	for (int i = 0; i < precision; i++)
		limit *= 10;
	for (; exponent > 0 && value; exponent--) {
		if (value >= limit)
			return false;
		value *= 10;
	}
	for (; exponent < 0 && value; exponent++) {
		if (value % 10)
			return false;
		value /= 10;
	}
	if (value >= limit)
		return false;
	*out = negative ? -value : value;
	return true;
}

/* ---- times ---- */

#define EPOCH_SECONDS_BELOW 1e11 /* larger numbers are milliseconds */

static bool epoch_us(const struct json_token *token, int64_t *out)
{
	int64_t n;
	if (token->integer && integer_of(token, &n)) {
		bool seconds = n > -(int64_t)EPOCH_SECONDS_BELOW && n < (int64_t)EPOCH_SECONDS_BELOW;
		return !__builtin_mul_overflow(n, seconds ? 1000000 : 1000, out);
	}
	double d;
	if (token->integer || !json_scan_double(token->text, &d))
		return false;
	d *= fabs(d) < EPOCH_SECONDS_BELOW ? 1e6 : 1e3;
	if (!(fabs(d) < 0x1p62))
		return false;
	*out = llround(d);
	return true;
}

/* ---- the table ---- */

typedef bool store_fn(const struct json_token *token, const struct column_def *def, void *values, size_t row,
		      struct arena *arena);

#define STORE_INTEGER(name, type, least, most) \
	static bool name(const struct json_token *token, const struct column_def *def, void *values, \
			 size_t row, struct arena *arena) \
	{ \
		int64_t n; \
		if (!integer_within(token, least, most, &n)) \
			return false; \
		((type *)values)[row] = (type)n; \
		return true; \
	}
STORE_INTEGER(store_byte, int8_t, INT8_MIN, INT8_MAX)
STORE_INTEGER(store_short, int16_t, INT16_MIN, INT16_MAX)
STORE_INTEGER(store_integer, int32_t, INT32_MIN, INT32_MAX)
STORE_INTEGER(store_long, int64_t, INT64_MIN, INT64_MAX)

static bool store_boolean(const struct json_token *token, const struct column_def *def, void *values,
			  size_t row, struct arena *arena)
{
	((uint8_t *)values)[row] = token->kind == JSON_TOKEN_TRUE;
	return token->kind == JSON_TOKEN_TRUE || token->kind == JSON_TOKEN_FALSE;
}

static bool store_float(const struct json_token *token, const struct column_def *def, void *values,
			size_t row, struct arena *arena)
{
	double d;
	if (token->kind != JSON_TOKEN_NUMBER || !json_scan_double(token->text, &d) || isinf((float)d))
		return false;
	((float *)values)[row] = (float)d;
	return true;
}

static bool store_double(const struct json_token *token, const struct column_def *def, void *values,
			 size_t row, struct arena *arena)
{
	return token->kind == JSON_TOKEN_NUMBER && json_scan_double(token->text, &((double *)values)[row]);
}

/* Money is often sent as a string, to keep its digits from a double. */
static bool store_decimal(const struct json_token *token, const struct column_def *def, void *values,
			  size_t row, struct arena *arena)
{
	return (token->kind == JSON_TOKEN_NUMBER || token->kind == JSON_TOKEN_STRING) &&
	       decimal_of(token->text, def->precision, def->scale, &((__int128 *)values)[row]);
}

static bool store_string(const struct json_token *token, const struct column_def *def, void *values,
			 size_t row, struct arena *arena)
{
	((mr_str *)values)[row] = token->text;
	return token->kind == JSON_TOKEN_STRING;
}

static bool store_binary(const struct json_token *token, const struct column_def *def, void *values,
			 size_t row, struct arena *arena)
{
	return token->kind == JSON_TOKEN_STRING && unbase64(token->text, arena, &((mr_str *)values)[row]);
}

static bool store_date(const struct json_token *token, const struct column_def *def, void *values, size_t row,
		       struct arena *arena)
{
	return token->kind == JSON_TOKEN_STRING && parse_date_days(token->text, &((int32_t *)values)[row]);
}

static bool store_timestamp(const struct json_token *token, const struct column_def *def, void *values,
			    size_t row, struct arena *arena)
{
	int64_t *to = &((int64_t *)values)[row];
	if (token->kind == JSON_TOKEN_STRING)
		return parse_timestamp_us(token->text, to);
	return token->kind == JSON_TOKEN_NUMBER && epoch_us(token, to);
}

static bool store_json(const struct json_token *token, const struct column_def *def, void *values, size_t row,
		       struct arena *arena)
{
	((mr_str *)values)[row] = token->raw;
	return true;
}

bool json_token_store(const struct json_token *token, const struct column_def *def, void *values, size_t row,
		      struct arena *arena)
{
	static store_fn *const stores[] = {
	    [COL_BOOLEAN] = store_boolean,
	    [COL_BYTE] = store_byte,
	    [COL_SHORT] = store_short,
	    [COL_INTEGER] = store_integer,
	    [COL_LONG] = store_long,
	    [COL_FLOAT] = store_float,
	    [COL_DOUBLE] = store_double,
	    [COL_DECIMAL] = store_decimal,
	    [COL_STRING] = store_string,
	    [COL_BINARY] = store_binary,
	    [COL_DATE] = store_date,
	    [COL_TIMESTAMP] = store_timestamp,
	    [COL_TIMESTAMP_NTZ] = store_timestamp,
	    [COL_JSON] = store_json,
	};
	return stores[def->type](token, def, values, row, arena);
}
