#include "tests/bench/crowd/frames.h"

#include <stdint.h>
#include <string.h>

#include "tests/bench/superv/proc.h"

#define MESSAGE_MAX	(16 << 20)

static void
take_line(struct frames_event *event, const char *line, size_t len)
{
	if (len > 5 && memcmp(line, "data:", 5) == 0) {
		event->data = line + 5;
		event->data_len = len - 5;
	} else if (len > 4 && memcmp(line, "id: ", 4) == 0) {
		event->id = line + 4;
		event->id_len = len - 4;
	} else if (len >= 12 && memcmp(line, "event: reset", 12) == 0)
		event->reset = true;
}

size_t
frames_event(const char *bytes, size_t len, struct frames_event *event)
{
	const char	*line = bytes, *end;

	*event = (struct frames_event){ 0 };
	while ((end = memchr(line, '\n', len - (size_t)(line - bytes))) != NULL) {
		if (end == line)
			return (size_t)(end + 1 - bytes);
		take_line(event, line, (size_t)(end - line));
		line = end + 1;
	}
	return 0;
}

static uint64_t
big_endian(const unsigned char *p, int bytes)
{
	uint64_t	 n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | p[i];
	return n;
}

size_t
frames_next(const char *bytes, size_t len, int *opcode, const char **payload, size_t *payload_len)
{
	const unsigned char	*b = (const unsigned char *)bytes;
	size_t			 head = 2;
	uint64_t		 size;

	if (len < head)
		return 0;
	if ((b[0] & 0xf0) != 0x80 || (b[1] & 0x80) != 0)
		proc_die("frame", "a fragment, an extension or a mask from a server");
	size = b[1] & 0x7f;
	if (size >= 126) {
		head = size == 126 ? 4 : 10;
		if (len < head)
			return 0;
		size = big_endian(b + 2, (int)head - 2);
	}
	if (size > MESSAGE_MAX)
		proc_die("frame", "too long");
	if (len < head + size)
		return 0;
	*opcode = b[0] & 0x0f;
	*payload = bytes + head;
	*payload_len = (size_t)size;
	return head + (size_t)size;
}

size_t
frames_client(char *out, int opcode, const char *payload, size_t len)
{
	size_t	 head = 2;

	out[0] = (char)(0x80 | opcode);
	if (len < 126)
		out[1] = (char)(0x80 | len);
	else if (len < 65536) {
		out[1] = (char)(0x80 | 126);
		out[2] = (char)(len >> 8);
		out[3] = (char)len;
		head = 4;
	} else
		proc_die("frame", "longer than any that is sent here");
	memset(out + head, 0, 4);
	memcpy(out + head + 4, payload, len);
	return head + 4 + len;
}
