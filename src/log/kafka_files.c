/* log/kafka_files.c - the small files that Kafka keeps beside a partition's segments.
 *
 *   leader-epoch-checkpoint   "0", the number of entries, then "<epoch> <start offset>" lines:
 *                             one node leads for ever, so there is one entry, of epoch 0
 *   partition.metadata        "version: 0" and the topic id as Kafka prints it (base64, URL alphabet)
 *
 * They are for Kafka's tools and for a person who moves the folder; nothing here reads them, so
 * they are written once, by the first checkpoint that finds a segment, and need no sync of their own.
 */
#include "log/store.h"

#include <stdlib.h>

/* 16 bytes as 22 characters of URL-safe base64 without padding. */
static void topic_id_text(const uint8_t id[16], char out[23])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	for (int i = 0; i < 22; i++) {
		int bit = i * 6, byte = bit / 8;
		unsigned pair = (unsigned)id[byte] << 8 | (byte < 15 ? id[byte + 1] : 0);
		out[i] = digits[pair >> (10 - bit % 8) & 63];
	}
	out[22] = 0;
}

static void write_text(struct log_partition *partition, const char *name, const char *text)
{
	struct mr_disk *disk = partition->topic->store->env->disk;
	char *path = mr_asprintf("%s/%s", partition->dir, name);
	struct mr_file *file;
	if (disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, NULL) == 0) {
		(void)!file_write_at(file, text, strlen(text), 0, NULL);
		file_close(file);
	}
	free(path);
}

void kafka_files_write(struct log_partition *partition)
{
	char id[23];
	pthread_mutex_lock(&partition->lock);
	bool none = partition->deleted || partition->segments.len == 0;
	int64_t start_offset = none ? 0 : partition->segments.items[0]->base;
	pthread_mutex_unlock(&partition->lock);
	if (none)
		return;
	topic_id_text(partition->topic->id, id);
	char *epochs = mr_asprintf("0\n1\n0 %lld\n", (long long)start_offset);
	char *metadata = mr_asprintf("version: 0\ntopic_id: %s\n", id);
	write_text(partition, "leader-epoch-checkpoint", epochs);
	write_text(partition, "partition.metadata", metadata);
	free(metadata);
	free(epochs);
}
