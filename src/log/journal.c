/* log/journal.c - the shared write-ahead journal. Format and rules: see the header. */
#include "log/journal.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"

#include <stdlib.h>

#define FRAMES_AT 4096
#define FRAME_ALIGN 512
#define FRAME_HEADER 32
#define ENTRY_HEADER 40
#define FRAME_SOFT_MAX ((size_t)4 << 20) /* a frame is written when it has grown to this */
#define PRESET_STEP_MAX ((int64_t)4 << 20)
#define AHEAD_STEP ((int64_t)1 << 20)
#define FRAME_MAGIC 0x4d524a46u /* "MRJF" */
#define HEADER_SIZE 40

static const char header_magic[8] = "MRJRNL01";

struct journal_file {
	struct mr_file *file;
	uint64_t generation; /* 0: no valid header */
	uint64_t floor;
	uint64_t nonce;
	int64_t preset; /* bytes known to be allocated and written once */
};

struct journal {
	const struct env *env;
	struct journal_file files[2];
	int current; /* index into files */
	int64_t file_bytes;
	int64_t at;    /* where the next frame goes */
	int64_t ahead; /* as large the other file is to become before its next use */
	uint32_t frame_number;
	struct mr_buf frame;
	uint32_t frame_entries;
	uint64_t written;
};

static int read_header(struct journal_file *file, struct mr_error *err)
{
	char header[HEADER_SIZE];
	size_t got;
	int rc = file_read_at(file->file, header, sizeof header, 0, &got, err);
	if (rc == 0)
		rc = file_size(file->file, &file->preset, err);
	if (rc < 0)
		return rc;
	if (got < sizeof header || memcmp(header, header_magic, 8) != 0 ||
	    mr_get_be32(header + 8) != mr_crc32c(0, header + 12, sizeof header - 12))
		return 0;
	file->generation = mr_get_be64(header + 16);
	file->floor = mr_get_be64(header + 24);
	file->nonce = mr_get_be64(header + 32);
	return 0;
}

static int open_file(struct journal *journal, const char *dir, int which, struct mr_error *err)
{
	char *path = mr_asprintf("%s/%d.wal", dir, which);
	struct journal_file *file = &journal->files[which];
	int rc = disk_open(journal->env->disk, path, FILE_WRITE | FILE_CREATE, &file->file, err);
	free(path);
	return rc < 0 ? rc : read_header(file, err);
}

int journal_open(const struct env *env, const char *dir, size_t file_bytes, struct journal **out,
		 struct mr_error *err)
{
	struct journal *journal = mr_calloc(1, sizeof *journal);
	journal->env = env;
	journal->file_bytes = (int64_t)(file_bytes ? file_bytes : (size_t)256 << 20);
	int rc = disk_mkdir_all(env->disk, dir, err);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = open_file(journal, dir, i, err);
	if (rc == 0)
		rc = disk_sync_dir(env->disk, dir, err);
	if (rc < 0) {
		journal_close(journal);
		return rc;
	}
	journal->current = journal->files[1].generation > journal->files[0].generation;
	*out = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	file_close(journal->files[0].file);
	file_close(journal->files[1].file);
	mr_buf_release(&journal->frame);
	free(journal);
}

static int replay_entries(mr_str entries, uint32_t count, journal_replay_fn fn, void *arg,
			  struct mr_error *err)
{
	for (uint32_t i = 0; i < count; i++) {
		if (entries.len < ENTRY_HEADER)
			return mr_fail(err, MR_ERR_CORRUPT, "the journal has a frame with a short entry");
		struct journal_entry entry = {
		    .partition = (int32_t)mr_get_be32(entries.ptr + 16),
		    .segment = (int64_t)mr_get_be64(entries.ptr + 24),
		    .position = (int64_t)mr_get_be64(entries.ptr + 32),
		    .bytes = {entries.ptr + ENTRY_HEADER, mr_get_be32(entries.ptr + 20)},
		};
		memcpy(entry.topic_id, entries.ptr, 16);
		if (entries.len - ENTRY_HEADER < entry.bytes.len)
			return mr_fail(err, MR_ERR_CORRUPT, "the journal has an entry that leaves its frame");
		int rc = fn(arg, &entry, err);
		if (rc != 0)
			return rc;
		entries = mr_str_tail(entries, ENTRY_HEADER + entry.bytes.len);
	}
	return 0;
}

