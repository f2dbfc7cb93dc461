/* The codec against another client's bytes, against itself, and against hostile input. */
#include "base/varint.h"
#include "env/disk_linux.h"
#include "env/rng.h"
#include "kafka/core.h"

#include "test.h"

#include <stdlib.h>

static void flatten(const struct wire_out *out, struct mr_buf *to)
{
	size_t from = 0;
	for (size_t i = 0; i <= out->splices.len; i++) {
		const struct wire_splice *s = i < out->splices.len ? &out->splices.items[i] : NULL;
		size_t end = s ? s->at : out->bytes.len;
		mr_buf_append(to, out->bytes.ptr + from, end - from);
		if (s)
			mr_buf_append(to, s->piece.bytes, s->piece.length);
		from = end;
	}
}

static void encode(const struct wire_struct *schema, const struct api *api, int version, const void *in,
		   struct mr_buf *to)
{
	struct wire_out out = {0};
	wire_encode(schema, version, version >= api->flexible, in, &out);
	flatten(&out, to);
	wire_out_release(&out);
}

/* ---- golden ---- */

struct golden {
	const struct api *api;
	const struct wire_struct *schema;
	int version;
	struct mr_buf bytes;
};

static const struct wire_struct *schema_named(mr_str name, const struct api **api)
{
	for (size_t i = 0; i < API_COUNT; i++) {
		const struct api *a = &kafka_apis[i];
		mr_str base = mr_str_from(a->name);
		if (!mr_str_starts(name, base))
			continue;
		*api = a;
		if (mr_str_is(mr_str_tail(name, base.len), "Request"))
			return a->request;
		if (mr_str_is(mr_str_tail(name, base.len), "Response"))
			return a->response;
	}
	return NULL;
}

/* "Name version hex" */
static void parse_golden(mr_str line, struct golden *g)
{
	const char *name_end = memchr(line.ptr, ' ', line.len);
	CHECK(name_end);
	g->schema = schema_named(mr_str_n(line.ptr, (size_t)(name_end - line.ptr)), &g->api);
	CHECK(g->schema);
	char *at;
	g->version = (int)strtol(name_end + 1, &at, 10);
	mr_buf_clear(&g->bytes);
	for (at++; at + 1 < line.ptr + line.len; at += 2) {
		char hex[3] = {at[0], at[1], 0};
		mr_buf_char(&g->bytes, (char)strtol(hex, NULL, 16));
	}
}

static int each_golden(void (*fn)(struct golden *g))
{
	struct mr_error err;
	struct mr_buf text = {0};
	struct golden g = {0};
	int count = 0;
	CHECK_OK(disk_read_file(disk_linux(), TEST_GOLDEN "/kafka_messages.txt", 1 << 20, &text, &err), err);
	mr_str rest = mr_buf_view(&text);
	while (rest.len) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		mr_str line = mr_str_n(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
		rest = mr_str_tail(rest, line.len + 1);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		parse_golden(line, &g);
		fn(&g);
		count++;
	}
	mr_buf_release(&g.bytes);
	mr_buf_release(&text);
	return count;
}

static int decode(const struct golden *g, mr_str bytes, struct arena *arena, void **out, struct mr_error *err)
{
	*out = arena_alloc(arena, g->schema->size);
	return wire_decode(g->schema, g->version, g->version >= g->api->flexible, bytes, arena, *out, err);
}

static void reencodes_alike(struct golden *g)
{
	struct arena arena = {0};
	struct mr_error err;
	struct mr_buf again = {0};
	void *message;
	CHECK_OK(decode(g, mr_buf_view(&g->bytes), &arena, &message, &err), err);
	encode(g->schema, g->api, g->version, message, &again);
	if (!mr_str_eq(mr_buf_view(&again), mr_buf_view(&g->bytes)))
		test_fail(__FILE__, __LINE__, "%s version %d is encoded otherwise", g->schema->name,
			  g->version);
	mr_buf_release(&again);
	arena_release(&arena);
}

TEST(wire_agrees_with_another_client_on_every_message)
{
	CHECK(each_golden(reencodes_alike) >= 334);
}

