/*
 * address: which addresses belong to the public internet.  A webhook's URL may
 * come from somebody who has no business inside our network, so the relay
 * connects to others only where the configuration allows it.  Pure.
 */
#ifndef TOCSIN_RELAY_ADDRESS_H
#define TOCSIN_RELAY_ADDRESS_H
#include <stdbool.h>
#include <stddef.h>

/*
 * `text` is an IPv4 or IPv6 address.  False, with a line of `why`, when it is
 * loopback, private, link-local, shared (RFC 6598), multicast, kept for
 * documents or for later, or none at all.  An IPv4 address within an IPv6 one
 * (mapped, NAT64) is judged as what it is.
 */
bool	 address_is_public(const char *text, char *why, size_t why_size);
#endif