/* 1 and the frame's bytes in buf; 0 at the end of what was written in this generation. */
static int read_frame(struct journal_file *file, int64_t at, uint32_t number, struct mr_buf *buf,
		      struct mr_error *err)
{
	char header[FRAME_HEADER];
	size_t got;
	int rc = file_read_at(file->file, header, sizeof header, at, &got, err);
	if (rc < 0)
		return rc;
	if (got < sizeof header || mr_get_be32(header) != FRAME_MAGIC ||
	    mr_get_be64(header + 8) != file->nonce || mr_get_be32(header + 16) != number)
		return 0;
	uint32_t length = mr_get_be32(header + 20);
	if (length < FRAME_HEADER || at + length > file->preset)
		return 0;
	mr_buf_clear(buf);
	mr_buf_reserve(buf, length);
	rc = file_read_at(file->file, buf->ptr, length, at, &got, err);
	if (rc < 0)
		return rc;
	buf->len = got;
	return got == length && mr_get_be32(buf->ptr + 4) == mr_crc32c(0, buf->ptr + 8, length - 8);
}

static int64_t frame_span(size_t length)
{
	return ((int64_t)length + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

static int replay_file(struct journal_file *file, journal_replay_fn fn, void *arg, struct mr_error *err)
{
	struct mr_buf frame = {0};
	int64_t at = FRAMES_AT;
	int rc = 1;
	for (uint32_t number = 0; rc == 1; number++) {
		rc = read_frame(file, at, number, &frame, err);
		if (rc != 1)
			break;
		rc = replay_entries(mr_str_tail(mr_buf_view(&frame), FRAME_HEADER),
				    mr_get_be32(frame.ptr + 24), fn, arg, err);
		at += frame_span(frame.len);
		rc = rc < 0 ? rc : 1;
	}
	mr_buf_release(&frame);
	return rc;
}

int journal_replay(struct journal *journal, journal_replay_fn fn, void *arg, struct mr_error *err)
{
	struct journal_file *newest = &journal->files[journal->current];
	struct journal_file *older = &journal->files[!journal->current];
	int rc = 0;
	if (older->generation && older->generation >= newest->floor)
		rc = replay_file(older, fn, arg, err);
	if (rc == 0 && newest->generation)
		rc = replay_file(newest, fn, arg, err);
	return rc;
}

static int fill_with_zeros(struct journal_file *file, int64_t end, struct mr_error *err)
{
	static const char zeros[1 << 16];
	for (int64_t at = file->preset; at < end;) {
		int64_t len = mr_min_i64(end - at, (int64_t)sizeof zeros);
		int rc = file_write_at(file->file, zeros, (size_t)len, at, err);
		if (rc < 0)
			return rc;
		at += len;
	}
	int rc = file_sync(file->file, err);
	if (rc == 0)
		file->preset = end;
	return rc;
}

/* The file grows by zeros in steps, so that a sync of a frame has no file size to write. Each step is as
 * large as all before it, up to a limit: a start waits for the first one. */
static int preset(struct journal *journal, struct journal_file *file, int64_t until, struct mr_error *err)
{
	if (until <= file->preset)
		return 0;
	int64_t step_max = mr_min_i64(PRESET_STEP_MAX, journal->file_bytes / 8);
	int64_t step = mr_max_i64((int64_t)1 << 16, mr_min_i64(step_max, file->preset));
	return fill_with_zeros(file, (until + step - 1) / step * step, err);
}

int journal_grow_ahead(struct journal *journal, struct mr_error *err)
{
	struct journal_file *file = &journal->files[!journal->current];
	int64_t end = mr_min_i64(journal->ahead, file->preset + AHEAD_STEP);
	if (end <= file->preset)
		return 0;
	int rc = fill_with_zeros(file, end, err);
	return rc < 0 ? rc : 1;
}

int journal_start(struct journal *journal, bool forget, struct mr_error *err)
{
	const struct journal_file *last = &journal->files[journal->current];
	struct journal_file *next = &journal->files[!journal->current];
	uint64_t generation = last->generation + 1;
	struct journal_file started = {
	    .file = next->file,
	    .generation = generation,
	    .floor = forget ? generation : last->generation,
	    .nonce = rng_next(journal->env->rng),
	};
	char header[HEADER_SIZE] = {0};
	memcpy(header, header_magic, 8);
	mr_put_be64(header + 16, started.generation);
	mr_put_be64(header + 24, started.floor);
	mr_put_be64(header + 32, started.nonce);
	mr_put_be32(header + 8, mr_crc32c(0, header + 12, sizeof header - 12));
	int rc = preset(journal, next, FRAMES_AT, err);
	if (rc == 0)
		rc = file_write_at(next->file, header, sizeof header, 0, err);
	if (rc == 0 && forget) /* else the sync of the first frame covers it */
		rc = file_sync(next->file, err);
	if (rc < 0)
		return rc;
	started.preset = next->preset;
	*next = started;
	bool was_full = journal->at > last->preset / 2;
	journal->ahead = was_full ? mr_min_i64(2 * last->preset, journal->file_bytes) : last->preset;
	journal->current = !journal->current;
	journal->at = FRAMES_AT;
	journal->frame_number = 0;
	journal->frame_entries = 0;
	mr_buf_clear(&journal->frame);
	return 0;
}

/* What the entries take at most, split into frames and aligned. */
static int64_t room_needed(size_t entries, size_t bytes)
{
	int64_t payload = (int64_t)(entries * ENTRY_HEADER + bytes);
	int64_t frames = 1 + payload / (int64_t)FRAME_SOFT_MAX;
	return payload + frames * (FRAME_HEADER + FRAME_ALIGN);
}

/* A file is extended within a round, which waits for that, up to an eighth of the limit only; the rest it
 * gets while the other one is written (journal_grow_ahead). An empty file takes any round. */
bool journal_has_room(const struct journal *journal, size_t entries, size_t bytes)
{
	int64_t room = journal->file_bytes;
	if (journal->at > FRAMES_AT)
		room = mr_min_i64(room, mr_max_i64(journal->files[journal->current].preset, room / 8));
	return journal->at + room_needed(entries, bytes) <= room;
}

bool journal_could_hold(const struct journal *journal, size_t entries, size_t bytes)
{
	return FRAMES_AT + room_needed(entries, bytes) <= journal->file_bytes;
}

static int write_frame(struct journal *journal, struct mr_error *err)
{
	if (journal->frame_entries == 0)
		return 0;
	struct journal_file *file = &journal->files[journal->current];
	struct mr_buf *frame = &journal->frame;
	mr_put_be32(frame->ptr, FRAME_MAGIC);
	mr_put_be64(frame->ptr + 8, file->nonce);
	mr_put_be32(frame->ptr + 16, journal->frame_number);
	mr_put_be32(frame->ptr + 20, (uint32_t)frame->len);
	mr_put_be32(frame->ptr + 24, journal->frame_entries);
	mr_put_be32(frame->ptr + 28, 0);
	mr_put_be32(frame->ptr + 4, mr_crc32c(0, frame->ptr + 8, frame->len - 8));
	int rc = preset(journal, file, journal->at + frame_span(frame->len), err);
	if (rc == 0)
		rc = file_write_at(file->file, frame->ptr, frame->len, journal->at, err);
	if (rc < 0)
		return rc;
	journal->at += frame_span(frame->len);
	journal->written += frame->len;
	journal->frame_number++;
	journal->frame_entries = 0;
	mr_buf_clear(frame);
	return 0;
}

int journal_add(struct journal *journal, const struct journal_entry *entry, struct mr_error *err)
{
	static const char room[FRAME_HEADER];
	struct mr_buf *frame = &journal->frame;
	if (frame->len == 0)
		mr_buf_append(frame, room, sizeof room);
	char header[ENTRY_HEADER];
	memcpy(header, entry->topic_id, 16);
	mr_put_be32(header + 16, (uint32_t)entry->partition);
	mr_put_be32(header + 20, (uint32_t)entry->bytes.len);
	mr_put_be64(header + 24, (uint64_t)entry->segment);
	mr_put_be64(header + 32, (uint64_t)entry->position);
	mr_buf_append(frame, header, sizeof header);
	mr_buf_str(frame, entry->bytes);
	journal->frame_entries++;
	return frame->len >= FRAME_SOFT_MAX ? write_frame(journal, err) : 0;
}

int journal_sync(struct journal *journal, struct mr_error *err)
{
	int rc = write_frame(journal, err);
	return rc < 0 ? rc : file_sync(journal->files[journal->current].file, err);
}

uint64_t journal_generation(const struct journal *journal)
{
	return journal->files[journal->current].generation;
}

uint64_t journal_floor(const struct journal *journal)
{
	return journal->files[journal->current].floor;
}

uint64_t journal_bytes_written(const struct journal *journal)
{
	return journal->written;
}

size_t journal_size(const struct journal *journal)
{
	return (size_t)journal->file_bytes;
}