static void refuses_every_prefix(struct golden *g)
{
	struct arena arena = {0};
	struct mr_error err;
	void *message;
	for (size_t len = 0; len < g->bytes.len; len++) {
		/* A copy of just that size, so that a read past the end is seen. */
		char *exact = mr_alloc(len);
		memcpy(exact, g->bytes.ptr, len);
		CHECK_INT(decode(g, mr_str_n(exact, len), &arena, &message, &err), MR_ERR_CORRUPT);
		free(exact);
		arena_reset(&arena);
	}
	mr_buf_char(&g->bytes, 0);
	CHECK_INT(decode(g, mr_buf_view(&g->bytes), &arena, &message, &err), MR_ERR_CORRUPT);
	arena_release(&arena);
}

TEST(wire_refuses_messages_cut_at_any_byte)
{
	CHECK(each_golden(refuses_every_prefix) >= 334);
}

static void survives_any_byte(struct golden *g)
{
	static const char evil[] = {0, 1, 0x7f, (char)0x80, (char)0xff};
	struct arena arena = {0};
	struct mr_error err;
	void *message;
	for (size_t at = 0; at < g->bytes.len; at++) {
		char was = g->bytes.ptr[at];
		for (size_t i = 0; i < sizeof evil; i++) {
			g->bytes.ptr[at] = evil[i];
			if (decode(g, mr_buf_view(&g->bytes), &arena, &message, &err) == 0) {
				struct mr_buf again = {0};
				encode(g->schema, g->api, g->version, message, &again);
				mr_buf_release(&again);
			}
			arena_reset(&arena);
		}
		g->bytes.ptr[at] = was;
	}
	arena_release(&arena);
}

TEST(wire_survives_any_byte_changed)
{
	CHECK(each_golden(survives_any_byte) >= 334);
}

TEST(wire_refuses_names_with_a_nul_byte)
{
	/* OffsetFetch 1: a group, an empty array of topics. */
	static const char good[] = "\0\3abc\0\0\0\0", bad[] = "\0\3a\0c\0\0\0\0";
	const struct api *api = &kafka_apis[API_OffsetFetch];
	struct arena arena = {0};
	struct mr_error err;
	void *out = arena_alloc(&arena, api->request->size);
	CHECK_OK(wire_decode(api->request, 1, false, mr_str_n(good, 9), &arena, out, &err), err);
	CHECK_INT(wire_decode(api->request, 1, false, mr_str_n(bad, 9), &arena, out, &err), MR_ERR_CORRUPT);
	CHECK(strstr(err.message, "group_id holds a NUL byte"));
	arena_release(&arena);
}

/* ---- random messages from the tables ---- */

static void fill_struct(struct mr_rng *rng, const struct wire_struct *schema, int version,
			struct arena *arena, void *out);

static mr_str random_text(struct mr_rng *rng, struct arena *arena)
{
	size_t len = rng_below(rng, rng_below(rng, 20) == 0 ? 300 : 12);
	char *text = arena_alloc(arena, len + 1);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(1 + rng_below(rng, 255)); /* names hold no NUL byte */
	return mr_str_n(text, len);
}

static struct wire_pieces random_pieces(struct mr_rng *rng, struct arena *arena)
{
	struct wire_pieces out = {.count = (int32_t)rng_below(rng, 5) - 1};
	out.items = arena_calloc(arena, 4, sizeof *out.items);
	for (int32_t i = 0; i < out.count; i++) {
		mr_str text = random_text(rng, arena);
		out.items[i] = (struct wire_piece){.bytes = text.ptr, .fd = -1, .length = text.len};
		out.bytes += text.len;
	}
	return out;
}

static void *random_option(struct mr_rng *rng, const struct wire_field *f, int version, struct arena *arena)
{
	if (rng_below(rng, 4) == 0)
		return NULL;
	void *out = arena_alloc(arena, f->child->size);
	fill_struct(rng, f->child, version, arena, out);
	return out;
}

