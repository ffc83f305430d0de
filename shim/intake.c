/*
 * intake.c
 *		Reading a request: headers, address, route; what is refused at once.
 *
 * The HTTP library is lenient where two parsers in a row may disagree about
 * where a request ends, so framing is checked again here: a transfer coding
 * other than exactly "chunked", a coding together with a length, or two
 * lengths are refused.
 */
#include "shim/intake.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* More in address and headers might leave MHD no room for ours. */
#define HEADERS_MAX 4096
#define SEGMENTS_MAX 16
#define QUERY_PARAMS_MAX 64
#define USER_AGENT_MAX 256

static const struct
{
	const char *name;
	size_t		len;
}			header_names[HEADERS] = {
#define NAME(s) {s, sizeof(s) - 1}
	[HEADER_AUTHORIZATION] = NAME("Authorization"),
	[HEADER_CONTENT_TYPE] = NAME("Content-Type"),
	[HEADER_CONTENT_LENGTH] = NAME("Content-Length"),
	[HEADER_TRANSFER_ENCODING] = NAME("Transfer-Encoding"),
	[HEADER_REQUEST_ID] = NAME("X-Request-Id"),
	[HEADER_ACCEPT_LANGUAGE] = NAME("Accept-Language"),
	[HEADER_IF_NONE_MATCH] = NAME("If-None-Match"),
	[HEADER_IF_MATCH] = NAME("If-Match"),
	[HEADER_IDEMPOTENCY_KEY] = NAME("Idempotency-Key"),
	[HEADER_USER_AGENT] = NAME("User-Agent"),
	[HEADER_ORIGIN] = NAME("Origin"),
	[HEADER_FORWARDED_FOR] = NAME("X-Forwarded-For"),
	[HEADER_TRACEPARENT] = NAME("traceparent"),
	[HEADER_ATTEMPT_TOKEN] = NAME("X-Attempt-Token"),
	[HEADER_CORS_METHOD] = NAME("Access-Control-Request-Method")
#undef NAME
};

static void
refuse(Request *r, int status, const char *code)
{
	if (r->refused != 0)
		return;
	r->refused = status;
	r->refused_code = code;
}

/* ---- headers ---- */

typedef struct Headers
{
	Request    *r;
	size_t		bytes;
	bool		twice[HEADERS];
} Headers;

static enum MHD_Result
on_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
		  const char *value, size_t value_len)
{
	Headers    *h = cls;

	(void) kind;
	h->bytes += key_len + value_len + 4;
	for (int i = 0; i < HEADERS; i++)
	{
		if (header_names[i].len != key_len
			|| (header_names[i].name[0] | 0x20) != (key[0] | 0x20)
			|| strncasecmp(header_names[i].name, key, key_len) != 0)
			continue;
		if (h->r->headers[i].data != NULL)
			h->twice[i] = true;
		else
			h->r->headers[i] = (Str) {value ? value : "", value_len};
		break;
	}
	return MHD_YES;
}

int64_t
intake_length(const Request *r)
{
	Str			s = r->headers[HEADER_CONTENT_LENGTH];
	int64_t		n = 0;

	if (s.data == NULL)
		return -1;
	for (size_t i = 0; i < s.len; i++)
	{
		if (s.data[i] < '0' || s.data[i] > '9' || n > INT64_MAX / 10 - 1)
			return -1;
		n = n * 10 + (s.data[i] - '0');
	}
	return n;
}

bool
intake_is_short(const Request *r, int64_t max)
{
	return r->headers[HEADER_TRANSFER_ENCODING].data == NULL && intake_length(r) <= max;
}

static void
check_framing(Request *r, const Headers *h)
{
	Str			coding = r->headers[HEADER_TRANSFER_ENCODING];
	Str			length = r->headers[HEADER_CONTENT_LENGTH];

	if (h->bytes + strlen(r->uri) > HEADERS_MAX)
		refuse(r, 431, "headers_too_large");
	if (h->twice[HEADER_CONTENT_LENGTH] || h->twice[HEADER_TRANSFER_ENCODING]
		|| h->twice[HEADER_AUTHORIZATION]
		|| (coding.data != NULL && length.data != NULL)
		|| (coding.data != NULL && strcasecmp(coding.data, "chunked") != 0)
		|| (length.data != NULL && (length.len == 0 || intake_length(r) < 0)))
		refuse(r, 400, "bad_request");
}

/* The id is repeated in headers, logs and SQL: only what is harmless there. */
static void
choose_id(Request *r)
{
	static const char hex[] = "0123456789abcdef";
	Str			given = r->headers[HEADER_REQUEST_ID];
	bool		good = given.len > 0 && given.len < sizeof(r->id);

	for (size_t i = 0; i < given.len && good; i++)
	{
		char		c = given.data[i];

		good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
			|| c == '-' || c == '_' || c == '.';
	}
	if (good)
	{
		memcpy(r->id, given.data, given.len);
		r->id[given.len] = '\0';
		return;
	}
	for (int word = 0; word < 2; word++)
	{
		uint64_t	z = r->server->ids += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		for (int i = 0; i < 16; i++)
			r->id[16 * word + i] = hex[z >> (60 - 4 * i) & 15];
	}
	r->id[32] = '\0';
}

