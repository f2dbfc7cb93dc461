/* codec/jsonschema_format.c - the formats of draft-07 §7.3 that contracts use.
 *
 * date-time, date, time: RFC 3339 §5.6, to the letter (T or t, Z or z, a zone is needed, a leap
 * second only at 23:59:60 UTC). uuid: RFC 4122, any version. uri: RFC 3986, with a scheme.
 * email: RFC 5321 §4.1.2 without quoted local parts. hostname: RFC 1123.
 */
#include "codec/jsonschema_node.h"

#include <arpa/inet.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_hex(char c)
{
	return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* Exactly n digits at `at`; -1 when they are not there. */
static int digits(mr_str s, size_t at, size_t n)
{
	int value = 0;
	if (s.len < at + n)
		return -1;
	for (size_t i = at; i < at + n; i++) {
		if (!is_digit(s.ptr[i]))
			return -1;
		value = value * 10 + (s.ptr[i] - '0');
	}
	return value;
}

static bool char_at(mr_str s, size_t at, char c)
{
	return at < s.len && s.ptr[at] == c;
}

static bool format_date(mr_str s)
{
	static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = digits(s, 0, 4), month = digits(s, 5, 2), day = digits(s, 8, 2);
	if (s.len != 10 || s.ptr[4] != '-' || s.ptr[7] != '-')
		return false;
	if (year < 0 || month < 1 || month > 12 || day < 1 || day > month_days[month - 1])
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month != 2 || day < 29 || leap;
}

static bool format_time(mr_str s)
{
	int hour = digits(s, 0, 2), minute = digits(s, 3, 2), second = digits(s, 6, 2);
	if (!char_at(s, 2, ':') || !char_at(s, 5, ':') || hour < 0 || hour > 23 || minute < 0 ||
	    minute > 59 || second < 0 || second > 60)
		return false;
	size_t at = 8;
	if (char_at(s, at, '.')) {
		size_t from = ++at;
		while (at < s.len && is_digit(s.ptr[at]))
			at++;
		if (at == from)
			return false;
	}
	int zone = 0; /* minutes east */
	if (char_at(s, at, 'Z') || char_at(s, at, 'z')) {
		at++;
	} else {
		int h = digits(s, at + 1, 2), m = digits(s, at + 4, 2);
		if ((!char_at(s, at, '+') && !char_at(s, at, '-')) || !char_at(s, at + 3, ':') || h < 0 ||
		    h > 23 || m < 0 || m > 59)
			return false;
		zone = (h * 60 + m) * (s.ptr[at] == '-' ? -1 : 1);
		at += 6;
	}
	int utc = (hour * 60 + minute - zone + 2 * 1440) % 1440;
	return at == s.len && (second < 60 || utc == 1439);
}

static bool format_date_time(mr_str s)
{
	return s.len > 11 && (s.ptr[10] | 32) == 't' && format_date(mr_str_n(s.ptr, 10)) &&
	       format_time(mr_str_tail(s, 11));
}

static bool format_uuid(mr_str s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.ptr[i] != '-' : !is_hex(s.ptr[i]))
			return false;
	}
	return true;
}

static bool address_of(int family, mr_str s)
{
	char text[INET6_ADDRSTRLEN + 1], parsed[16];
	if (s.len >= sizeof text || (s.len && memchr(s.ptr, 0, s.len)))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = 0;
	return inet_pton(family, text, parsed) == 1;
}

static bool format_ipv4(mr_str s)
{
	return address_of(AF_INET, s);
}

static bool format_ipv6(mr_str s)
{
	return address_of(AF_INET6, s);
}

static bool format_hostname(mr_str s)
{
	if (s.len == 0 || s.len > 253)
		return false;
	size_t label = 0; /* its length so far */
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool border = label == 0 || i + 1 == s.len || s.ptr[i + 1] == '.';
		if (c == '.' && label) {
			label = 0;
			continue;
		}
		if (!(is_alpha(c) || is_digit(c) || (c == '-' && !border)) || ++label > 63)
			return false;
	}
	return label > 0;
}

/* scheme ":" then characters that RFC 3986 allows, percent signs with two hex digits; square
 * brackets only around a host, `#` once. */
static bool format_uri(mr_str s)
{
	size_t at = 0, fragments = 0;
	while (at < s.len &&
	       (is_alpha(s.ptr[at]) || (at && (is_digit(s.ptr[at]) || memchr("+-.", s.ptr[at], 3)))))
		at++;
	if (at == 0 || !char_at(s, at, ':'))
		return false;
	mr_str rest = mr_str_tail(s, at + 1);
	bool authority = mr_str_starts(rest, MR_STR("//"));
	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.ptr[i];
		if (i >= 2 && (c == '/' || c == '?' || c == '#'))
			authority = false;
		if (c == '%' && i + 2 < rest.len && is_hex(rest.ptr[i + 1]) && is_hex(rest.ptr[i + 2]))
			continue;
		fragments += c == '#';
		bool bracket = (c == '[' || c == ']') && authority;
		if (!is_alpha(c) && !is_digit(c) && !bracket && !(c && strchr("-._~:/?#@!$&'()*+,;=", c)))
			return false;
	}
	return fragments <= 1;
}

static bool format_email(mr_str s)
{
	static const char atext[] = "!#$%&'*+/=?^_`{|}~-";
	size_t at = 0;
	while (at < s.len && s.ptr[at] != '@')
		at++;
	if (at == 0 || at > 64 || at == s.len)
		return false;
	for (size_t i = 0; i < at; i++) {
		char c = s.ptr[i];
		bool dot = c == '.' && i && i + 1 < at && s.ptr[i - 1] != '.';
		/* beyond ASCII: RFC 6531 */
		if (!is_alpha(c) && !is_digit(c) && !dot && !(c & 0x80) && !(c && strchr(atext, c)))
			return false;
	}
	mr_str domain = mr_str_tail(s, at + 1);
	if (domain.len > 2 && domain.ptr[0] == '[' && domain.ptr[domain.len - 1] == ']') {
		mr_str inner = mr_str_n(domain.ptr + 1, domain.len - 2);
		return mr_str_starts(inner, MR_STR("IPv6:")) ? format_ipv6(mr_str_tail(inner, 5))
							     : format_ipv4(inner);
	}
	return format_hostname(domain);
}

static const struct {
	const char *name;
	schema_format_fn valid;
} formats[] = {
    {"date-time", format_date_time}, {"date", format_date}, {"time", format_time}, {"uuid", format_uuid},
    {"ipv4", format_ipv4},           {"ipv6", format_ipv6}, {"uri", format_uri},   {"email", format_email},
    {"hostname", format_hostname},
};

const char schema_format_list[] = "date-time, date, time, uuid, ipv4, ipv6, uri, email, hostname";

schema_format_fn schema_format_find(mr_str name, const char **name_out)
{
	for (size_t i = 0; i < MR_COUNT(formats); i++) {
		if (mr_str_is(name, formats[i].name)) {
			*name_out = formats[i].name;
			return formats[i].valid;
		}
	}
	return NULL;
}
