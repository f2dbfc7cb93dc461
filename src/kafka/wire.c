#include "kafka/wire.h"

#include "base/varint.h"

/* ---- what both directions share ---- */

static const uint8_t type_size[] = {
    [WIRE_BOOL] = 1,
    [WIRE_INT8] = 1,
    [WIRE_INT16] = 2,
    [WIRE_INT32] = 4,
    [WIRE_INT64] = 8,
    [WIRE_FLOAT64] = sizeof(double),
    [WIRE_UUID] = 16,
    [WIRE_STRING] = sizeof(mr_str),
    [WIRE_RECORDS] = sizeof(mr_str),
    [WIRE_PIECES] = sizeof(struct wire_pieces),
    [WIRE_OPTION] = sizeof(void *),
};

struct wire_array { /* what every WIRE_ARRAY is underneath */
	void *items;
	int32_t count;
};

static size_t item_size(const struct wire_field *f)
{
	return f->type == WIRE_STRUCT ? f->child->size : type_size[f->type];
}

static bool carried(const struct wire_field *f, int version)
{
	return version >= f->min && version <= f->max;
}

/* The least bytes one item of this field takes, so that a count can be judged. */
static size_t item_wire_min(const struct wire_field *f, int version, bool flexible)
{
	if (f->type == WIRE_STRING)
		return flexible ? 1 : 2;
	if (f->type == WIRE_RECORDS || f->type == WIRE_PIECES)
		return flexible ? 1 : 4;
	if (f->type == WIRE_OPTION)
		return 1;
	if (f->type != WIRE_STRUCT)
		return type_size[f->type];
	size_t sum = flexible ? 1 : 0;
	for (size_t i = 0; i < f->child->count; i++) {
		const struct wire_field *c = &f->child->fields[i];
		if (!carried(c, version) || c->tag >= 0)
			continue;
		if (c->array)
			sum += flexible ? 1 : 4;
		else
			sum += item_wire_min(c, version, flexible);
	}
	return sum;
}

static void put_absent(const struct wire_field *f, void *at)
{
	if (f->array) {
		*(struct wire_array *)at = (struct wire_array){NULL, (int32_t)f->absent};
		return;
	}
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL:
		*(bool *)at = f->absent != 0;
		break;
	case WIRE_INT8:
		*(int8_t *)at = (int8_t)f->absent;
		break;
	case WIRE_INT16:
		*(int16_t *)at = (int16_t)f->absent;
		break;
	case WIRE_INT32:
		*(int32_t *)at = (int32_t)f->absent;
		break;
	case WIRE_INT64:
		*(int64_t *)at = f->absent;
		break;
	case WIRE_FLOAT64:
		*(double *)at = (double)f->absent;
		break;
	case WIRE_UUID:
		memset(at, 0, 16);
		break;
	case WIRE_STRING:
	case WIRE_RECORDS:
		*(mr_str *)at = f->null_from == WIRE_NEVER ? MR_STR("") : MR_STR_NULL;
		break;
	case WIRE_PIECES:
		*(struct wire_pieces *)at =
		    (struct wire_pieces){.count = f->null_from == WIRE_NEVER ? 0 : -1};
		break;
	case WIRE_STRUCT:
		wire_defaults(f->child, at);
		break;
	case WIRE_OPTION:
		*(void **)at = NULL;
		break;
	}
}

void wire_defaults(const struct wire_struct *schema, void *out)
{
	memset(out, 0, schema->size);
	for (size_t i = 0; i < schema->count; i++)
		put_absent(&schema->fields[i], (char *)out + schema->fields[i].offset);
}

/* ---- decoding: a reader whose first fault sticks and empties it ---- */

struct reader {
	const char *at;
	const char *end;
	int version;
	bool flexible;
	struct arena *arena;
	size_t decoded; /* bytes taken from the arena */
	const char *fault;
	const char *fault_field;
};

static size_t left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static void fail(struct reader *r, const char *fault)
{
	if (!r->fault)
		r->fault = fault;
	r->at = r->end;
}