/* The weight of one language range, in thousandths. */
static int
weight(const char *p, const char *end)
{
	const char *q = memchr(p, ';', (size_t) (end - p));
	int			w = 0;
	int			unit = 1000;

	if (q == NULL)
		return 1000;
	for (q++; q < end && (*q == ' ' || *q == 'q' || *q == '='); q++)
		;
	for (; q < end && unit > 0; q++)
	{
		if (*q == '.')
			continue;
		if (*q < '0' || *q > '9')
			break;
		w += (*q - '0') * unit;
		unit /= 10;
	}
	return w;
}

/* Turkish where it is preferred to English; English otherwise. */
static void
choose_language(Request *r)
{
	Str			s = r->headers[HEADER_ACCEPT_LANGUAGE];
	const char *p = s.data;
	const char *stop = p + s.len;
	int			turkish = 0;
	int			english = 0;

	while (p != NULL && p < stop)
	{
		const char *end = memchr(p, ',', (size_t) (stop - p));

		if (end == NULL)
			end = stop;
		while (p < end && *p == ' ')
			p++;
		if (end - p >= 2)
		{
			int			w = weight(p, end);

			if (strncasecmp(p, "tr", 2) == 0 && w > turkish)
				turkish = w;
			else if (strncasecmp(p, "en", 2) == 0 && w > english)
				english = w;
		}
		p = end + 1;
	}
	r->turkish = turkish > english;
}

/* ---- who ---- */

static void
peer_address(Request *r)
{
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *peer = info ? info->client_addr : NULL;

	memset(&r->address, 0, sizeof(r->address));
	if (peer != NULL && peer->sa_family == AF_INET6)
		r->address = ((const struct sockaddr_in6 *) peer)->sin6_addr;
	else if (peer != NULL && peer->sa_family == AF_INET)
	{
		r->address.s6_addr[10] = r->address.s6_addr[11] = 0xff;
		memcpy(&r->address.s6_addr[12], &((const struct sockaddr_in *) peer)->sin_addr, 4);
	}
}

/*
 * Behind trusted proxies the client is the last address in X-Forwarded-For
 * that is not one of them; what stands before it anybody could have written.
 */
static void
forwarded_address(Request *r)
{
	const Nets *proxies = &r->server->process->proxies;
	Str			s = r->headers[HEADER_FORWARDED_FOR];
	size_t		end = s.len;

	while (end > 0 && nets_contain(proxies, &r->address))
	{
		size_t		start = end;
		size_t		stop = end;
		char		text[INET6_ADDRSTRLEN];
		struct in6_addr address;

		while (start > 0 && s.data[start - 1] != ',')
			start--;
		end = start > 0 ? start - 1 : 0;
		while (start < stop && s.data[start] == ' ')
			start++;
		while (stop > start && s.data[stop - 1] == ' ')
			stop--;
		if (stop - start >= sizeof(text))
			return;
		memcpy(text, s.data + start, stop - start);
		text[stop - start] = '\0';

		if (!net_address(text, &address))
			return;
		r->address = address;
	}
}

static void
find_address(Request *r)
{
	char		text[INET6_ADDRSTRLEN] = "";

	peer_address(r);
	if (r->headers[HEADER_FORWARDED_FOR].data != NULL)
		forwarded_address(r);
	if (IN6_IS_ADDR_V4MAPPED(&r->address))
		(void) inet_ntop(AF_INET, &r->address.s6_addr[12], text, sizeof(text));
	else
		(void) inet_ntop(AF_INET6, &r->address, text, sizeof(text));
	r->ip = arena_copy(&r->arena, text, strlen(text));
}

/* ---- where ---- */

static bool
demand_text(Request *r, Str s)
{
	if (text_is_utf8(s.data, s.len))
		return true;
	refuse(r, 400, "invalid_utf8");
	return false;
}

/*
 * Takes the percent signs out of a part of the address; plus_is_space in query
 * strings.  Where it is malformed, or no text that PostgreSQL could take, the
 * request is refused.
 */
static bool
decode(Request *r, Str in, bool plus_is_space, Str *out)
{
	char	   *text;
	size_t		len = 0;

	if (memchr(in.data, '%', in.len) == NULL
		&& (!plus_is_space || memchr(in.data, '+', in.len) == NULL))
	{
		*out = in;
		return demand_text(r, in);
	}
	text = arena_alloc(&r->arena, in.len + 1);

	for (size_t i = 0; i < in.len; i++)
	{
		char		c = in.data[i];

		if (c == '+' && plus_is_space)
			c = ' ';
		else if (c == '%')
		{
			int			value = 0;

			if (in.len - i < 3)
			{
				refuse(r, 400, "bad_request");
				return false;
			}
			for (int k = 1; k <= 2; k++)
			{
				char		d = in.data[i + (size_t) k];

				if (d >= '0' && d <= '9')
					value = value * 16 + (d - '0');
				else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
					value = value * 16 + ((d | 0x20) - 'a' + 10);
				else
				{
					refuse(r, 400, "bad_request");
					return false;
				}
			}
			c = (char) value;
			i += 2;
		}
		text[len++] = c;
	}
	text[len] = '\0';

	*out = (Str) {text, len};
	return demand_text(r, *out);
}

