/* query/render_box.c - a result as a table for a terminal.
 *
 *   ┌─────────┬────────┐
 *   │ url     │  views │
 *   │ VARCHAR │ BIGINT │
 *   ├─────────┼────────┤
 *   │ /a      │     12 │
 *   └─────────┴────────┘
 *   … 5 more rows
 *   6 rows
 *
 * Too wide: the widest columns are narrowed first; when all are narrow, columns in the middle
 * give way to one "…" column. The first rows decide the widths; only they are kept.
 */
#include "base/vec.h"
#include "query/render_out.h"
#include "query/text_width.h"

#define ROWS_MAX_USUAL 200
#define CELL_MAX 200  /* cells of a column when there is no terminal width */
#define CELL_MIN 8    /* a column is not narrowed below this */
#define TYPE_WIDTH 12 /* what a type's name may add to a column's width */
#define FRAME 3       /* "│ " before and " " after each column; and one "│" at the end */

struct box_column {
	mr_str name, type;
	size_t width;
	bool right;
};

struct box {
	struct arena arena;
	struct box_column *columns;
	size_t column_count;
	MR_VEC(mr_str) cells; /* row by row */
	size_t cell_max, rows_max, total_rows;
	struct box_column *shown[2]; /* the columns before the gap, and those after */
	size_t shown_count[2];
};

/* Text for one cell: plain, at most `most` wide, "…" at the end of what was cut. */
static mr_str cell_text(struct box *box, mr_str text, size_t most)
{
	struct mr_buf plain = {0};
	if (!render_put_plain(&plain, text, most)) {
		plain.len = text_fit(mr_buf_view(&plain), most - 1);
		mr_buf_cstr(&plain, "…");
	}
	mr_str copy = arena_copy(&box->arena, mr_buf_view(&plain));
	mr_buf_release(&plain);
	return copy;
}

static void read_columns(struct box *box, struct sql_result *result)
{
	box->column_count = sql_column_count(result);
	box->columns = arena_calloc(&box->arena, box->column_count + 1, sizeof *box->columns);
	for (size_t i = 0; i < box->column_count; i++) {
		struct box_column *column = &box->columns[i];
		column->name = cell_text(box, sql_column_name(result, i), box->cell_max);
		column->type = cell_text(box, sql_column_type(result, i), box->cell_max);
		column->right = sql_column_is_number(result, i);
		column->width =
		    mr_max_size(text_width(column->name), mr_min_size(text_width(column->type), TYPE_WIDTH));
	}
}

static int read_rows(struct box *box, struct sql_result *result, struct mr_error *err)
{
	int rc;
	while ((rc = sql_next(result, err)) > 0) {
		if (box->total_rows++ >= box->rows_max)
			continue;
		for (size_t i = 0; i < box->column_count; i++) {
			mr_str text = sql_is_null(result, i) ? MR_STR("NULL") : sql_text(result, i);
			mr_str cell = cell_text(box, text, box->cell_max);
			mr_vec_push(&box->cells, cell);
			box->columns[i].width = mr_max_size(box->columns[i].width, text_width(cell));
		}
	}
	return rc;
}

/* ---- fitting the width ---- */

static size_t table_width(const struct box_column *columns, size_t count)
{
	size_t width = 1;
	for (size_t i = 0; i < count; i++)
		width += columns[i].width + FRAME;
	return width;
}

static void narrow_columns(struct box *box, size_t width)
{
	size_t total = table_width(box->columns, box->column_count);
	while (total > width) {
		struct box_column *widest = box->columns;
		size_t second = CELL_MIN;
		for (size_t i = 1; i < box->column_count; i++)
			if (box->columns[i].width > widest->width)
				widest = &box->columns[i];
		for (size_t i = 0; i < box->column_count; i++)
			if (box->columns[i].width < widest->width)
				second = mr_max_size(second, box->columns[i].width);
		if (widest->width <= CELL_MIN)
			return;
		size_t cut = mr_min_size(total - width, mr_max_size(1, widest->width - second));
		widest->width -= cut;
		total -= cut;
	}
}

/* Which columns are shown: all, or those at both ends that fit beside the gap. */
static void choose_columns(struct box *box, size_t width)
{
	box->shown[0] = box->columns;
	box->shown_count[0] = box->column_count;
	if (!width)
		return;
	narrow_columns(box, width);
	if (table_width(box->columns, box->column_count) <= width)
		return;
	size_t used = 1 + 1 + FRAME, front = 0, back = 0;
	while (front + back < box->column_count) {
		bool take_front = front <= back;
		size_t next = take_front ? front : box->column_count - 1 - back;
		used += box->columns[next].width + FRAME;
		if (used > width && front + back > 0)
			break;
		front += take_front;
		back += !take_front;
	}
	box->shown_count[0] = front;
	box->shown[1] = box->columns + box->column_count - back;
	box->shown_count[1] = back;
}

