/* DescribeLogDirs (35), versions 1-4: one folder holds everything; its partitions with their sizes.
 * From version 4 also how large the file system is and how much of it is free. */
#include "kafka/handler.h"
#include "kafka/security.h"

#include <stdlib.h>
#include <sys/statvfs.h>

static void show_partition(struct log_topic *topic, int32_t index, struct describe_log_dirs_topic *out)
{
	struct log_partition *partition = log_partition_at(topic, index);
	if (partition)
		out->partitions.items[out->partitions.count++] = (struct describe_log_dirs_partition){
		    .partition = index, .partition_size = log_size_bytes(partition)};
}

static void show_all(struct request *r, struct describe_log_dirs_result *out)
{
	size_t count;
	struct log_topic **topics = log_topics(request_core(r)->store, &count);
	request_array(r, &out->topics, count);
	for (size_t i = 0; i < count; i++) {
		int32_t partitions = log_topic_partition_count(topics[i]);
		out->topics.items[i].name = log_topic_name(topics[i]);
		request_array(r, &out->topics.items[i].partitions, partitions);
		out->topics.items[i].partitions.count = 0;
		for (int32_t p = 0; p < partitions; p++)
			show_partition(topics[i], p, &out->topics.items[i]);
	}
	free(topics);
}

static void show_wanted(struct request *r, struct describe_log_dirs_result *out)
{
	const struct describe_log_dirs_request *in = r->in;
	request_array(r, &out->topics, in->topics.count);
	out->topics.count = 0;
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct describe_log_dirs_wanted *wanted = &in->topics.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, wanted->topic);
		if (!topic)
			continue;
		struct describe_log_dirs_topic *shown = &out->topics.items[out->topics.count++];
		shown->name = wanted->topic;
		request_array(r, &shown->partitions, wanted->partitions.count);
		shown->partitions.count = 0;
		for (int32_t p = 0; p < wanted->partitions.count; p++)
			show_partition(topic, wanted->partitions.items[p], shown);
	}
}

enum step describe_log_dirs_step(struct request *r)
{
	const struct describe_log_dirs_request *in = r->in;
	struct describe_log_dirs_response *out = r->out;
	struct statvfs fs;
	if (!request_may_cluster(r, ACL_DESCRIBE)) {
		out->error_code = request_code(r, KE_CLUSTER_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	request_array(r, &out->results, 1);
	struct describe_log_dirs_result *result = &out->results.items[0];
	*result = (struct describe_log_dirs_result){.total_bytes = -1, .usable_bytes = -1};
	result->log_dir = mr_str_from(log_store_dir(request_core(r)->store));
	if (statvfs(result->log_dir.ptr, &fs) == 0) {
		result->total_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
		result->usable_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	}
	if (in->topics.count < 0)
		show_all(r, result);
	else
		show_wanted(r, result);
	return STEP_DONE;
}
