#include "codec/template_filter.h"

#include "codec/columns.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* json_quote puts quotes around; both are cut off again, in place. */
void template_quote_inner(struct mr_buf *out, mr_str text)
{
	size_t start = out->len;
	json_quote(out, text);
	if (out->overflow || out->len < start + 2)
		return;
	memmove(out->ptr + start, out->ptr + start + 1, out->len - start - 2);
	out->len -= 2;
	out->ptr[out->len] = 0;
}

/* ---- text to text ---- */

static mr_str iso(int64_t ms, char *small)
{
	format_timestamp_ms(ms, small);
	return mr_str_from(small);
}

static int month_of(const char *name)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++) {
		if (memcmp(months + i * 3, name, 3) == 0)
			return i + 1;
	}
	return 0;
}

static bool put_digits(char *to, const char *from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (from[i] < '0' || from[i] > '9')
			return false;
		to[i] = from[i];
	}
	return true;
}

static mr_str parse_to_iso(mr_str text, char *small)
{
	int64_t us;
	if (!parse_timestamp_us(text, &us))
		return MR_STR_NULL;
	return iso(us >= 0 ? us / 1000 : -((-us + 999) / 1000), small);
}

/* "17/May/2015:10:05:03 +0200", the common log format's time. */
static mr_str filter_clf(const struct template_filter_input *in, mr_str text, char *small,
			 struct mr_buf *scratch)
{
	(void)in;
	(void)scratch;
	const char *p = text.ptr;
	char rfc3339[] = "0000-00-00T00:00:00+00:00";
	if (text.len != 26 || p[2] != '/' || p[6] != '/' || p[11] != ':' || p[14] != ':' || p[17] != ':' ||
	    p[20] != ' ' || (p[21] != '+' && p[21] != '-'))
		return MR_STR_NULL;
	int month = month_of(p + 3);
	rfc3339[5] = (char)('0' + month / 10);
	rfc3339[6] = (char)('0' + month % 10);
	rfc3339[19] = p[21];
	if (!month || !put_digits(rfc3339, p + 7, 4) || !put_digits(rfc3339 + 8, p, 2) ||
	    !put_digits(rfc3339 + 11, p + 12, 2) || !put_digits(rfc3339 + 14, p + 15, 2) ||
	    !put_digits(rfc3339 + 17, p + 18, 2) || !put_digits(rfc3339 + 20, p + 22, 2) ||
	    !put_digits(rfc3339 + 23, p + 24, 2))
		return MR_STR_NULL;
	return parse_to_iso(MR_STR(rfc3339), small);
}

/* "Jan  2 03:04:05" has no year: the one that puts it nearest before tomorrow. */
static mr_str bsd_to_iso(mr_str text, int64_t now_ms, char *small)
{
	char rfc3339[] = "0000-00-00T00:00:00Z", now[32];
	const char *p = text.ptr;
	int month = month_of(p);
	char day[2] = {p[4] == ' ' ? '0' : p[4], p[5]};
	format_timestamp_ms(now_ms + 86400000, now);
	rfc3339[5] = (char)('0' + month / 10);
	rfc3339[6] = (char)('0' + month % 10);
	if (!month || !put_digits(rfc3339 + 8, day, 2) || !put_digits(rfc3339 + 11, p + 7, 2) ||
	    !put_digits(rfc3339 + 14, p + 10, 2) || !put_digits(rfc3339 + 17, p + 13, 2))
		return MR_STR_NULL;
	int year = (int)strtol(now, NULL, 10);
	if (memcmp(rfc3339 + 5, now + 5, 14) > 0)
		year--;
	for (int i = 3; i >= 0; i--, year /= 10)
		rfc3339[i] = (char)('0' + year % 10);
	return parse_to_iso(MR_STR(rfc3339), small);
}

static mr_str filter_iso(const struct template_filter_input *in, mr_str text, char *small,
			 struct mr_buf *scratch)
{
	(void)scratch;
	if (text.len == 15 && text.ptr[3] == ' ' && text.ptr[6] == ' ')
		return bsd_to_iso(text, in->now_ms, small);
	return parse_to_iso(text, small);
}

/* strtod and friends want a NUL; numbers longer than this are none. */
static bool copy_number(mr_str text, char to[64])
{
	if (text.len == 0 || text.len >= 64)
		return false;
	memcpy(to, text.ptr, text.len);
	to[text.len] = 0;
	return true;
}

