/*
 * net.c
 *		Sets of networks.
 *
 * links: daemon/net.c daemon/arena.c
 */
#include "daemon/net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int	failures;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

static bool
contains(const char *list, const char *address)
{
	Nets		nets;
	struct in6_addr a;
	bool		found;

	if (!nets_parse(list, &nets) || !net_address(address, &a))
	{
		printf("failed: cannot read %s or %s\n", list, address);
		failures++;
		return false;
	}
	found = nets_contain(&nets, &a);
	nets_free(&nets);
	return found;
}

static bool
is_list(const char *list)
{
	Nets		nets;
	bool		good = nets_parse(list, &nets);

	nets_free(&nets);
	return good;
}

int
main(void)
{
	int			fd;
	int			second;

	check(contains("10.0.0.0/8", "10.255.1.2"), "inside /8");
	check(!contains("10.0.0.0/8", "11.0.0.1"), "outside /8");
	check(contains("192.168.1.128/25", "192.168.1.200"), "inside /25");
	check(!contains("192.168.1.128/25", "192.168.1.100"), "outside /25");
	check(contains("1.2.3.4", "1.2.3.4") && !contains("1.2.3.4", "1.2.3.5"), "one address");
	check(contains("1.1.1.1, 2.0.0.0/8,::1", "2.3.4.5"), "the second of a list");
	check(contains("::1", "::1") && !contains("::1", "::2"), "IPv6");
	check(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"), "IPv6 /33");
	check(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "2001:db8::1"), "all of IPv4 is not all");
	check(contains("0.0.0.0/0", "::ffff:8.8.8.8"), "mapped is IPv4");
	check(!contains("", "1.1.1.1"), "the empty list");
	check(!is_list("10.0.0.0/33") && !is_list("10.0.0/8") && !is_list("1.1.1.1/")
		  && !is_list("x") && !is_list("1.1.1.1/8x") && !is_list("::/129") && !is_list("1.1.1.1/-1"),
		  "nonsense");

	fd = net_listen("127.0.0.1:0", true);
	check(fd >= 0, "listen");
	close(fd);
	fd = net_listen("[::1]:0", false);
	check(fd >= 0 || errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT, "listen on IPv6");
	if (fd >= 0)
		close(fd);
	check(net_listen("127.0.0.1", false) < 0 && errno == EINVAL, "no port");
	check(net_listen("127.0.0.1:http", false) < 0, "a port is a number");
	fd = net_listen("127.0.0.1:0", false);
	if (fd >= 0)
	{
		struct sockaddr_in a;
		socklen_t	len = sizeof(a);
		char		where[32];

		getsockname(fd, (struct sockaddr *) &a, &len);
		snprintf(where, sizeof(where), "127.0.0.1:%d", ntohs(a.sin_port));
		second = net_listen(where, false);
		check(second < 0 && errno == EADDRINUSE, "a port that is taken");
		close(fd);
	}
	return failures != 0;
}
