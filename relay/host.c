#include "relay/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool
is_address(const char *host)
{
	unsigned char	 address[sizeof(struct in6_addr)];
	char		 text[INET6_ADDRSTRLEN];
	size_t		 len = strlen(host);

	if (inet_pton(AF_INET, host, address) == 1)
		return true;
	if (len < 2 || len - 2 >= sizeof(text) || host[0] != '[' || host[len - 1] != ']')
		return false;
	memcpy(text, host + 1, len - 2);
	text[len - 2] = '\0';
	return inet_pton(AF_INET6, text, address) == 1;
}

bool
host_is_ours(const char *host, char *const *names, size_t count)
{
	if (host == NULL || *host == '\0' || is_address(host) || strcasecmp(host, "localhost") == 0)
		return true;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(host, names[i]) == 0)
			return true;
	return false;
}