static bool parse_double(mr_str text, double *out)
{
	char copy[64], *end;
	char first = text.len ? text.ptr[0] : 0;
	bool plain = (first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.';
	if (!plain || !copy_number(text, copy) || strpbrk(copy, "xXnNiI"))
		return false;
	double v = strtod(copy, &end);
	if (*end || end == copy || !isfinite(v))
		return false;
	*out = v;
	return true;
}

static mr_str epoch(mr_str text, double ms_per_unit, char *small)
{
	double v;
	/* Years 0 to 9999: what ISO 8601 writes in four digits. */
	if (!parse_double(text, &v) || v * ms_per_unit < -62167219200000.0 ||
	    v * ms_per_unit >= 253402300800000.0)
		return MR_STR_NULL;
	return iso((int64_t)floor(v * ms_per_unit), small);
}

static mr_str filter_epoch(const struct template_filter_input *in, mr_str text, char *small,
			   struct mr_buf *scratch)
{
	(void)in;
	(void)scratch;
	return epoch(text, 1000, small);
}

static mr_str filter_epoch_ms(const struct template_filter_input *in, mr_str text, char *small,
			      struct mr_buf *scratch)
{
	(void)in;
	(void)scratch;
	return epoch(text, 1, small);
}

static mr_str change_case(mr_str text, char first, char last, struct mr_buf *scratch)
{
	struct mr_buf changed = {0};
	mr_buf_str(&changed, text);
	for (size_t i = 0; i < changed.len; i++) {
		if (changed.ptr[i] >= first && changed.ptr[i] <= last)
			changed.ptr[i] = (char)(changed.ptr[i] ^ 0x20);
	}
	/* The text may view the scratch buffer, so it is replaced only now that it is copied. */
	mr_buf_clear(scratch);
	mr_buf_str(scratch, mr_buf_view(&changed));
	mr_buf_release(&changed);
	return mr_buf_view(scratch);
}

static mr_str filter_lower(const struct template_filter_input *in, mr_str text, char *small,
			   struct mr_buf *scratch)
{
	(void)in;
	(void)small;
	return change_case(text, 'A', 'Z', scratch);
}

static mr_str filter_upper(const struct template_filter_input *in, mr_str text, char *small,
			   struct mr_buf *scratch)
{
	(void)in;
	(void)small;
	return change_case(text, 'a', 'z', scratch);
}

static mr_str filter_trim(const struct template_filter_input *in, mr_str text, char *small,
			  struct mr_buf *scratch)
{
	(void)in;
	(void)small;
	(void)scratch;
	while (text.len && (unsigned char)text.ptr[0] <= ' ')
		text = mr_str_tail(text, 1);
	while (text.len && (unsigned char)text.ptr[text.len - 1] <= ' ')
		text.len--;
	return text;
}

/* Logs write "-" for "nothing". */
static mr_str filter_dash(const struct template_filter_input *in, mr_str text, char *small,
			  struct mr_buf *scratch)
{
	(void)in;
	(void)small;
	(void)scratch;
	return mr_str_is(text, "-") || text.len == 0 ? MR_STR_NULL : text;
}

/* ---- text to JSON values ---- */

static bool put_null(struct mr_buf *out)
{
	mr_buf_append(out, "null", 4);
	return false;
}

static bool value_json(const struct template_filter_input *in, mr_str text, struct mr_buf *out)
{
	if (!text.ptr)
		return put_null(out);
	if (json_present(in->json))
		json_write_value(out, in->json);
	else
		json_quote(out, text);
	return true;
}

static bool value_int(const struct template_filter_input *in, mr_str text, struct mr_buf *out)
{
	(void)in;
	size_t i = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
	bool negative = i && text.ptr[0] == '-';
	int64_t v = 0;
	if (i >= text.len)
		return put_null(out);
	for (; i < text.len; i++) {
		int digit = text.ptr[i] - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v)) /* negative: INT64_MIN has no positive */
			return put_null(out);
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, v, &v))
		return put_null(out);
	size_t digits = text.len - (negative ? 1 : 0);
	bool canonical = text.ptr[0] != '+' && (digits == 1 || text.ptr[text.len - digits] != '0') && v != 0;
	if (MR_LIKELY(canonical)) {
		mr_buf_str(out, text);
		return true;
	}
	struct json_writer w = json_writer(out);
	json_put_int(&w, v);
	return true;
}

static bool value_float(const struct template_filter_input *in, mr_str text, struct mr_buf *out)
{
	(void)in;
	double v;
	if (!parse_double(text, &v))
		return put_null(out);
	struct json_writer w = json_writer(out);
	json_put_double(&w, v);
	return true;
}

static bool value_bool(const struct template_filter_input *in, mr_str text, struct mr_buf *out)
{
	(void)in;
	static const struct {
		const char *word;
		const char *json;
	} words[] = {
	    {"true", "true"},   {"1", "true"},  {"yes", "true"}, {"on", "true"},
	    {"false", "false"}, {"0", "false"}, {"no", "false"}, {"off", "false"},
	};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (text.ptr && mr_str_is(text, words[i].word)) {
			mr_buf_cstr(out, words[i].json);
			return true;
		}
	}
	return put_null(out);
}

static const struct template_filter filters[] = {
    {"json", true, NULL, value_json},     {"int", true, NULL, value_int},
    {"float", true, NULL, value_float},   {"bool", true, NULL, value_bool},
    {"clf", false, filter_clf, NULL},     {"iso", false, filter_iso, NULL},
    {"epoch", false, filter_epoch, NULL}, {"epoch_ms", false, filter_epoch_ms, NULL},
    {"lower", false, filter_lower, NULL}, {"upper", false, filter_upper, NULL},
    {"trim", false, filter_trim, NULL},   {"dash", false, filter_dash, NULL},
};

const struct template_filter *template_filter_find(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(filters); i++) {
		if (mr_str_is(name, filters[i].name))
			return &filters[i];
	}
	return NULL;
}

const char *template_filter_names(void)
{
	return "json int float bool clf iso epoch epoch_ms lower upper trim dash";
}
