/* codec/json_columns.c - a JSON object's members into one row of typed columns.
 *
 * One pass over the tokens that json_columns_scan.h finds. The whole document is checked to be
 * JSON, members without a column too, so that which rows there are does not depend on which
 * columns somebody wants. Strings without escapes are views into the text.
 *
 * Events of one producer have the same members in the same order: the column of the i-th
 * member is guessed from the last document before a hash table is asked.
 */
#include "base/map.h"
#include "codec/json_columns_scan.h"

#include <stdlib.h>

#define DEPTH_MAX 512
#define GUESSES 64
#define GUESS_KEY_MAX 56
#define NO_COLUMN ((uint32_t)-1)
#define SHOWN_BYTES_MAX 64

struct guess {
	uint32_t column;
	uint32_t key_len; /* 0: nothing learned */
	char key[GUESS_KEY_MAX];
};

struct json_columns {
	struct json_scan *scan;
	struct column_def *defs; /* the names are copies */
	size_t count;
	bool any_not_null;
	uint32_t *slots; /* column + 1 by hash of its name; 0 is free */
	size_t slot_mask;
	struct guess guesses[GUESSES];
	struct arena scratch; /* what is unescaped only to be looked at */
};

/* A walk over one document. */
struct walk {
	mr_str text;
	const uint32_t *at, *end; /* *end is text.len */
	struct arena *scratch;
	bool escapes;       /* there is a backslash somewhere */
	const char *wanted; /* what a malformed document lacks at *at */
};

/* ---- the decoder ---- */

static uint32_t *slot_of(const struct json_columns *decoder, mr_str name)
{
	size_t i = mr_hash(name) & decoder->slot_mask;
	while (decoder->slots[i] && !mr_str_eq(decoder->defs[decoder->slots[i] - 1].name, name))
		i = (i + 1) & decoder->slot_mask;
	return &decoder->slots[i];
}

struct json_columns *json_columns_new(const struct column_def *defs, size_t count)
{
	struct json_columns *decoder = mr_calloc(1, sizeof *decoder);
	size_t slots = 16;
	while (slots < 2 * count)
		slots *= 2;
	decoder->scan = json_scan_new();
	decoder->defs = mr_calloc(count ? count : 1, sizeof *defs);
	decoder->count = count;
	decoder->slots = mr_calloc(slots, sizeof *decoder->slots);
	decoder->slot_mask = slots - 1;
	for (size_t i = 0; i < count; i++) {
		decoder->defs[i] = defs[i];
		decoder->defs[i].name = (mr_str){mr_strndup(defs[i].name), defs[i].name.len};
		decoder->any_not_null |= defs[i].not_null;
		uint32_t *slot = slot_of(decoder, defs[i].name);
		if (!*slot) /* of two columns with one name the first is filled */
			*slot = (uint32_t)i + 1;
	}
	return decoder;
}

void json_columns_free(struct json_columns *decoder)
{
	if (!decoder)
		return;
	json_scan_free(decoder->scan);
	for (size_t i = 0; i < decoder->count; i++)
		free((char *)decoder->defs[i].name.ptr);
	free(decoder->defs);
	free(decoder->slots);
	arena_release(&decoder->scratch);
	free(decoder);
}

/* ---- tokens ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static char peek(const struct walk *walk)
{
	return walk->at < walk->end ? walk->text.ptr[*walk->at] : 0;
}

static bool take(struct walk *walk, char c, const char *wanted)
{
	if (MR_UNLIKELY(peek(walk) != c)) {
		walk->wanted = wanted;
		return false;
	}
	walk->at++;
	return true;
}

/* The text from the token at `at` up to the next one, white space behind it cut off. */
static mr_str token_text(const struct walk *walk, const uint32_t *at)
{
	const char *start = walk->text.ptr + at[0], *end = walk->text.ptr + at[1];
	while (end > start && is_space(end[-1]))
		end--;
	return mr_str_n(start, (size_t)(end - start));
}

/* A string token: its raw text, and what stands between the quotes. */
static bool take_string(struct walk *walk, mr_str *raw, mr_str *between)
{
	*raw = token_text(walk, walk->at);
	if (MR_UNLIKELY(raw->len < 2 || raw->ptr[0] != '"' || raw->ptr[raw->len - 1] != '"')) {
		walk->wanted = "a string";
		return false;
	}
	*between = mr_str_n(raw->ptr + 1, raw->len - 2);
	walk->at++;
	return true;
}