/* NULL, and the fault set, when fewer than n bytes are left. */
static const char *take(struct reader *r, size_t n)
{
	if (n > left(r)) {
		fail(r, "ends too early");
		return NULL;
	}
	const char *p = r->at;
	r->at += n;
	return p;
}

static uint64_t read_be(struct reader *r, size_t n)
{
	const char *p = take(r, n);
	uint64_t v = 0;
	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

static uint32_t read_uvarint(struct reader *r)
{
	uint64_t v = 0;
	size_t n = mr_get_uvarint(r->at, mr_min_size(left(r), 5), &v);
	if (n == 0 || v > UINT32_MAX) {
		fail(r, "has an impossible varint");
		return 0;
	}
	r->at += n;
	return (uint32_t)v;
}

/* A length or count: -1 is null. wide: int32 in the old form, else int16. */
static int64_t read_length(struct reader *r, bool wide)
{
	if (r->flexible)
		return (int64_t)read_uvarint(r) - 1;
	return wide ? (int32_t)read_be(r, 4) : (int16_t)read_be(r, 2);
}

static bool null_allowed(struct reader *r, const struct wire_field *f)
{
	if (r->version >= f->null_from)
		return true;
	fail(r, "must not be null");
	return false;
}

static void read_struct(struct reader *r, const struct wire_struct *schema, void *out);

/* Names are kept as C strings, too: two that differ behind a NUL byte would be one there. What a client notes
 * beside an offset is no name. */
static bool may_hold_nul(const struct wire_field *f)
{
	return f->type != WIRE_STRING || mr_str_ends(mr_str_from(f->name), MR_STR("metadata"));
}

static mr_str read_string(struct reader *r, const struct wire_field *f)
{
	int64_t len = read_length(r, f->type != WIRE_STRING);
	if (r->fault)
		return MR_STR("");
	if (len == -1)
		return null_allowed(r, f) ? MR_STR_NULL : MR_STR("");
	const char *p = len < 0 ? NULL : take(r, (size_t)len);
	if (!p) {
		fail(r, "has an impossible length");
		return MR_STR("");
	}
	if (memchr(p, 0, (size_t)len) && !may_hold_nul(f)) {
		fail(r, "holds a NUL byte");
		return MR_STR("");
	}
	return mr_str_n(p, (size_t)len);
}

static struct wire_pieces read_pieces(struct reader *r, const struct wire_field *f)
{
	mr_str bytes = read_string(r, f);
	if (!bytes.ptr)
		return (struct wire_pieces){.count = -1};
	struct wire_piece *piece = arena_alloc(r->arena, sizeof *piece);
	*piece = (struct wire_piece){.bytes = bytes.ptr, .fd = -1, .length = bytes.len};
	return (struct wire_pieces){piece, bytes.len > 0, bytes.len};
}

static void *read_option(struct reader *r, const struct wire_field *f)
{
	if ((int8_t)read_be(r, 1) < 0 || r->fault)
		return NULL;
	if (f->child->size > WIRE_DECODED_MAX - r->decoded) {
		fail(r, "decodes to more than the limit");
		return NULL;
	}
	r->decoded += f->child->size;
	void *out = arena_alloc(r->arena, f->child->size);
	read_struct(r, f->child, out);
	return out;
}

static void read_item(struct reader *r, const struct wire_field *f, void *at)
{
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL:
		*(bool *)at = read_be(r, 1) != 0;
		break;
	case WIRE_INT8:
		*(int8_t *)at = (int8_t)read_be(r, 1);
		break;
	case WIRE_INT16:
		*(int16_t *)at = (int16_t)read_be(r, 2);
		break;
	case WIRE_INT32:
		*(int32_t *)at = (int32_t)read_be(r, 4);
		break;
	case WIRE_INT64:
		*(int64_t *)at = (int64_t)read_be(r, 8);
		break;
	case WIRE_FLOAT64: {
		uint64_t bits = read_be(r, 8);
		memcpy(at, &bits, 8);
		break;
	}
	case WIRE_UUID: {
		const char *p = take(r, 16);
		if (p)
			memcpy(at, p, 16);
		break;
	}
	case WIRE_STRING:
	case WIRE_RECORDS:
		*(mr_str *)at = read_string(r, f);
		break;
	case WIRE_PIECES:
		*(struct wire_pieces *)at = read_pieces(r, f);
		break;
	case WIRE_STRUCT:
		read_struct(r, f->child, at);
		break;
	case WIRE_OPTION:
		*(void **)at = read_option(r, f);
		break;
	}
}

