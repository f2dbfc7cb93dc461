/* store/s3_xml.c - what is read of S3's answers: elements by name, without attributes or nesting of the same
 * name, which is all that S3 sends. */
#include "base/mem.h"
#include "base/vec.h"
#include "store/s3.h"

#include <stdlib.h>
#include <time.h>

/* The content of the next element of that name at or behind *at; false at the end. *at goes behind it. */
static bool next_element(mr_str xml, const char *name, size_t *at, mr_str *content)
{
	size_t len = strlen(name);
	while (*at < xml.len) {
		const char *open = memchr(xml.ptr + *at, '<', xml.len - *at);
		if (!open)
			return false;
		size_t start = (size_t)(open - xml.ptr) + 1;
		*at = start;
		if (xml.len - start <= len || memcmp(xml.ptr + start, name, len) != 0 ||
		    xml.ptr[start + len] != '>')
			continue;
		start += len + 1;
		char *closing = mr_asprintf("</%s>", name);
		const char *end = memmem(xml.ptr + start, xml.len - start, closing, len + 3);
		free(closing);
		if (!end)
			return false;
		*content = mr_str_n(xml.ptr + start, (size_t)(end - xml.ptr) - start);
		*at = start + content->len + len + 3;
		return true;
	}
	return false;
}

static void put_code_point(struct mr_buf *out, unsigned long c)
{
	if (c < 0x80) {
		mr_buf_char(out, (char)c);
	} else if (c < 0x800) {
		mr_buf_char(out, (char)(0xC0 | c >> 6));
		mr_buf_char(out, (char)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		mr_buf_char(out, (char)(0xE0 | c >> 12));
		mr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
		mr_buf_char(out, (char)(0x80 | (c & 0x3F)));
	} else {
		mr_buf_char(out, (char)(0xF0 | (c >> 18 & 7)));
		mr_buf_char(out, (char)(0x80 | (c >> 12 & 0x3F)));
		mr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
		mr_buf_char(out, (char)(0x80 | (c & 0x3F)));
	}
}

static void put_entity(struct mr_buf *out, mr_str entity)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
	for (size_t i = 0; i < MR_COUNT(known); i++)
		if (mr_str_is(entity, known[i].name))
			mr_buf_char(out, known[i].c);
	if (entity.len < 2 || *entity.ptr != '#')
		return;
	bool hex = entity.ptr[1] == 'x';
	char *digits = mr_strndup(mr_str_tail(entity, hex ? 2 : 1));
	unsigned long c = strtoul(digits, NULL, hex ? 16 : 10);
	if (c && c < 0x110000)
		put_code_point(out, c);
	free(digits);
}

static void unescape(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		const char *end = text.ptr[i] == '&' ? memchr(text.ptr + i, ';', text.len - i) : NULL;
		if (!end) {
			mr_buf_char(out, text.ptr[i]);
			continue;
		}
		size_t len = (size_t)(end - text.ptr) - i;
		put_entity(out, mr_str_n(text.ptr + i + 1, len - 1));
		i += len;
	}
}

bool s3_xml_text(mr_str xml, const char *name, struct mr_buf *out)
{
	size_t at = 0;
	mr_str content;
	if (!next_element(xml, name, &at, &content))
		return false;
	unescape(out, content);
	return true;
}

struct entry {
	char *key;
	struct store_info info;
};

struct page {
	MR_VEC(struct entry) entries;
};

static int64_t number_in(mr_str xml, const char *name)
{
	struct mr_buf text = {0};
	long long value = s3_xml_text(xml, name, &text) ? strtoll(text.ptr ? text.ptr : "", NULL, 10) : 0;
	mr_buf_release(&text);
	return value;
}

/* "2026-11-24T00:00:01.000Z"; whole seconds, as Last-Modified tells them. */
static int64_t time_in(mr_str xml)
{
	struct mr_buf text = {0};
	struct tm tm = {0};
	int64_t ms = 0;
	if (s3_xml_text(xml, "LastModified", &text) && text.ptr &&
	    strptime(text.ptr, "%Y-%m-%dT%H:%M:%S", &tm))
		ms = (int64_t)timegm(&tm) * 1000;
	mr_buf_release(&text);
	return ms;
}

static int add_entry(struct page *page, mr_str xml, bool is_prefix, struct mr_error *err)
{
	struct mr_buf key = {0};
	if (!s3_xml_text(xml, is_prefix ? "Prefix" : "Key", &key) || !key.len || key.len > STORE_KEY_MAX) {
		mr_buf_release(&key);
		return mr_fail(err, MR_ERR_CORRUPT, "S3's listing has an entry without a usable key");
	}
	struct store_info info = {.is_prefix = is_prefix};
	if (!is_prefix)
		info = (struct store_info){number_in(xml, "Size"), time_in(xml), false};
	mr_vec_push(&page->entries, (struct entry){mr_buf_take(&key), info});
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

int s3_xml_list(mr_str xml, store_list_fn fn, void *arg, struct mr_buf *next, struct mr_error *err)
{
	static const char *const kinds[] = {"Contents", "CommonPrefixes"};
	struct page page = {0};
	struct mr_buf truncated = {0};
	mr_str content;
	int rc = 0;
	for (size_t kind = 0; kind < 2; kind++)
		for (size_t at = 0; rc == 0 && next_element(xml, kinds[kind], &at, &content);)
			rc = add_entry(&page, content, kind == 1, err);
	if (rc == 0 && !s3_xml_text(xml, "IsTruncated", &truncated))
		rc = mr_fail(err, MR_ERR_CORRUPT, "S3's answer is no listing");
	if (rc == 0 && mr_str_is(mr_buf_view(&truncated), "true") &&
	    !s3_xml_text(xml, "NextContinuationToken", next))
		rc = mr_fail(err, MR_ERR_CORRUPT, "S3's listing breaks off without a token");
	if (page.entries.len)
		qsort(page.entries.items, page.entries.len, sizeof *page.entries.items, compare_entries);
	for (size_t i = 0; i < page.entries.len; i++) {
		if (rc == 0)
			rc = fn(arg, mr_str_from(page.entries.items[i].key), &page.entries.items[i].info);
		free(page.entries.items[i].key);
	}
	mr_vec_release(&page.entries);
	mr_buf_release(&truncated);
	return rc;
}