static void fill_item(struct mr_rng *rng, const struct wire_field *f, int version, struct arena *arena,
		      void *at)
{
	int64_t v = (int64_t)(rng_next(rng) >> rng_below(rng, 64));
	if (f->type == WIRE_BOOL)
		*(bool *)at = v & 1;
	else if (f->type == WIRE_INT8)
		*(int8_t *)at = (int8_t)v;
	else if (f->type == WIRE_INT16)
		*(int16_t *)at = (int16_t)v;
	else if (f->type == WIRE_INT32)
		*(int32_t *)at = (int32_t)v;
	else if (f->type == WIRE_INT64)
		*(int64_t *)at = v;
	else if (f->type == WIRE_UUID)
		rng_uuid_bytes(rng, at);
	else if (f->type == WIRE_STRUCT)
		fill_struct(rng, f->child, version, arena, at);
	else if (f->type == WIRE_OPTION)
		*(void **)at = random_option(rng, f, version, arena);
	else if (f->type == WIRE_PIECES)
		*(struct wire_pieces *)at = random_pieces(rng, arena);
	else if (version >= f->null_from && rng_below(rng, 4) == 0)
		*(mr_str *)at = MR_STR_NULL;
	else
		*(mr_str *)at = random_text(rng, arena);
}

static size_t c_size(const struct wire_field *f)
{
	static const size_t sizes[] = {
	    [WIRE_BOOL] = 1,
	    [WIRE_INT8] = 1,
	    [WIRE_INT16] = 2,
	    [WIRE_INT32] = 4,
	    [WIRE_INT64] = 8,
	    [WIRE_FLOAT64] = 8,
	    [WIRE_UUID] = 16,
	    [WIRE_STRING] = sizeof(mr_str),
	    [WIRE_RECORDS] = sizeof(mr_str),
	    [WIRE_PIECES] = sizeof(struct wire_pieces),
	    [WIRE_OPTION] = sizeof(void *),
	};
	return f->type == WIRE_STRUCT ? f->child->size : sizes[f->type];
}

static void fill_struct(struct mr_rng *rng, const struct wire_struct *schema, int version,
			struct arena *arena, void *out)
{
	wire_defaults(schema, out);
	for (size_t i = 0; i < schema->count; i++) {
		const struct wire_field *f = &schema->fields[i];
		void *at = (char *)out + f->offset;
		if (version < f->min || version > f->max || (f->tag >= 0 && rng_below(rng, 2)))
			continue;
		if (!f->array) {
			fill_item(rng, f, version, arena, at);
			continue;
		}
		WIRE_ARRAY(void) *array = at;
		int32_t count = (int32_t)rng_below(rng, 4);
		if (version >= f->null_from && rng_below(rng, 4) == 0) {
			array->count = -1;
			continue;
		}
		array->count = count;
		array->items = arena_calloc(arena, (size_t)count + 1, c_size(f));
		for (int32_t k = 0; k < count; k++)
			fill_item(rng, f, version, arena, (char *)array->items + (size_t)k * c_size(f));
	}
}

static void round_trip(struct mr_rng *rng, const struct api *api, const struct wire_struct *schema,
		       int version)
{
	struct arena arena = {0};
	struct mr_error err;
	struct mr_buf once = {0}, twice = {0};
	void *message = arena_alloc(&arena, schema->size), *again = arena_alloc(&arena, schema->size);
	fill_struct(rng, schema, version, &arena, message);
	encode(schema, api, version, message, &once);
	CHECK_OK(
	    wire_decode(schema, version, version >= api->flexible, mr_buf_view(&once), &arena, again, &err),
	    err);
	encode(schema, api, version, again, &twice);
	CHECK(mr_str_eq(mr_buf_view(&once), mr_buf_view(&twice)));
	mr_buf_release(&once);
	mr_buf_release(&twice);
	arena_release(&arena);
}

TEST(wire_round_trips_random_messages)
{
	struct mr_rng rng;
	rng_seed(&rng, 20);
	for (int round = 0; round < test_rounds(20); round++) {
		for (size_t i = 0; i < API_COUNT; i++) {
			for (int v = kafka_apis[i].min; v <= kafka_apis[i].max; v++) {
				round_trip(&rng, &kafka_apis[i], kafka_apis[i].request, v);
				round_trip(&rng, &kafka_apis[i], kafka_apis[i].response, v);
			}
		}
	}
}

