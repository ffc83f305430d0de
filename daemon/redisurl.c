/*
 * redisurl.c
 *		Where a Redis server is, as settings say it.
 */
#include <string.h>

#include "daemon/redis.h"

static bool
take(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The same with %XX for any byte; a % without two digits stands for itself. */
static bool
take_decoded(char *to, size_t size, const char *from, size_t len)
{
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		char		c = from[i];

		if (c == '%' && len - i > 2 && hex_digit(from[i + 1]) >= 0 && hex_digit(from[i + 2]) >= 0)
		{
			c = (char) (hex_digit(from[i + 1]) << 4 | hex_digit(from[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return false;
		to[n++] = c;
	}
	to[n] = '\0';
	return true;
}

static bool
parse_db(const char *s, size_t len, int *db)
{
	*db = 0;
	if (len == 0 || len > 3)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return false;
		*db = *db * 10 + (s[i] - '0');
	}
	return true;
}

/* [user:]password or user:password, in front of the @. */
static bool
parse_user(const char *s, size_t len, RedisUrl *url)
{
	const char *colon = memchr(s, ':', len);

	if (colon == NULL)
		return take_decoded(url->password, sizeof(url->password), s, len);
	return take_decoded(url->user, sizeof(url->user), s, colon - s)
		&& take_decoded(url->password, sizeof(url->password), colon + 1, len - (colon + 1 - s));
}

const char *
redis_url_parse(const char *text, RedisUrl *url)
{
	bool		is_socket;
	const char *at;
	const char *end;

	memset(url, 0, sizeof(*url));
	strcpy(url->port, "6379");
	if (strncmp(text, "redis://", 8) == 0)
	{
		is_socket = false;
		text += 8;
	}
	else if (strncmp(text, "unix:", 5) == 0)
	{
		is_socket = true;
		text += 5;

		if (strncmp(text, "//", 2) == 0)
			text += 2;
	}
	else
		return "must start with redis:// or unix:";

	at = strrchr(text, '@');
	if (at != NULL)
	{
		if (!parse_user(text, at - text, url))
			return "user or password is too long or has a NUL";
		text = at + 1;
	}
	if (is_socket)
	{
		end = strstr(text, "?db=");
		if (end != NULL && !parse_db(end + 4, strlen(end + 4), &url->db))
			return "db must be a number";
		if (text[0] != '/'
			|| !take(url->path, sizeof(url->path), text, end ? (size_t) (end - text) : strlen(text)))
			return "socket must be an absolute path of at most 107 bytes";
		return NULL;
	}

	end = text + strcspn(text, "/");

	if (*end == '/' && end[1] != '\0' && !parse_db(end + 1, strlen(end + 1), &url->db))
		return "db must be a number";
	if (text[0] == '[')
	{
		const char *close = memchr(text, ']', end - text);

		if (close == NULL || !take(url->host, sizeof(url->host), text + 1, close - text - 1))
			return "address in brackets is not closed or too long";
		text = close + 1;
	}
	else
	{
		size_t		len = strcspn(text, ":/");

		if (!take(url->host, sizeof(url->host), text, len))
			return "host too long";
		text += len;
	}
	if (url->host[0] == '\0')
		return "host is missing";
	if (*text == ':')
	{
		if (!take(url->port, sizeof(url->port), text + 1, end - text - 1)
			|| url->port[0] == '\0' || url->port[strspn(url->port, "0123456789")] != '\0')
			return "port must be a number";
	}
	else if (text != end)
		return "port must follow the host";
	return NULL;
}

bool
redis_url_same_server(const RedisUrl *a, const RedisUrl *b)
{
	return strcmp(a->path, b->path) == 0 && strcmp(a->host, b->host) == 0
		&& strcmp(a->port, b->port) == 0 && strcmp(a->user, b->user) == 0
		&& strcmp(a->password, b->password) == 0;
}
