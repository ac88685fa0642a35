/* Requests of the control socket: none crashes, and what is taken fits. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "watchdog/control.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request	 q;
	char			 why[160] = "";

	memset(&q, 0xff, sizeof(q));
	if (control_parse((const char *)data, size, &q, why, sizeof(why))) {
		assert(strnlen(q.name, sizeof(q.name)) < sizeof(q.name));
		assert(q.word >= CONTROL_STATUS && q.word <= CONTROL_RELOAD);
	} else
		assert(why[0] != '\0' && strlen(why) < sizeof(why));
	return 0;
}