static void read_array(struct reader *r, const struct wire_field *f, struct wire_array *out)
{
	int64_t count = read_length(r, true);
	if (r->fault)
		return;
	if (count == -1 && null_allowed(r, f)) {
		*out = (struct wire_array){NULL, -1};
		return;
	}
	size_t least = item_wire_min(f, r->version, r->flexible);
	if (count < 0 || (uint64_t)count > left(r) / mr_max_size(least, 1)) {
		fail(r, "has an impossible count");
		return;
	}
	size_t size = item_size(f);
	if ((size_t)count > (WIRE_DECODED_MAX - r->decoded) / size) {
		fail(r, "decodes to more than the limit");
		return;
	}
	r->decoded += (size_t)count * size;
	*out =
	    (struct wire_array){count ? arena_alloc(r->arena, (size_t)count * size) : NULL, (int32_t)count};
	for (int64_t i = 0; i < count && !r->fault; i++) {
		char *item = (char *)out->items + (size_t)i * size;
		memset(item, 0, size);
		read_item(r, f, item);
	}
}

static void read_field(struct reader *r, const struct wire_field *f, void *out)
{
	void *at = (char *)out + f->offset;
	if (f->array)
		read_array(r, f, at);
	else
		read_item(r, f, at);
	if (r->fault && !r->fault_field)
		r->fault_field = f->name;
}

static const struct wire_field *tagged_field(const struct wire_struct *schema, int version, uint32_t tag)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct wire_field *f = &schema->fields[i];
		if (f->tag >= 0 && (uint32_t)f->tag == tag && carried(f, version))
			return f;
	}
	return NULL;
}

static void read_tags(struct reader *r, const struct wire_struct *schema, void *out)
{
	uint32_t count = read_uvarint(r);
	for (uint32_t i = 0; i < count && !r->fault; i++) {
		uint32_t tag = read_uvarint(r);
		uint32_t size = read_uvarint(r);
		if (size > left(r)) {
			fail(r, "has a tagged field that ends too early");
			return;
		}
		const struct wire_field *f = tagged_field(schema, r->version, tag);
		const char *next = r->at + size;
		if (f) {
			const char *end = r->end;
			r->end = next;
			read_field(r, f, out);
			if (!r->fault && r->at != next)
				fail(r, "has bytes left over in a tagged field");
			r->end = r->fault ? r->end : end;
		}
		if (!r->fault)
			r->at = next;
	}
}

static void read_struct(struct reader *r, const struct wire_struct *schema, void *out)
{
	wire_defaults(schema, out);
	for (size_t i = 0; i < schema->count && !r->fault; i++) {
		const struct wire_field *f = &schema->fields[i];
		if (f->tag < 0 && carried(f, r->version))
			read_field(r, f, out);
	}
	if (r->flexible && !r->fault)
		read_tags(r, schema, out);
}

int wire_decode(const struct wire_struct *schema, int version, bool flexible, mr_str bytes,
		struct arena *arena, void *out, struct mr_error *err)
{
	struct reader r = {
	    .at = bytes.ptr,
	    .end = bytes.ptr + bytes.len,
	    .version = version,
	    .flexible = flexible,
	    .arena = arena,
	};
	read_struct(&r, schema, out);
	if (!r.fault && r.at != r.end)
		fail(&r, "has bytes left over");
	if (!r.fault)
		return 0;
	return mr_fail(err, MR_ERR_CORRUPT, "%s version %d: %s%s%s", schema->name, version,
		       r.fault_field ? r.fault_field : "", r.fault_field ? " " : "", r.fault);
}