/* ---- tables and limits ---- */

static void check_table(const struct wire_struct *schema, int depth)
{
	CHECK(depth < 8);
	int tag = -1;
	for (size_t i = 0; i < schema->count; i++) {
		const struct wire_field *f = &schema->fields[i];
		size_t size = f->array ? sizeof(WIRE_ARRAY(void)) : c_size(f);
		CHECK(f->offset + size <= schema->size);
		if (f->tag >= 0) {
			CHECK(f->tag > tag); /* in the order of their tags */
			tag = f->tag;
		}
		if (f->child)
			check_table(f->child, depth + 1);
	}
}

TEST(wire_tables_fit_their_structs)
{
	for (size_t i = 0; i < API_COUNT; i++) {
		check_table(kafka_apis[i].request, 0);
		check_table(kafka_apis[i].response, 0);
	}
}

TEST(wire_believes_no_count_it_cannot_hold)
{
	struct arena arena = {0};
	struct mr_error err;
	struct metadata_request out;
	static const char huge[] = "\x7f\xff\xff\xff";
	static const char negative[] = "\xff\xff\xff\xfe";
	static const char compact[] = "\xff\xff\xff\xff\x0f\0\0\0";
	const struct wire_struct *schema = &metadata_request_schema;
	CHECK_INT(wire_decode(schema, 4, false, mr_str_n(huge, 4), &arena, &out, &err), MR_ERR_CORRUPT);
	CHECK(strstr(err.message, "topics has an impossible count"));
	CHECK_INT(wire_decode(schema, 4, false, mr_str_n(negative, 4), &arena, &out, &err), MR_ERR_CORRUPT);
	CHECK_INT(wire_decode(schema, 9, true, mr_str_n(compact, 8), &arena, &out, &err), MR_ERR_CORRUPT);
	arena_release(&arena);
}

TEST(wire_bounds_what_a_message_decodes_to)
{
	/* Two bytes on the wire become a struct of many more. */
	size_t count = 8 << 20;
	struct mr_buf bytes = {0};
	struct arena arena = {0};
	struct mr_error err;
	struct find_coordinator_request out;
	char head[6] = {0};
	size_t n = 1 + mr_put_uvarint(head + 1, count + 1); /* key_type, then the count */
	mr_buf_append(&bytes, head, n);
	for (size_t i = 0; i < count; i++)
		mr_buf_char(&bytes, 1);
	mr_buf_char(&bytes, 0);
	CHECK_INT(
	    wire_decode(&find_coordinator_request_schema, 4, true, mr_buf_view(&bytes), &arena, &out, &err),
	    MR_ERR_CORRUPT);
	CHECK(strstr(err.message, "more than the limit"));
	mr_buf_release(&bytes);
	arena_release(&arena);
}

TEST(wire_skips_tags_it_does_not_know)
{
	/* ApiVersions 3: two names, then tag 9 of 3 bytes, then tag 200 of none. */
	static const char bytes[] = "\x02"
				    "a"
				    "\x02"
				    "b"
				    "\x02"
				    "\x09\x03xyz"
				    "\xc8\x01\x00";
	struct arena arena = {0};
	struct mr_error err;
	struct api_versions_request out;
	CHECK_OK(wire_decode(&api_versions_request_schema, 3, true, mr_str_n(bytes, sizeof bytes - 1), &arena,
			     &out, &err),
		 err);
	CHECK_STR(out.client_software_version, "b");
	arena_release(&arena);
}

/* ---- the page that users read ---- */

TEST(kafka_page_lists_what_is_served)
{
	struct mr_error err;
	struct mr_buf page = {0};
	CHECK_OK(disk_read_file(disk_linux(), TEST_GOLDEN "/../../docs/kafka.md", 1 << 20, &page, &err), err);
	for (size_t i = 0; i < API_COUNT; i++) {
		const struct api *a = &kafka_apis[i];
		char *row = test_path("| %d | %s | %d–%d |", a->key, a->name, a->min, a->max);
		if (!strstr(page.ptr, row))
			test_fail(__FILE__, __LINE__, "docs/kafka.md has no row \"%s\"", row);
	}
	mr_buf_release(&page);
}
