/* tests/unit/api/test_log_line.c - lines of task logs, ours and what tasks print. */
#include "test.h"

#include "api/log_line.h"

static void check_line(const char *text, const char *want)
{
	mr_str left = mr_str_from(text);
	struct log_line line = log_line_take(&left);
	struct mr_buf out = {0};
	struct json_writer w = json_writer(&out);
	log_line_put(&w, &line);
	CHECK_STR(mr_buf_view(&out), want);
	CHECK_INT(left.len, 0);
	mr_buf_release(&out);
}

TEST(log_line_reads_ours_and_passes_others_on)
{
	check_line("[2026-01-01T00:00:00.000001+00:00] INFO - a - b\n",
		   "{\"timestamp\":\"2026-01-01T00:00:00.000001Z\",\"event\":\"a - b\",\"level\":\"info\","
		   "\"logger\":\"task\"}");
	check_line("[2026-01-01T00:00:00+00:00] {engine} ERROR - x",
		   "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"event\":\"x\",\"level\":\"error\",\"logger\":"
		   "\"engine\"}");
	static const char *const printed[] = {"plain",
					      "[",
					      "[] ",
					      "[x] INFO - y",
					      "[2026-01-01] no level",
					      "[2026-01-01T00:00:00+00:00] A LONG LEVEL THAT IS NONE - x",
					      "[2026-13-01T00:00:00+00:00] INFO - x",
					      "[2026-01-01T00:00:00] {open INFO"};
	for (size_t i = 0; i < MR_COUNT(printed); i++) {
		mr_str left = mr_str_from(printed[i]);
		struct log_line line = log_line_take(&left);
		CHECK_STR(line.event, printed[i]);
		CHECK_STR(line.logger, "task.stdout");
	}
}

TEST(log_line_waits_for_the_end_of_a_line)
{
	CHECK_STR(log_whole_lines(MR_STR("a\nb"), false), "a\n");
	CHECK_STR(log_whole_lines(MR_STR("a\nb"), true), "a\nb");
	CHECK_STR(log_whole_lines(MR_STR("a"), false), "");
	CHECK_STR(log_whole_lines(MR_STR(""), true), "");
	mr_str left = MR_STR("a\n\nb");
	size_t lines = 0;
	for (; left.len; lines++)
		log_line_take(&left);
	CHECK_INT(lines, 3);
}