/* ---- encoding ---- */

struct writer {
	struct wire_out *out;
	int version;
	bool flexible;
};

static void write_be(struct writer *w, uint64_t v, size_t n)
{
	char bytes[8];
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(v >> (8 * (n - 1 - i)));
	mr_buf_append(&w->out->bytes, bytes, n);
}

static void write_uvarint(struct writer *w, uint64_t v)
{
	char bytes[10];
	mr_buf_append(&w->out->bytes, bytes, mr_put_uvarint(bytes, v));
}

static void write_length(struct writer *w, int64_t length, bool wide)
{
	if (w->flexible)
		write_uvarint(w, (uint64_t)(length + 1));
	else
		write_be(w, (uint64_t)length, wide ? 4 : 2);
}

static void splice(struct writer *w, const struct wire_piece *piece)
{
	mr_vec_push(&w->out->splices, (struct wire_splice){w->out->bytes.len, *piece});
	w->out->spliced_bytes += piece->length;
}

static void write_string(struct writer *w, const struct wire_field *f, mr_str s)
{
	bool null = !s.ptr && w->version >= f->null_from;
	write_length(w, null ? -1 : (int64_t)s.len, f->type == WIRE_RECORDS);
	if (null || !s.len)
		return;
	if (f->type == WIRE_STRING) {
		mr_buf_append(&w->out->bytes, s.ptr, s.len);
		return;
	}
	splice(w, &(struct wire_piece){.bytes = s.ptr, .fd = -1, .length = s.len});
}

static void write_pieces(struct writer *w, const struct wire_field *f, const struct wire_pieces *pieces)
{
	bool null = pieces->count < 0 && w->version >= f->null_from;
	write_length(w, null ? -1 : (int64_t)pieces->bytes, true);
	for (int32_t i = 0; i < pieces->count; i++)
		splice(w, &pieces->items[i]);
}

static void write_struct(struct writer *w, const struct wire_struct *schema, const void *in);

static void write_item(struct writer *w, const struct wire_field *f, const void *at)
{
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL:
		write_be(w, *(const bool *)at, 1);
		break;
	case WIRE_INT8:
		write_be(w, (uint64_t) * (const int8_t *)at, 1);
		break;
	case WIRE_INT16:
		write_be(w, (uint64_t) * (const int16_t *)at, 2);
		break;
	case WIRE_INT32:
		write_be(w, (uint64_t) * (const int32_t *)at, 4);
		break;
	case WIRE_INT64:
		write_be(w, (uint64_t) * (const int64_t *)at, 8);
		break;
	case WIRE_FLOAT64: {
		uint64_t bits;
		memcpy(&bits, at, 8);
		write_be(w, bits, 8);
		break;
	}
	case WIRE_UUID:
		mr_buf_append(&w->out->bytes, at, 16);
		break;
	case WIRE_STRING:
	case WIRE_RECORDS:
		write_string(w, f, *(const mr_str *)at);
		break;
	case WIRE_PIECES:
		write_pieces(w, f, at);
		break;
	case WIRE_STRUCT:
		write_struct(w, f->child, at);
		break;
	case WIRE_OPTION:
		write_be(w, *(void *const *)at ? 1 : 0xff, 1);
		if (*(void *const *)at)
			write_struct(w, f->child, *(void *const *)at);
		break;
	}
}

static void write_field(struct writer *w, const struct wire_field *f, const void *at)
{
	if (!f->array) {
		write_item(w, f, at);
		return;
	}
	const struct wire_array *array = at;
	bool null = array->count < 0 && w->version >= f->null_from;
	write_length(w, null ? -1 : mr_max_i64(array->count, 0), true);
	for (int32_t i = 0; i < array->count; i++)
		write_item(w, f, (const char *)array->items + (size_t)i * item_size(f));
}