/* Resolves the escapes of the string just taken, if it has any. */
static bool unescape(struct walk *walk, struct arena *arena, mr_str *text)
{
	if (!walk->escapes || !memchr(text->ptr, '\\', text->len) || json_unescape(*text, arena, text))
		return true;
	walk->wanted = "a valid escape";
	walk->at--;
	return false;
}

/* A number, true, false or null. */
static bool take_bare(struct walk *walk, struct json_token *token, bool *is_null)
{
	token->raw = token->text = token_text(walk, walk->at);
	char c = peek(walk);
	bool ok;
	if (c == '-' || (c >= '0' && c <= '9')) {
		token->kind = JSON_TOKEN_NUMBER;
		ok = json_number_valid(token->text, &token->integer);
	} else if (c == 't') {
		token->kind = JSON_TOKEN_TRUE;
		ok = mr_str_eq(token->text, MR_STR("true"));
	} else if (c == 'f') {
		token->kind = JSON_TOKEN_FALSE;
		ok = mr_str_eq(token->text, MR_STR("false"));
	} else {
		*is_null = ok = mr_str_eq(token->text, MR_STR("null"));
	}
	if (MR_UNLIKELY(!ok)) {
		walk->wanted = "a value";
		return false;
	}
	walk->at++;
	return true;
}

/* ---- nested values: checked, not kept ---- */

static bool check_scalar(struct walk *walk)
{
	if (peek(walk) == '"') {
		mr_str raw, between;
		return take_string(walk, &raw, &between) && unescape(walk, walk->scratch, &between);
	}
	struct json_token token;
	bool is_null;
	return take_bare(walk, &token, &is_null);
}

static bool check_key(struct walk *walk)
{
	mr_str raw, key;
	return take_string(walk, &raw, &key) && unescape(walk, walk->scratch, &key) && take(walk, ':', "':'");
}

/* The array or object at walk->at, to its end. Its depth is kept in bits: 1 an object. */
static bool check_nested(struct walk *walk)
{
	uint64_t objects[DEPTH_MAX / 64] = {0};
	size_t depth = 0;
	for (;;) {
		char c = peek(walk);
		bool opens = c == '{' || c == '[';
		if (opens) {
			if (depth == DEPTH_MAX) {
				walk->wanted = "less than 512 levels";
				return false;
			}
			uint64_t bit = UINT64_C(1) << depth % 64;
			objects[depth / 64] =
			    c == '{' ? objects[depth / 64] | bit : objects[depth / 64] & ~bit;
			depth++;
			walk->at++;
		} else if (!check_scalar(walk)) {
			return false;
		}
		/* After a value, or just inside a container: close what ends here. */
		bool object;
		for (;;) {
			object = objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
			if (peek(walk) != (object ? '}' : ']'))
				break;
			walk->at++;
			opens = false;
			if (--depth == 0)
				return true;
		}
		if (!opens && !take(walk, ',', object ? "',' or '}'" : "',' or ']'"))
			return false;
		if (object && !check_key(walk))
			return false;
	}
}

/* ---- members ---- */

/* The column of the member whose key, as written, is raw_key; NO_COLUMN when there is none. */
static bool find_column(struct json_columns *decoder, struct walk *walk, size_t member, mr_str raw_key,
			uint32_t *column)
{
	struct guess *guess = member < GUESSES ? &decoder->guesses[member] : NULL;
	if (guess && raw_key.len && guess->key_len == raw_key.len &&
	    memcmp(guess->key, raw_key.ptr, raw_key.len) == 0) {
		*column = guess->column;
		return true;
	}
	mr_str key = raw_key;
	if (!unescape(walk, walk->scratch, &key))
		return false;
	uint32_t slot = *slot_of(decoder, key);
	*column = slot ? slot - 1 : NO_COLUMN;
	/* As written and as meant must be one, or a bad escape would be let through next time. */
	if (guess && raw_key.len <= GUESS_KEY_MAX && key.ptr == raw_key.ptr) {
		guess->column = *column;
		guess->key_len = (uint32_t)raw_key.len;
		memcpy(guess->key, raw_key.ptr, raw_key.len);
	}
	return true;
}

static bool take_value(struct walk *walk, struct arena *arena, struct json_token *token, bool *is_null)
{
	const char *start = walk->text.ptr + *walk->at;
	switch (peek(walk)) {
	case '"':
		token->kind = JSON_TOKEN_STRING;
		return take_string(walk, &token->raw, &token->text) && unescape(walk, arena, &token->text);
	case '{':
	case '[':
		token->kind = JSON_TOKEN_NESTED;
		if (!check_nested(walk))
			return false;
		/* From its brace to the one just passed. */
		token->raw = mr_str_n(start, (size_t)(walk->text.ptr + walk->at[-1] + 1 - start));
		token->text = token->raw;
		return true;
	default:
		return take_bare(walk, token, is_null);
	}
}

