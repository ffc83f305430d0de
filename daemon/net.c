/*
 * net.c
 *		Sets of networks (address/bits), and listening sockets.
 */
#include "daemon/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/arena.h"

#define BACKLOG 4096

bool
net_address(const char *text, struct in6_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
	{
		memset(out, 0, sizeof(*out));
		out->s6_addr[10] = out->s6_addr[11] = 0xff;
		memcpy(&out->s6_addr[12], &v4, 4);
		return true;
	}
	return inet_pton(AF_INET6, text, out) == 1;
}

static bool
parse_one(const char *item, size_t len, Net *out)
{
	char		text[INET6_ADDRSTRLEN + 8];
	char	   *slash;
	char	   *end;
	int			width;
	long		bits;

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, item, len);
	text[len] = '\0';

	slash = strchr(text, '/');
	if (slash != NULL)
		*slash = '\0';
	if (!net_address(text, &out->address))
		return false;
	width = strchr(text, ':') != NULL ? 128 : 32;
	bits = width;
	if (slash != NULL)
	{
		bits = strtol(slash + 1, &end, 10);
		if (end == slash + 1 || *end != '\0' || bits < 0 || bits > width)
			return false;
	}
	out->bits = (int) bits + (128 - width);
	return true;
}

bool
nets_parse(const char *text, Nets *out)
{
	out->nets = NULL;
	out->n = 0;
	if (text == NULL)
		return true;
	while (*text != '\0')
	{
		size_t		len = strcspn(text, ", \t");
		Net			net;

		if (len > 0)
		{
			if (!parse_one(text, len, &net))
			{
				nets_free(out);
				return false;
			}
			out->nets = mem_realloc(out->nets, sizeof(Net) * (size_t) (out->n + 1));
			out->nets[out->n++] = net;
		}
		text += len + (text[len] != '\0');
	}
	return true;
}

void
nets_free(Nets *nets)
{
	free(nets->nets);
	nets->nets = NULL;
	nets->n = 0;
}

static bool
same_prefix(const struct in6_addr *a, const struct in6_addr *b, int bits)
{
	int			bytes = bits / 8;
	uint8_t		mask = (uint8_t) (0xff00 >> (bits % 8));

	if (memcmp(a->s6_addr, b->s6_addr, (size_t) bytes) != 0)
		return false;
	return bits % 8 == 0 || ((a->s6_addr[bytes] ^ b->s6_addr[bytes]) & mask) == 0;
}

bool
nets_contain(const Nets *nets, const struct in6_addr *address)
{
	for (int i = 0; i < nets->n; i++)
	{
		if (same_prefix(&nets->nets[i].address, address, nets->nets[i].bits))
			return true;
	}
	return false;
}

int
net_listen(const char *where, bool share)
{
	const char *colon = strrchr(where, ':');
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV
	};
	struct addrinfo *found = NULL;
	char		host[256];
	size_t		len = colon ? (size_t) (colon - where) : 0;
	int			one = 1;
	int			fd = -1;
	int			saved;

	if (colon == NULL || len >= sizeof(host))
	{
		errno = EINVAL;
		return -1;
	}
	memcpy(host, where, len);
	host[len] = '\0';
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']')
	{
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) != 0)
	{
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		goto fail;
	if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		goto fail;
	if (bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		goto fail;
	freeaddrinfo(found);
	return fd;

fail:
	saved = errno;
	freeaddrinfo(found);
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}
