#include "relay/address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct block {
	unsigned char	 bytes[16];
	unsigned	 bits;
	const char	*what;
};

/* IANA's registries of special-purpose addresses, and multicast. */
static const struct block blocks4[] = {
	{ { 0 }, 8, "this network" }, { { 10 }, 8, "private" }, { { 100, 64 }, 10, "shared within a provider's network" },
	{ { 127 }, 8, "loopback" }, { { 169, 254 }, 16, "link-local" }, { { 172, 16 }, 12, "private" },
	{ { 192, 0, 0 }, 24, "for protocols" }, { { 192, 0, 2 }, 24, "for documents" }, { { 192, 88, 99 }, 24, "6to4" },
	{ { 192, 168 }, 16, "private" }, { { 198, 18 }, 15, "for benchmarks" }, { { 198, 51, 100 }, 24, "for documents" },
	{ { 203, 0, 113 }, 24, "for documents" }, { { 224 }, 4, "multicast" }, { { 240 }, 4, "reserved" },
};
static const struct block blocks6[] = {
	{ { 0x20, 0x01 }, 23, "for protocols (Teredo, benchmarks, …)" }, { { 0x20, 0x01, 0x0d, 0xb8 }, 32, "for documents" },
	{ { 0x20, 0x02 }, 16, "6to4" }, { { 0x3f, 0xff }, 20, "for documents" },
};
/* All that is public in IPv6 today. */
static const struct block global6 = { { 0x20 }, 3, "global" };
/* With an IPv4 address in the last four bytes. */
static const struct block mapped6 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96, "IPv4-mapped" };
static const struct block nat64 = { { 0x00, 0x64, 0xff, 0x9b }, 96, "NAT64" };

static bool
is_within(const unsigned char *bytes, const struct block *b)
{
	unsigned	 whole = b->bits / 8, rest = b->bits % 8;
	unsigned	 mask = rest == 0 ? 0 : 0xffU << (8 - rest) & 0xffU;

	return memcmp(bytes, b->bytes, whole) == 0 && (rest == 0 || (bytes[whole] & mask) == (b->bytes[whole] & mask));
}

static const char *
find_block(const unsigned char *bytes, const struct block *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_within(bytes, &blocks[i]))
			return blocks[i].what;
	return NULL;
}

static const char *
verdict4(const unsigned char *bytes)
{
	return find_block(bytes, blocks4, sizeof(blocks4) / sizeof(blocks4[0]));
}

static const char *
verdict6(const unsigned char *bytes)
{
	if (is_within(bytes, &mapped6) || is_within(bytes, &nat64))
		return verdict4(bytes + 12);
	if (!is_within(bytes, &global6))
		return "loopback, private, link-local, multicast or reserved";
	return find_block(bytes, blocks6, sizeof(blocks6) / sizeof(blocks6[0]));
}

bool
address_is_public(const char *text, char *why, size_t why_size)
{
	unsigned char	 bytes[16];
	const char	*what;

	if (inet_pton(AF_INET, text, bytes) == 1)
		what = verdict4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		what = verdict6(bytes);
	else
		what = "none that can be judged";
	if (what != NULL)
		snprintf(why, why_size, "address %.60s is not public (%s): allow_private = yes would allow it", text, what);
	return what == NULL;
}
