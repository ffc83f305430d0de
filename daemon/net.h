/*
 * net.h
 *		Sets of networks (address/bits), and listening sockets.
 */
#ifndef DAEMON_NET_H
#define DAEMON_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Net
{
	struct in6_addr address;	/* IPv4 as ::ffff:a.b.c.d */
	int			bits;
} Net;

typedef struct Nets
{
	Net		   *nets;
	int			n;
} Nets;

/* Reads "10.0.0.0/8, ::1"; NULL is the empty set.  False if it makes no sense. */
extern bool nets_parse(const char *text, Nets *out);
extern void nets_free(Nets *nets);
extern bool nets_contain(const Nets *nets, const struct in6_addr *address);

/* IPv4 or IPv6 text to an address; IPv4 becomes mapped. */
extern bool net_address(const char *text, struct in6_addr *out);

/*
 * A listening socket for "address:port", "[v6]:port" or ":port"; with share
 * several sockets may listen there (SO_REUSEPORT).  -1 with errno set.
 */
extern int	net_listen(const char *where, bool share);

#endif							/* DAEMON_NET_H */