/* A tagged field is left out when it says what its absence says. */
static bool is_absent(const struct wire_field *f, const void *at)
{
	if (f->array)
		return ((const struct wire_array *)at)->count == f->absent;
	if (f->type == WIRE_STRUCT) {
		for (size_t i = 0; i < f->child->count; i++) {
			const struct wire_field *c = &f->child->fields[i];
			if (!is_absent(c, (const char *)at + c->offset))
				return false;
		}
		return true;
	}
	if (f->type == WIRE_STRING)
		return ((const mr_str *)at)->len == 0 &&
		       (!((const mr_str *)at)->ptr || f->null_from == WIRE_NEVER);
	char absent[sizeof(struct wire_pieces)];
	put_absent(f, absent);
	return memcmp(at, absent, type_size[f->type]) == 0;
}

/* The table keeps tagged fields in the order of their tags. Its size comes before a tagged
 * value, so the value is written to a buffer of its own; none holds records. */
static void write_tags(struct writer *w, const struct wire_struct *schema, const void *in)
{
	uint32_t count = 0;
	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1)
			write_uvarint(w, count);
		for (size_t i = 0; i < schema->count && (pass == 0 || count); i++) {
			const struct wire_field *f = &schema->fields[i];
			const void *at = (const char *)in + f->offset;
			if (f->tag < 0 || !carried(f, w->version) || is_absent(f, at))
				continue;
			if (pass == 0) {
				count++;
				continue;
			}
			struct wire_out value = {0};
			struct writer inner = {&value, w->version, w->flexible};
			write_field(&inner, f, at);
			write_uvarint(w, (uint64_t)f->tag);
			write_uvarint(w, value.bytes.len);
			mr_buf_str(&w->out->bytes, mr_buf_view(&value.bytes));
			wire_out_release(&value);
		}
	}
}

static void write_struct(struct writer *w, const struct wire_struct *schema, const void *in)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct wire_field *f = &schema->fields[i];
		if (f->tag < 0 && carried(f, w->version))
			write_field(w, f, (const char *)in + f->offset);
	}
	if (w->flexible)
		write_tags(w, schema, in);
}

void wire_encode(const struct wire_struct *schema, int version, bool flexible, const void *in,
		 struct wire_out *out)
{
	struct writer w = {out, version, flexible};
	write_struct(&w, schema, in);
}

void wire_out_clear(struct wire_out *out)
{
	mr_buf_clear(&out->bytes);
	out->splices.len = 0;
	out->spliced_bytes = 0;
}

void wire_out_release(struct wire_out *out)
{
	mr_buf_release(&out->bytes);
	mr_vec_release(&out->splices);
	out->spliced_bytes = 0;
}

/* ---- headers ---- */

int wire_read_header_start(mr_str frame, struct wire_header *out, struct mr_error *err)
{
	if (frame.len < 8)
		return mr_fail(err, MR_ERR_CORRUPT, "a request of %zu bytes has no header", frame.len);
	*out = (struct wire_header){
	    .api_key = (int16_t)mr_get_be16(frame.ptr),
	    .version = (int16_t)mr_get_be16(frame.ptr + 2),
	    .correlation_id = (int32_t)mr_get_be32(frame.ptr + 4),
	};
	return 0;
}

int wire_read_header(mr_str frame, bool flexible, struct wire_header *out, mr_str *body_out,
		     struct mr_error *err)
{
	static const struct wire_struct no_tags = {"request header", NULL, 0, 0};
	/* The client id keeps its old form in every header version, so that ApiVersions of any
	 * version can be read. */
	static const struct wire_field client_id = {.name = "client_id", .type = WIRE_STRING, .tag = -1};
	struct wire_header header;
	int rc = wire_read_header_start(frame, &header, err);
	if (rc < 0)
		return rc;
	struct reader r = {.at = frame.ptr + 8, .end = frame.ptr + frame.len};
	header.client_id = read_string(&r, &client_id);
	r.flexible = flexible;
	if (flexible)
		read_tags(&r, &no_tags, NULL);
	if (r.fault)
		return mr_fail(err, MR_ERR_CORRUPT, "request header %s", r.fault);
	*out = header;
	*body_out = mr_str_n(r.at, left(&r));
	return 0;
}