static int misfit(const struct column_def *def, mr_str raw, struct mr_error *err)
{
	struct arena arena = {0};
	bool cut = raw.len > SHOWN_BYTES_MAX;
	size_t shown = cut ? SHOWN_BYTES_MAX : raw.len;
	while (cut && shown > 0 && ((unsigned char)raw.ptr[shown] & 0xc0) == 0x80)
		shown--;
	mr_str type = def->type == COL_JSON ? MR_STR("json") : column_type_name(def, &arena);
	mr_fail(err, MR_ERR_INVALID, "\"%.*s\" is %.*s%s, expected %.*s",
		(int)mr_min_size(def->name.len, 128), def->name.ptr, (int)shown, raw.ptr, cut ? "..." : "",
		MR_FMT(type));
	arena_release(&arena);
	return 1;
}

/* One member, from its key on. 0; 1 with *err: does not fit; -1: malformed at walk->at. */
static int take_member(struct json_columns *decoder, struct walk *walk, size_t member, struct columns *into,
		       size_t row, struct mr_error *err)
{
	mr_str raw_key, key;
	uint32_t at;
	if (!take_string(walk, &raw_key, &key) || !find_column(decoder, walk, member, key, &at) ||
	    !take(walk, ':', "':'"))
		return -1;
	if (at == NO_COLUMN) {
		char c = peek(walk);
		return (c == '{' || c == '[' ? check_nested(walk) : check_scalar(walk)) ? 0 : -1;
	}
	struct json_token token = {0};
	bool is_null = false;
	if (!take_value(walk, &into->arena, &token, &is_null))
		return -1;
	struct column *column = &into->columns[at];
	column->valid[row] = !is_null;
	if (is_null || json_token_store(&token, &decoder->defs[at], column->values, row, &into->arena))
		return 0;
	return misfit(&decoder->defs[at], token.raw, err);
}

static int take_members(struct json_columns *decoder, struct walk *walk, struct columns *into, size_t row,
			struct mr_error *err)
{
	if (!take(walk, '{', "'{'"))
		return -1;
	if (peek(walk) != '}') {
		for (size_t member = 0;; member++) {
			int rc = take_member(decoder, walk, member, into, row, err);
			if (rc != 0)
				return rc;
			if (peek(walk) != ',')
				break;
			walk->at++;
		}
	}
	if (!take(walk, '}', "',' or '}'"))
		return -1;
	if (walk->at == walk->end)
		return 0;
	walk->wanted = "nothing after the object";
	return -1;
}

static int malformed(const struct walk *walk, struct mr_error *err)
{
	if (walk->at >= walk->end)
		mr_fail(err, MR_ERR_INVALID, "not valid JSON: it ends where %s is expected", walk->wanted);
	else
		mr_fail(err, MR_ERR_INVALID, "not valid JSON: expected %s at byte %u", walk->wanted,
			*walk->at);
	return 1;
}

static int missing(const struct json_columns *decoder, const struct columns *into, size_t row,
		   struct mr_error *err)
{
	for (size_t i = 0; i < decoder->count; i++) {
		if (!decoder->defs[i].not_null || into->columns[i].valid[row])
			continue;
		misfit(&decoder->defs[i], MR_STR("missing"), err);
		return 1;
	}
	return 0;
}

int json_columns_decode(struct json_columns *decoder, mr_str text, struct columns *into, size_t row,
			struct mr_error *err)
{
	MR_ASSERT(row < COLUMNS_ROWS_MAX && decoder->count <= into->column_count);
	struct walk walk = {.text = text, .scratch = &decoder->scratch};
	const uint32_t *at;
	size_t count;
	if (json_scan_tokens(decoder->scan, text, &at, &count, err) < 0)
		return 1;
	walk.at = at;
	walk.end = at + count;
	walk.escapes = memchr(text.ptr, '\\', text.len) != NULL;
	for (size_t i = 0; i < decoder->count; i++)
		into->columns[i].valid[row] = 0;
	int rc = take_members(decoder, &walk, into, row, err);
	if (decoder->scratch.block)
		arena_reset(&decoder->scratch);
	if (MR_UNLIKELY(rc < 0))
		return malformed(&walk, err);
	if (rc == 0 && decoder->any_not_null)
		rc = missing(decoder, into, row, err);
	return rc;
}