static bool has_gap(const struct box *box)
{
	return box->shown_count[0] + box->shown_count[1] < box->column_count;
}

/* ---- drawing ---- */

static void put_repeated(struct mr_buf *to, const char *what, size_t times)
{
	for (size_t i = 0; i < times; i++)
		mr_buf_cstr(to, what);
}

static void put_rule(const struct box *box, const char *const marks[3], struct mr_buf *to)
{
	const char *mark = marks[0];
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < box->shown_count[side]; i++) {
			mr_buf_cstr(to, mark);
			put_repeated(to, "─", box->shown[side][i].width + 2);
			mark = marks[1];
		}
		if (side == 0 && has_gap(box)) {
			mr_buf_printf(to, "%s───", mark);
			mark = marks[1];
		}
	}
	mr_buf_printf(to, "%s\n", marks[2]);
}

static void put_cell(const struct box_column *column, mr_str text, struct mr_buf *to)
{
	size_t width = text_width(text);
	bool cut = width > column->width;
	if (cut) {
		text = mr_str_n(text.ptr, text_fit(text, column->width - 1));
		width = text_width(text) + 1;
	}
	mr_buf_cstr(to, "│ ");
	if (column->right)
		put_repeated(to, " ", column->width - width);
	mr_buf_str(to, text);
	mr_buf_cstr(to, cut ? "…" : "");
	if (!column->right)
		put_repeated(to, " ", column->width - width);
	mr_buf_char(to, ' ');
}

enum line { LINE_NAMES, LINE_TYPES, LINE_VALUES };

static void put_line(const struct box *box, enum line line, const mr_str *row, struct mr_buf *to)
{
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < box->shown_count[side]; i++) {
			const struct box_column *column = &box->shown[side][i];
			put_cell(column,
				 line == LINE_NAMES   ? column->name
				 : line == LINE_TYPES ? column->type
						      : row[column - box->columns],
				 to);
		}
		if (side == 0 && has_gap(box))
			mr_buf_cstr(to, "│ … ");
	}
	mr_buf_cstr(to, "│\n");
}

static void put_footer(const struct box *box, size_t shown, struct mr_buf *to)
{
	if (shown < box->total_rows)
		mr_buf_printf(to, "… %zu more row%s\n", box->total_rows - shown,
			      box->total_rows - shown == 1 ? "" : "s");
	mr_buf_printf(to, "%zu row%s", box->total_rows, box->total_rows == 1 ? "" : "s");
	if (has_gap(box))
		mr_buf_printf(to, ", %zu of %zu columns", box->shown_count[0] + box->shown_count[1],
			      box->column_count);
	mr_buf_char(to, '\n');
}

static int draw(const struct box *box, struct render_out *out, struct mr_error *err)
{
	static const char *const top[] = {"┌", "┬", "┐"};
	static const char *const middle[] = {"├", "┼", "┤"};
	static const char *const bottom[] = {"└", "┴", "┘"};
	size_t shown = box->column_count ? box->cells.len / box->column_count : 0;
	int rc = 0;
	put_rule(box, top, &out->text);
	put_line(box, LINE_NAMES, NULL, &out->text);
	put_line(box, LINE_TYPES, NULL, &out->text);
	put_rule(box, middle, &out->text);
	for (size_t i = 0; i < shown && rc == 0; i++) {
		put_line(box, LINE_VALUES, box->cells.items + i * box->column_count, &out->text);
		rc = render_flush(out, false, err);
	}
	put_rule(box, bottom, &out->text);
	put_footer(box, shown, &out->text);
	return rc;
}

int render_box(struct sql_result *result, const struct render_options *options, struct render_out *out,
	       struct mr_error *err)
{
	struct box box = {.rows_max = options->rows_max ? options->rows_max : ROWS_MAX_USUAL};
	size_t width = options->width > 0 ? (size_t)options->width : 0;
	box.cell_max = width ? mr_max_size(width, CELL_MIN + FRAME + 1) : CELL_MAX;
	read_columns(&box, result);
	int rc = read_rows(&box, result, err);
	if (rc == 0) {
		choose_columns(&box, width);
		rc = draw(&box, out, err);
	}
	mr_vec_release(&box.cells);
	arena_release(&box.arena);
	return rc;
}
