/* delta/packed_path.c - a file's path in a file_set, in a third of its length.
 *
 * Most paths are "day=2024-01-31/part-00007-UUID.c000.snappy.parquet": folders and ends repeat, and a UUID
 * is 16 bytes. Packed:
 *
 *   00 + 16 bytes   8-4-4-4-12 hexadecimal digits, in lower case
 *   01 + 16 bytes   32 hexadecimal digits, in lower case
 *   02 + uvarint    a word of the set's: the folder with its '/', or what follows the digits
 *   03 + a byte     the byte itself
 *   any other byte  itself
 *
 * One path has one packed form as long as the set lives, so that packed forms can be compared: a word
 * that is not known when the set takes no more of them never becomes one.
 *
 * Threading: packing belongs to the set's writer; unpacking to anyone who saw the entry counted, as words
 * lie in blocks that do not move.
 */
#include "delta/internal.h"

#include "base/varint.h"

enum { PACKED_UUID, PACKED_DIGITS, PACKED_WORD, PACKED_BYTE, PACKED_ESCAPES };

#define DIGITS 32
#define UUID_CHARS 36

/* ---- words ---- */

static mr_str word_at(const struct file_set *set, size_t id)
{
	return set->words[id / FILE_WORDS_BLOCK][id % FILE_WORDS_BLOCK];
}

static size_t add_word(struct file_set *set, mr_str word)
{
	size_t id = set->word_count++;
	mr_str **block = &set->words[id / FILE_WORDS_BLOCK];
	if (!*block)
		*block = arena_calloc(&set->arena, FILE_WORDS_BLOCK, sizeof **block);
	(*block)[id % FILE_WORDS_BLOCK] = delta_file_set_text(set, word);
	mr_map_put(&set->word_ids, word, (void *)(uintptr_t)(id + 1));
	return id;
}

static void put_bytes(struct mr_buf *out, mr_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((uint8_t)text.ptr[i] < PACKED_ESCAPES)
			mr_buf_char(out, PACKED_BYTE);
		mr_buf_char(out, text.ptr[i]);
	}
}

/* false: the set does not know the word, and so no path that has it. */
static bool put_word(struct file_set *set, mr_str word, bool add, size_t *last, struct mr_buf *out)
{
	uint8_t id_bytes[10];
	/* Neighbours in the log mostly share their words. */
	bool again = *last && mr_str_eq(word_at(set, *last - 1), word);
	uintptr_t known = again ? *last : (uintptr_t)mr_map_get(&set->word_ids, word);
	size_t id = known - 1;
	if (!known && set->word_count == FILE_WORDS_MAX) {
		put_bytes(out, word);
		return true;
	}
	if (!known && !add)
		return false;
	if (!known)
		id = add_word(set, word);
	*last = id + 1;
	mr_buf_char(out, PACKED_WORD);
	mr_buf_append(out, id_bytes, mr_put_uvarint(id_bytes, id));
	return true;
}

/* ---- digits ---- */

/* A digit's value + 1; 0: none. */
static const uint8_t digits_of[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

static bool is_digit(char c)
{
	return digits_of[(uint8_t)c] != 0;
}

/* In a UUID a dash comes before this byte. */
static bool follows_dash(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

/* Reads 32 digits, with a UUID's dashes or without any. */
static bool read_digits(mr_str text, bool dashes, uint8_t out[16])
{
	if (text.len < (dashes ? UUID_CHARS : DIGITS))
		return false;
	const uint8_t *at = (const uint8_t *)text.ptr;
	for (size_t i = 0; i < 16; i++, at += 2) {
		if (dashes && follows_dash(i) && *at++ != '-')
			return false;
		unsigned high = digits_of[at[0]], low = digits_of[at[1]];
		if (!high || !low)
			return false;
		out[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return true;
}

static void put_digits(struct mr_buf *out, const uint8_t bytes[16], bool dashes)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < 16; i++) {
		if (dashes && follows_dash(i))
			mr_buf_char(out, '-');
		mr_buf_char(out, hex[bytes[i] >> 4]);
		mr_buf_char(out, hex[bytes[i] & 15]);
	}
}

/* Where the first such digits begin, at the head of a run of digits; the name's length when none do. */
static size_t find_digits(mr_str name, uint8_t bytes[16], bool *dashes)
{
	for (size_t i = 0; i + DIGITS <= name.len; i++) {
		mr_str rest = mr_str_tail(name, i);
		if (!is_digit(name.ptr[i]) || (i && is_digit(name.ptr[i - 1])))
			continue;
		*dashes = rest.len >= UUID_CHARS && rest.ptr[8] == '-';
		if (read_digits(rest, *dashes, bytes))
			return i;
	}
	return name.len;
}

/* ---- paths ---- */

bool delta_path_pack(struct file_set *set, mr_str path, bool add, mr_str *out)
{
	struct mr_buf *packed = &set->packed;
	uint8_t bytes[16];
	bool dashes;
	const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;
	size_t folder = slash ? (size_t)(slash - path.ptr) + 1 : 0;
	mr_str name = mr_str_tail(path, folder);
	mr_buf_clear(packed);
	if (folder && !put_word(set, mr_str_n(path.ptr, folder), add, &set->last_folder, packed))
		return false;
	size_t at = find_digits(name, bytes, &dashes);
	put_bytes(packed, mr_str_n(name.ptr, at));
	if (at < name.len) {
		mr_str end = mr_str_tail(name, at + (dashes ? UUID_CHARS : DIGITS));
		mr_buf_char(packed, dashes ? PACKED_UUID : PACKED_DIGITS);
		mr_buf_append(packed, bytes, sizeof bytes);
		if (end.len && !put_word(set, end, add, &set->last_end, packed))
			return false;
	}
	*out = mr_buf_view(packed);
	return true;
}

void delta_path_keep(struct file_set *set, struct file_entry *entry, mr_str path)
{
	mr_str packed;
	struct mr_buf name = {0};
	uint8_t len[10];
	bool fits = delta_path_pack(set, path, true, &packed);
	MR_ASSERT(fits);
	mr_buf_append(&name, len, mr_put_uvarint(len, packed.len));
	mr_buf_str(&name, packed);
	entry->name = (const uint8_t *)delta_file_set_text(set, mr_buf_view(&name)).ptr;
	mr_buf_release(&name);
}

mr_str delta_file_packed(const struct file_entry *entry)
{
	uint64_t len;
	size_t head = mr_get_uvarint(entry->name, 10, &len);
	return mr_str_n((const char *)entry->name + head, (size_t)len);
}

mr_str delta_file_path(const struct file_set *set, const struct file_entry *entry, struct arena *arena)
{
	struct mr_buf path = {0};
	mr_str packed = delta_file_packed(entry);
	const uint8_t *at = (const uint8_t *)packed.ptr, *end = at + packed.len;
	while (at < end) {
		uint64_t id;
		uint8_t kind = *at++;
		switch (kind) {
		case PACKED_UUID:
		case PACKED_DIGITS:
			put_digits(&path, at, kind == PACKED_UUID);
			at += 16;
			break;
		case PACKED_WORD:
			at += mr_get_uvarint(at, (size_t)(end - at), &id);
			mr_buf_str(&path, word_at(set, (size_t)id));
			break;
		case PACKED_BYTE:
			mr_buf_char(&path, (char)*at++);
			break;
		default:
			mr_buf_char(&path, (char)kind);
		}
	}
	mr_str copy = arena_copy(arena, mr_buf_view(&path));
	mr_buf_release(&path);
	return copy;
}
