#include "task/keeper_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int ends_open(struct keeper_ends *journal, const char *folder, struct mr_error *err)
{
	struct stat info;
	char *path = mr_asprintf("%s/ends.jsonl", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0) {
		mr_fail_errno(err, "cannot open %s", path);
		free(path);
		return err ? err->code : MR_ERR_IO;
	}
	*journal = (struct keeper_ends){.path = path, .fd = fd};
	journal->old_path = mr_asprintf("%s/ends.old.jsonl", folder);
	journal->size = fstat(fd, &info) == 0 ? info.st_size : 0;
	if (journal->size > 0)
		ends_add(journal, MR_STR("")); /* a torn last line ends here */
	return 0;
}

static void forget(struct keeper_ends *journal)
{
	mr_map_each (&journal->known, entry)
		free(entry->value);
	mr_map_release(&journal->known);
	journal->loaded = false;
}

void ends_close(struct keeper_ends *journal)
{
	forget(journal);
	mr_buf_release(&journal->pending);
	if (journal->path)
		close(journal->fd);
	free(journal->path);
	free(journal->old_path);
}

void ends_add(struct keeper_ends *journal, mr_str line)
{
	mr_buf_str(&journal->pending, line);
	mr_buf_char(&journal->pending, '\n');
	if (journal->loaded)
		forget(journal);
}

int ends_write(struct keeper_ends *journal, struct mr_error *err)
{
	struct mr_buf *pending = &journal->pending;
	while (pending->len > 0) {
		ssize_t n = write(journal->fd, pending->ptr, pending->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mr_fail_errno(err, "cannot write %s", journal->path);
		journal->size += n;
		mr_buf_consume(pending, (size_t)n);
	}
	if (journal->size < KEEPER_JOURNAL_BYTES)
		return 0;
	int fd = -1;
	if (rename(journal->path, journal->old_path) == 0)
		fd = open(journal->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0; /* the large file goes on */
	close(journal->fd);
	journal->fd = fd;
	journal->size = 0;
	return 0;
}

/* {"say":"ended","id":"…", …}: the id stands at a fixed place. */
static void load_line(struct keeper_ends *journal, mr_str line)
{
	static const mr_str head = {"{\"say\":\"ended\",\"id\":\"", 21};
	if (line.len < head.len + DAG_UUID_BYTES || !mr_str_starts(line, head) ||
	    line.ptr[line.len - 1] != '}')
		return;
	free(
	    mr_map_put(&journal->known, mr_str_n(line.ptr + head.len, DAG_UUID_BYTES - 1), mr_strndup(line)));
}

static void load(struct keeper_ends *journal, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mr_buf text = {0};
	ssize_t n;
	if (fd < 0)
		return;
	while (mr_buf_reserve(&text, 1 << 16) && (n = read(fd, text.ptr + text.len, 1 << 16)) > 0)
		text.len += (size_t)n;
	close(fd);
	mr_str rest = mr_buf_view(&text);
	for (const char *nl; rest.len && (nl = memchr(rest.ptr, '\n', rest.len)) != NULL;) {
		size_t len = (size_t)(nl - rest.ptr);
		load_line(journal, mr_str_n(rest.ptr, len));
		rest = mr_str_tail(rest, len + 1);
	}
	mr_buf_release(&text);
}

bool ends_find(struct keeper_ends *journal, mr_str id, mr_str *line)
{
	if (!journal->loaded) {
		load(journal, journal->old_path);
		load(journal, journal->path);
		mr_str rest = mr_buf_view(&journal->pending);
		for (const char *nl; rest.len && (nl = memchr(rest.ptr, '\n', rest.len)) != NULL;) {
			load_line(journal, mr_str_n(rest.ptr, (size_t)(nl - rest.ptr)));
			rest = mr_str_tail(rest, (size_t)(nl - rest.ptr) + 1);
		}
		journal->loaded = true;
	}
	const char *found = mr_map_get(&journal->known, id);
	*line = mr_str_from(found);
	return found != NULL;
}
