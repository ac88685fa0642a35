/* A notification's payload: any role of the database may send one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/notify.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct notify_key	 key = { .is_known = true };
	char				*payload = malloc(size + 1), text[NOTIFY_MAX];

	if (payload == NULL)
		abort();
	memcpy(payload, data, size);
	payload[size] = '\0';
	/* What is opened ends as an object does, and is shorter than it came. */
	if (notify_open(&key, payload, text) && (strlen(text) >= strlen(payload) || text[strlen(text) - 1] != '}'))
		abort();
	free(payload);
	return 0;
}
