/* A URL, and a Retry-After: what is accepted is clean enough for a request's head, and reads the same when put together again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *scheme, const char *text)
{
	struct net_url	 url, again;
	char		 why[NET_WHY_MAX] = "", authority[NET_AUTHORITY_MAX], *joined = NULL;

	if (!net_url_parse(&url, scheme, text, why, sizeof(why))) {
		if (*why == '\0')
			abort();
		return;
	}
	if (*url.host == '\0' || url.port == 0 || *url.path != '/' || strpbrk(url.path, " \r\n\t#") != NULL ||
	    strpbrk(url.host, " \r\n\t/@[]") != NULL)
		abort();
	if (asprintf(&joined, "%s://%s%s", scheme, net_authority(&url, authority), url.path) == -1)
		abort();
	if (!net_url_parse(&again, scheme, joined, why, sizeof(why)) || strcmp(again.host, url.host) != 0 ||
	    again.port != url.port || again.is_address != url.is_address || strcmp(again.path, url.path) != 0)
		abort();
	free(joined);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	*text = malloc(size + 1);
	int64_t	 ms;

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check("wss", text);
	check("https", text);
	check("http", text);
	ms = net_retry_after_ms(text, INT64_C(1767225600000000), 600000);
	if (ms < -1 || ms > 600000)
		abort();
	free(text);
	return 0;
}