static void
split_query(Request *r)
{
	const char *p = r->query.data;
	const char *stop = p + r->query.len;

	r->n_query_params = 0;
	if (r->query.len == 0)
		return;
	r->query_params = arena_alloc(&r->arena, sizeof(QueryParam) * QUERY_PARAMS_MAX);
	while (p < stop)
	{
		const char *end = memchr(p, '&', (size_t) (stop - p));
		const char *equals;
		QueryParam *q = &r->query_params[r->n_query_params];
		Str			name;
		Str			value = {"", 0};

		if (end == NULL)
			end = stop;
		if (end > p)
		{
			equals = memchr(p, '=', (size_t) (end - p));
			name = (Str) {p, (size_t) ((equals ? equals : end) - p)};
			if (equals != NULL)
				value = (Str) {equals + 1, (size_t) (end - equals - 1)};
			if (r->n_query_params == QUERY_PARAMS_MAX)
				refuse(r, 400, "bad_request");
			if (r->refused != 0 || !decode(r, name, true, &q->name)
				|| !decode(r, value, true, &q->value))
				return;
			r->n_query_params++;
		}
		p = end + 1;
	}
}

/* Cuts the path at its slashes; -1 when there are too many or it makes no sense. */
static int
split_path(Request *r, Str path, Str *segments)
{
	const char *p = path.data + 1;
	const char *stop = path.data + path.len;
	int			n = 0;

	while (p <= stop)
	{
		const char *end = memchr(p, '/', (size_t) (stop - p));
		Str			raw;

		if (end == NULL)
			end = stop;
		raw = (Str) {p, (size_t) (end - p)};
		if (n == SEGMENTS_MAX || !decode(r, raw, false, &segments[n]))
			return -1;

		/* Control characters name nothing, and need no care later. */
		for (size_t i = 0; i < segments[n].len; i++)
		{
			if ((unsigned char) segments[n].data[i] < 0x20)
				return -1;
		}
		n++;
		p = end + 1;
	}
	return n;
}

static void
find_route(Request *r)
{
	const size_t base = sizeof(API_BASE) - 1;
	Str			segments[SEGMENTS_MAX];
	Str			path = r->path;
	RouteMatch	m;
	int			n;

	if (path.len <= base || memcmp(path.data, API_BASE, base) != 0
		|| path.data[base] != '/')
		return;
	if (r->server->routes == NULL)
	{
		refuse(r, 503, "starting");
		return;
	}
	path.data += base;
	path.len -= base;
	n = split_path(r, path, segments);
	if (n < 0)
		return;
	route_match(r->server->routes, r->method, segments, n, &m);
	r->allowed = m.allowed;
	r->route = m.route;
	if (m.route == NULL)
		return;
	r->routes = route_table_keep(r->server->routes);
	r->n_path_values = m.n_values;
	r->path_values = arena_alloc(&r->arena, sizeof(Str) * (size_t) (m.n_values + 1));
	for (int i = 0; i < m.n_values; i++)
		r->path_values[i] = m.values[i];
}

/*
 * Is the media type, without its parameters, one of those that the route
 * takes?  A route lists several with commas between them.
 */
static bool
content_type_fits(Str header, Str wanted)
{
	size_t		len = 0;
	size_t		at = 0;

	while (len < header.len && header.data[len] != ';' && header.data[len] != ' ')
		len++;
	while (at < wanted.len)
	{
		size_t		end = at;

		while (end < wanted.len && wanted.data[end] != ',')
			end++;
		if (len == end - at && strncasecmp(header.data, wanted.data + at, len) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

static void
check_body(Request *r)
{
	int64_t		length = intake_length(r);
	bool		has_body = length > 0 || r->headers[HEADER_TRANSFER_ENCODING].data != NULL;

	if (r->route == NULL || !has_body)
		return;
	if (length > r->route->max_body)
		refuse(r, 413, "body_too_large");
	if (r->route->content_type.data != NULL && r->method != METHOD_GET
		&& !content_type_fits(r->headers[HEADER_CONTENT_TYPE], r->route->content_type))
		refuse(r, 415, "unsupported_media_type");
}

void
intake(Request *r)
{
	Headers		h = {.r = r};
	Str			agent;

	(void) MHD_get_connection_values_n(r->http, MHD_HEADER_KIND, on_header, &h);
	choose_id(r);
	choose_language(r);
	find_address(r);
	check_framing(r, &h);

	/* Not ours to judge, but it must be text to travel on. */
	agent = r->headers[HEADER_USER_AGENT];
	if (agent.len > USER_AGENT_MAX || !text_is_utf8(agent.data ? agent.data : "", agent.len))
		r->headers[HEADER_USER_AGENT] = (Str) {NULL, 0};
	if (r->refused == 0)
	{
		(void) demand_text(r, r->path);
		split_query(r);
		find_route(r);
		check_body(r);
	}
}
