/* Any bytes as a configuration: errors, never a crash, and what it prints reads back. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/suite.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_bytes(const void *data, size_t size, struct suite_conf *out)
{
	static const char *const	 own[] = { NULL };
	int				 fd = memfd_create("conf", 0), errors;
	char				 path[64];
	FILE				*sink = fopen("/dev/null", "we");
	struct conf			*c;

	if (fd == -1 || sink == NULL || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = conf_read(path);
	conf_fill(c, conf_section(c, "tocsin", NULL), suite_keys, out);
	suite_ignore_others(c, own);
	errors = conf_finish(c, sink);
	conf_free(c);
	fclose(sink);
	close(fd);
	return errors;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suite_conf	 first = { 0 }, again = { 0 };
	char			*text = NULL;
	size_t			 len = 0;
	FILE			*out;

	if (read_bytes(data, size, &first) == 0) {
		out = open_memstream(&text, &len);
		conf_print(out, "tocsin", NULL, suite_keys, &first);
		fclose(out);
		if (read_bytes(text, len, &again) == 0 && again.log_max_size != first.log_max_size)
			abort();
		free(text);
		conf_clear(suite_keys, &again);
	}
	conf_clear(suite_keys, &first);
	return 0;
}
