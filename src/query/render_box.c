#include "query/render_box.h"

#include "base/mem.h"
#include "base/vec.h"
#include "query/render.h"

#define CELL_COLUMNS_MAX 200
#define CELL_COLUMNS_LEAST 8

/* ---- how wide a character is ---- */

struct code_range {
	uint32_t from, to;
};

/* Unicode 15: East Asian Wide and Fullwidth, and emoji drawn as pictures. */
static const struct code_range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec}, {0x25fd, 0x25fe},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x26aa, 0x26ab},   {0x26bd, 0x26be}, {0x2705, 0x2705},   {0x270a, 0x270b},
    {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2e80, 0x303e}, {0x3041, 0x33ff},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
    {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};
/* Combining marks, joiners and variation selectors. */
static const struct code_range narrow[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
    {0x064b, 0x065f}, {0x0900, 0x0902}, {0x093c, 0x093c}, {0x200b, 0x200f},
    {0x20d0, 0x20f0}, {0x202a, 0x202e}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

static bool in_ranges(const struct code_range *ranges, size_t count, uint32_t code)
{
	size_t low = 0, high = count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (code > ranges[mid].to)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && code >= ranges[low].from;
}

/* The code point at *at (moved behind it); broken UTF-8 counts byte by byte. */
static uint32_t next_code(mr_str text, size_t *at)
{
	unsigned char c = (unsigned char)text.ptr[*at];
	size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (*at + n > text.len)
		n = 1;
	uint32_t code = n == 1 ? c : c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		code = (code << 6) | ((unsigned char)text.ptr[*at + i] & 0x3f);
	*at += n;
	return code;
}

static size_t code_columns(uint32_t code)
{
	if (code < 0x300)
		return 1;
	if (in_ranges(narrow, MR_COUNT(narrow), code))
		return 0;
	return in_ranges(wide, MR_COUNT(wide), code) ? 2 : 1;
}

size_t text_columns(mr_str text)
{
	size_t columns = 0;
	for (size_t at = 0; at < text.len;)
		columns += code_columns(next_code(text, &at));
	return columns;
}

/* ---- the table ---- */

struct box {
	struct sql_result *result;
	size_t columns;
	struct arena arena;
	MR_VEC(mr_str) cells; /* ptr NULL: NULL */
	size_t *widths;
	uint64_t rows;
	struct mr_buf *out;
};

/* Control characters would break the frame: they are shown as what they are called. */
static mr_str printable(struct arena *arena, mr_str text)
{
	struct mr_buf out = {0};
	for (size_t i = 0; i < text.len && out.len < 4 * CELL_COLUMNS_MAX; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c == '\n' || c == '\r' || c == '\t')
			mr_buf_append(&out, (char[]){'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : 't'}, 2);
		else if (c < 0x20 || c == 0x7f)
			mr_buf_printf(&out, "\\x%02x", c);
		else
			mr_buf_char(&out, (char)c);
	}
	mr_str copy = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

static void widen(struct box *box, size_t column, mr_str text)
{
	box->widths[column] =
	    mr_max_size(box->widths[column], mr_min_size(text_columns(text), CELL_COLUMNS_MAX));
}

static int read_rows(struct box *box, struct mr_error *err)
{
	int rc;
	while ((rc = sql_next(box->result, err)) > 0) {
		if (box->rows++ >= RENDER_BOX_ROWS)
			continue;
		for (size_t c = 0; c < box->columns; c++) {
			bool null = sql_is_null(box->result, c);
			mr_str text =
			    null ? MR_STR("NULL") : printable(&box->arena, sql_text(box->result, c));
			widen(box, c, text);
			mr_vec_push(&box->cells, text);
		}
	}
	return rc;
}

/* Take from the widest column until the table fits. */
static void fit(struct box *box, int width)
{
	for (;;) {
		size_t total = 1, widest = 0;
		for (size_t c = 0; c < box->columns; c++) {
			total += box->widths[c] + 3;
			if (box->widths[c] > box->widths[widest])
				widest = c;
		}
		if (width <= 0 || total <= (size_t)width || box->widths[widest] <= CELL_COLUMNS_LEAST)
			return;
		size_t over = total - (size_t)width;
		box->widths[widest] =
		    mr_max_size(CELL_COLUMNS_LEAST, box->widths[widest] - mr_min_size(over, 4));
	}
}

static void put_times(struct mr_buf *out, const char *text, size_t times)
{
	while (times--)
		mr_buf_cstr(out, text);
}

static void put_border(struct box *box, const char *left, const char *cross, const char *right)
{
	for (size_t c = 0; c < box->columns; c++) {
		mr_buf_cstr(box->out, c ? cross : left);
		put_times(box->out, "─", box->widths[c] + 2);
	}
	mr_buf_cstr(box->out, right);
	mr_buf_char(box->out, '\n');
}

static void put_cell(struct box *box, size_t column, mr_str text, bool right)
{
	size_t width = box->widths[column], has = text_columns(text);
	bool cut = has > width;
	if (cut) {
		size_t at = 0, kept = 0, end = 0;
		while (at < text.len && kept + 1 < width) {
			end = at;
			kept += code_columns(next_code(text, &at));
			if (kept < width)
				end = at;
		}
		text.len = end;
		has = text_columns(text) + 1;
	}
	mr_buf_cstr(box->out, "│ ");
	if (right)
		put_times(box->out, " ", width - has);
	mr_buf_str(box->out, text);
	mr_buf_cstr(box->out, cut ? "…" : "");
	if (!right)
		put_times(box->out, " ", width - has);
	mr_buf_char(box->out, ' ');
}

static void put_table(struct box *box)
{
	put_border(box, "┌", "┬", "┐");
	for (size_t c = 0; c < box->columns; c++)
		put_cell(box, c, sql_column_name(box->result, c), false);
	mr_buf_cstr(box->out, "│\n");
	for (size_t c = 0; c < box->columns; c++)
		put_cell(box, c, sql_column_type(box->result, c), false);
	mr_buf_cstr(box->out, "│\n");
	put_border(box, "├", "┼", "┤");
	for (size_t i = 0; i < box->cells.len; i++) {
		put_cell(box, i % box->columns, box->cells.items[i],
			 sql_column_is_number(box->result, i % box->columns));
		if (i % box->columns == box->columns - 1)
			mr_buf_cstr(box->out, "│\n");
	}
	put_border(box, "└", "┴", "┘");
	if (box->rows > RENDER_BOX_ROWS)
		mr_buf_printf(box->out, "%llu rows, the first %d shown\n", (unsigned long long)box->rows,
			      RENDER_BOX_ROWS);
	else
		mr_buf_printf(box->out, "%llu row%s\n", (unsigned long long)box->rows,
			      box->rows == 1 ? "" : "s");
}

int render_box(struct sql_result *result, int width, struct mr_buf *out, struct mr_error *err)
{
	struct box box = {.result = result, .columns = sql_column_count(result), .out = out};
	box.widths = mr_calloc(box.columns, sizeof *box.widths);
	for (size_t c = 0; c < box.columns; c++) {
		widen(&box, c, sql_column_name(result, c));
		widen(&box, c, sql_column_type(result, c));
	}
	int rc = read_rows(&box, err);
	if (rc == 0) {
		fit(&box, width);
		put_table(&box);
	}
	free(box.widths);
	mr_vec_release(&box.cells);
	arena_release(&box.arena);
	return rc;
}
