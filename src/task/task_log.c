#include "task/task_log.h"

#include "dag/civil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void put_name(struct mr_buf *out, const char *key, mr_str value)
{
	mr_buf_printf(out, "/%s=", key);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if (c == '/' || c == '%' || c < 0x20 || c == 0x7f)
			mr_buf_printf(out, "%%%02X", c);
		else
			mr_buf_char(out, (char)c);
	}
}

void task_log_path(const char *logs, mr_str dag_id, mr_str run_id, mr_str task_id, int32_t map_index,
		   int32_t try_number, struct mr_buf *out)
{
	mr_buf_cstr(out, logs);
	put_name(out, "dag_id", dag_id);
	put_name(out, "run_id", run_id);
	put_name(out, "task_id", task_id);
	if (map_index >= 0)
		mr_buf_printf(out, "/map_index=%d", (int)map_index);
	mr_buf_printf(out, "/attempt=%d.log", (int)try_number);
}

/* The folders above a path. Not synced, as the log itself is not: a power cut costs lines. */
static int make_folders(char *path, struct mr_error *err)
{
	char *slash = strrchr(path, '/');
	int rc = 0;
	if (!slash || slash == path)
		return 0;
	*slash = 0;
	bool made = mkdir(path, 0777) == 0;
	if (!made && errno == ENOENT) {
		rc = make_folders(path, err);
		made = rc == 0 && mkdir(path, 0777) == 0;
	}
	if (rc == 0 && !made && errno != EEXIST)
		rc = mr_fail_errno(err, "cannot make the folder %s", path);
	*slash = '/';
	return rc;
}

int task_log_open(struct task_log *log, const char *logs, const struct dag_try *try, const mr_str *secrets,
		  size_t secret_count, struct mr_error *err)
{
	struct mr_buf path = {0};
	task_log_path(logs, try->dag->id, try->run.run_id, try->task->id, try->map_index, try->try_number,
		      &path);
	mask_init(&log->mask, secrets, secret_count);
	log->fd = open(path.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	int rc = 0;
	if (log->fd < 0 && errno == ENOENT) {
		rc = make_folders(path.ptr, err);
		log->fd = rc == 0 ? open(path.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640) : -1;
	}
	if (rc == 0 && log->fd < 0)
		rc = mr_fail_errno(err, "cannot open the log %s", path.ptr);
	mr_buf_release(&path);
	return rc;
}

void task_log_close(struct task_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	mask_release(&log->mask);
}

void task_log_text(struct task_log *log, mr_str text)
{
	struct mr_buf masked = {0};
	if (log->fd < 0)
		return;
	mask_feed(&log->mask, text, &masked);
	mask_end(&log->mask, &masked);
	for (mr_str rest = mr_buf_view(&masked); rest.len;) { /* a full disk costs lines, not tasks */
		ssize_t n = write(log->fd, rest.ptr, rest.len);
		if (n <= 0)
			break;
		rest = mr_str_tail(rest, (size_t)n);
	}
	mr_buf_release(&masked);
}

void task_log_line(struct task_log *log, const char *level, const char *fmt, ...)
{
	struct mr_buf line = {.limit = 1 << 20};
	char at[CIVIL_ISO_BYTES];
	struct timespec now;
	va_list args;
	clock_gettime(CLOCK_REALTIME, &now);
	mr_buf_printf(&line, "[%s] %s - ",
		      civil_iso(at, (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000), level);
	va_start(args, fmt);
	mr_buf_vprintf(&line, fmt, args);
	va_end(args);
	mr_buf_char(&line, '\n');
	task_log_text(log, mr_buf_view(&line));
	mr_buf_release(&line);
}

int task_log_read(const char *path, int64_t offset, size_t limit, struct mr_buf *out, struct mr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : mr_fail_errno(err, "cannot read the log %s", path);
	mr_buf_reserve(out, limit + 1);
	ssize_t n = pread(fd, out->ptr + out->len, mr_min_size(limit, out->cap - out->len - 1), offset);
	int rc = n < 0 ? mr_fail_errno(err, "cannot read the log %s", path) : 0;
	out->len += n > 0 ? (size_t)n : 0;
	out->ptr[out->len] = 0;
	close(fd);
	return rc;
}
