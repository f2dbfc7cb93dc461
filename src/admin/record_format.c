#include "admin/record_format.h"

#include "base/vec.h"
#include "codec/columns.h"
#include "codec/json.h"

#include <stdlib.h>

struct piece {
	char letter; /* 0: the text */
	char *text;
	size_t len;
};

struct record_format {
	bool json;
	MR_VEC(struct piece) pieces;
};

static void add_text(struct record_format *format, struct mr_buf *text)
{
	if (!text->len)
		return;
	char *copy = mr_alloc(text->len);
	memcpy(copy, text->ptr, text->len);
	mr_vec_push(&format->pieces, ((struct piece){0, copy, text->len}));
	mr_buf_clear(text);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* What stands after a backslash at text[0]; how many characters of it, 0: unknown. */
static size_t read_escape(mr_str text, char *out)
{
	static const char from[] = "nrt0\\", to[] = "\n\r\t\0\\";
	if (!text.len)
		return 0;
	const char *found = memchr(from, text.ptr[0], sizeof from - 1);
	if (found) {
		*out = to[found - from];
		return 1;
	}
	if (text.len < 3 || text.ptr[0] != 'x' || hex_digit(text.ptr[1]) < 0 || hex_digit(text.ptr[2]) < 0)
		return 0;
	*out = (char)(hex_digit(text.ptr[1]) << 4 | hex_digit(text.ptr[2]));
	return 3;
}

/* One element of the format at text[0]; how many characters it took, 0: unknown. */
static size_t read_element(struct record_format *format, mr_str text, struct mr_buf *plain)
{
	char c = text.ptr[0];
	if (c == '\\') {
		size_t n = read_escape(mr_str_tail(text, 1), &c);
		if (n)
			mr_buf_char(plain, c);
		return n ? n + 1 : 0;
	}
	if (c != '%') {
		mr_buf_char(plain, c);
		return 1;
	}
	if (text.len < 2 || !memchr("tpoThkKvVsS%", text.ptr[1], 12))
		return 0;
	if (text.ptr[1] == '%') {
		mr_buf_char(plain, '%');
		return 2;
	}
	add_text(format, plain);
	mr_vec_push(&format->pieces, ((struct piece){text.ptr[1], NULL, 0}));
	return 2;
}

int record_format_parse(mr_str text, struct record_format **out, struct mr_error *err)
{
	struct record_format *format = mr_calloc(1, sizeof *format);
	struct mr_buf plain = {0};
	format->json = mr_str_is(text, "json");
	int rc = 0;
	for (mr_str rest = text; rest.len && !format->json && rc == 0;) {
		size_t n = read_element(format, rest, &plain);
		if (n) {
			rest = mr_str_tail(rest, n);
			continue;
		}
		mr_fail(err, MR_ERR_INVALID, "\"%.*s\" is nothing that a format can hold",
			(int)mr_min_size(rest.len, 2), rest.ptr);
		rc = mr_hint(
		    err, "%%t topic, %%p partition, %%o offset, %%k key, %%v value, %%h headers, %%T time, "
			 "%%K %%V their bytes, \\n \\t, or \"json\"");
	}
	add_text(format, &plain);
	mr_buf_release(&plain);
	if (rc < 0) {
		record_format_free(format);
		return rc;
	}
	*out = format;
	return 0;
}

void record_format_free(struct record_format *format)
{
	if (!format)
		return;
	for (size_t i = 0; i < format->pieces.len; i++)
		free(format->pieces.items[i].text);
	mr_vec_release(&format->pieces);
	free(format);
}

static int put_headers(const struct record *record, struct mr_buf *out, struct mr_error *err)
{
	mr_str cursor = record->headers;
	struct record_header header;
	int rc, n = 0;
	while ((rc = record_header_next(&cursor, &header, err)) == 1) {
		if (n++)
			mr_buf_char(out, ',');
		mr_buf_str(out, header.key);
		mr_buf_char(out, '=');
		if (header.value.ptr)
			mr_buf_str(out, header.value);
	}
	return rc;
}

static void put_text_or_null(struct json_writer *w, const char *name, mr_str text)
{
	json_key(w, name);
	if (text.ptr)
		json_put_str(w, text);
	else
		json_put_null(w);
}

static int put_json(mr_str topic, int32_t partition, const struct record *record, struct mr_buf *out,
		    struct mr_error *err)
{
	struct json_writer w = json_writer(out);
	char time[32];
	mr_str cursor = record->headers;
	struct record_header header;
	int rc;
	format_timestamp_ms(record->timestamp, time);
	json_begin_object(&w);
	json_member_str(&w, "topic", topic);
	json_member_int(&w, "partition", partition);
	json_member_int(&w, "offset", record->offset);
	json_member_cstr(&w, "timestamp", time);
	put_text_or_null(&w, "key", record->key);
	put_text_or_null(&w, "value", record->value);
	if (record->header_count) {
		json_key(&w, "headers");
		json_begin_array(&w);
	}
	while ((rc = record_header_next(&cursor, &header, err)) == 1) {
		json_begin_object(&w);
		json_member_str(&w, "key", header.key);
		put_text_or_null(&w, "value", header.value);
		json_end_object(&w);
	}
	if (record->header_count)
		json_end_array(&w);
	json_end_object(&w);
	mr_buf_char(out, '\n');
	return rc;
}

static int put_letter(char letter, mr_str topic, int32_t partition, const struct record *record,
		      struct mr_buf *out, struct mr_error *err)
{
	switch (letter) {
	case 't':
		mr_buf_str(out, topic);
		break;
	case 'p':
		mr_buf_printf(out, "%d", (int)partition);
		break;
	case 'o':
		mr_buf_printf(out, "%lld", (long long)record->offset);
		break;
	case 'T':
		mr_buf_printf(out, "%lld", (long long)record->timestamp);
		break;
	case 'k':
		mr_buf_str(out, record->key);
		break;
	case 'K':
		mr_buf_printf(out, "%zu", record->key.len);
		break;
	case 'v':
	case 's':
		mr_buf_str(out, record->value);
		break;
	case 'V':
	case 'S':
		mr_buf_printf(out, "%zu", record->value.len);
		break;
	default: /* h */
		return put_headers(record, out, err);
	}
	return 0;
}

int record_format_put(const struct record_format *format, mr_str topic, int32_t partition,
		      const struct record *record, struct mr_buf *out, struct mr_error *err)
{
	if (format->json)
		return put_json(topic, partition, record, out, err);
	int rc = 0;
	for (size_t i = 0; i < format->pieces.len && rc == 0; i++) {
		const struct piece *piece = &format->pieces.items[i];
		if (piece->letter)
			rc = put_letter(piece->letter, topic, partition, record, out, err);
		else
			mr_buf_append(out, piece->text, piece->len);
	}
	return rc;
}
