/*
 * reply.c
 *		Answers: headers, problem documents, and handing them to MHD.
 *
 * Bodies are not copied: they lie in the request's arena, in database rows
 * that the request holds, or in the program, and the request outlives the
 * response.
 */
#include "shim/reply.h"

#include <microhttpd.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Of answers sent bit by bit, to clients that know no chunks. */
#define BLOCK_SIZE 4096
#define PROBLEM_TYPE "application/problem+json"
#define JSON_TYPE "application/json"

/*
 * The shim's own refusals.  The others have their words in sc.problems; a code
 * that both give has the same title in both.
 */
static const struct Words
{
	const char *code;
	const char *title[2];		/* English, Turkish */
	const char *detail[2];
}			words[] = {

	{"not_found",
		{"Not found", "Bulunamadı"},
	{"There is nothing at this address.", "Bu adreste bir şey yok."}},
	{"method_not_allowed",
		{"Method not allowed", "Yöntem kullanılamaz"},
	{"The address exists, but not with this method; see Allow.", "Adres var, ama bu yöntemle değil; Allow başlığına bakın."}},
	{"bad_request",
		{"Bad request", "Geçersiz istek"},
	{"The request is not valid HTTP for this server.", "İstek bu sunucu için geçerli değil."}},
	{"invalid_utf8",
		{"Not UTF-8 text", "UTF-8 metin değil"},
	{"The request has bytes that are not UTF-8 text.", "İstekte UTF-8 metin olmayan baytlar var."}},
	{"body_too_large",
		{"Body is too large", "İstek gövdesi çok büyük"},
	{"The body is larger than this address accepts.", "Gövde bu adresin kabul ettiğinden büyük."}},
	{"headers_too_large",
		{"Headers too large", "Başlıklar çok büyük"},
	{"Address and headers together are larger than 4 kB.", "Adres ve başlıkların toplamı 4 kB'tan büyük."}},
	{"unsupported_media_type",
		{"Unsupported media type", "Desteklenmeyen içerik türü"},
	{"This address does not accept bodies of this content type.", "Bu adres bu içerik türünü kabul etmiyor."}},
	{"token_required",
		{"Log in first", "Önce oturum açın"},
	{"Send an access token: Authorization: Bearer <token>", "Bir erişim jetonu gönderin: Authorization: Bearer <token>"}},
	{"token_invalid",
		{"Invalid token", "Geçersiz jeton"},
	{"The access token is not one of ours.", "Erişim jetonu bize ait değil."}},
	{"token_expired",
		{"Token expired", "Jetonun süresi doldu"},
	{"The access token has expired; refresh it.", "Erişim jetonunun süresi doldu; yenileyin."}},
	{"token_revoked",
		{"This log-in has ended", "Bu oturum sona erdi"},
	{"Log in again.", "Yeniden oturum açın."}},
	{"rate_limited",
		{"Too many requests", "Çok fazla istek"},
	{"Slow down; see Retry-After.", "Yavaşlayın; Retry-After başlığına bakın."}},
	{"database_unavailable",
		{"Temporarily unavailable", "Geçici olarak kullanılamıyor"},
	{"The database cannot be reached; try again shortly.", "Veritabanına ulaşılamıyor; birazdan yeniden deneyin."}},
	{"overloaded",
		{"Busy", "Yoğunluk"},
	{"Too many requests of this kind are waiting; try again shortly.", "Bu türden çok istek bekliyor; birazdan yeniden deneyin."}},
	{"outcome_unknown",
		{"Outcome unknown", "Sonuç bilinmiyor"},
	{"The connection was lost while the change was being saved: look whether it is there before you repeat it.", "Değişiklik kaydedilirken bağlantı koptu: yinelemeden önce kaydedilip edilmediğine bakın."}},
	{"timeout",
		{"Took too long", "Çok uzun sürdü"},
	{"The answer was not ready in time.", "Yanıt zamanında hazır olmadı."}},
	{"starting",
		{"Starting", "Başlatılıyor"},
	{"The server is starting; try again shortly.", "Sunucu başlatılıyor; birazdan yeniden deneyin."}},
	{"client_gone",
		{"Client gone", "İstemci ayrıldı"},
	{"The connection was closed while the request was waiting; nothing was done.", "İstek beklerken bağlantı kapatıldı; hiçbir şey yapılmadı."}},
	{"internal",
		{"Internal error", "İç hata"},
	{"Something went wrong on our side; the request id helps us to find it.", "Bizim tarafımızda bir sorun oldu; istek kimliği sorunu bulmamıza yardım eder."}},
};

/* ---- headers ---- */

static void
add(struct MHD_Response *response, const char *name, const char *value)
{
	(void) MHD_add_response_header(response, name, value);
}

/* Does the list of origins, separated by commas, have this one? */
static bool
origin_is_listed(const char *list, Str origin)
{
	if (strcmp(list, "*") == 0)
		return true;
	while (*list != '\0')
	{
		size_t		len = strcspn(list, ", ");

		if (len == origin.len && len > 0 && memcmp(list, origin.data, len) == 0)
			return true;
		list += len + (list[len] != '\0');
	}
	return false;
}

/* Does a page of another origin ask, and may it? */
static bool
allows_origin(const Request *r)
{
	const char *origins = r->server->config->cors_origins;

	return origins != NULL && r->headers[HEADER_ORIGIN].data != NULL
		&& origin_is_listed(origins, r->headers[HEADER_ORIGIN]);
}

static void
add_cors(Request *r, struct MHD_Response *response)
{
	if (!allows_origin(r))
		return;
	add(response, "Access-Control-Allow-Origin", r->headers[HEADER_ORIGIN].data);
	add(response, "Access-Control-Expose-Headers",
		"ETag, Link, Location, Retry-After, X-Cache, X-Request-Id, RateLimit, RateLimit-Policy");
}

/* The headers of every answer; then it is MHD's. */
static void
queue(Request *r, int status, struct MHD_Response *response, size_t bytes)
{
	add(response, "X-Request-Id", r->id);
	add(response, "X-Content-Type-Options", "nosniff");
	if (r->rate[0] != '\0')
	{
		add(response, "RateLimit-Policy", r->rate_policy);
		add(response, "RateLimit", r->rate);
	}
	if (r->server->config->cors_origins != NULL)
		add_cors(r, response);
	if (r->unread || atomic_load_explicit(&r->server->process->draining, memory_order_relaxed))
		add(response, "Connection", "close");

	r->sent_status = status;
	r->sent_bytes = bytes;
	r->state = REQUEST_ANSWERED;
	loop_timer_clear(r->server->loop, &r->timer);
	(void) MHD_queue_response(r->http, (unsigned) status, response);
	MHD_destroy_response(response);
	request_resume(r);
}

static struct MHD_Response *
response_of(Str body)
{
	return MHD_create_response_from_buffer(body.len, (void *) (body.data ? body.data : ""),
										   MHD_RESPMEM_PERSISTENT);
}

static const char *
vary(const Request *r)
{
	return r->server->config->cors_origins == NULL
		? "Authorization, Accept-Language" : "Authorization, Accept-Language, Origin";
}

/* "GET, HEAD, POST" of the methods that the path knows. */
static void
allowed_methods(const Request *r, char *out, size_t size)
{
	size_t		len = 0;

	out[0] = '\0';
	for (int m = 0; m < METHODS; m++)
	{
		if (r->allowed & 1u << m)
			len += (size_t) snprintf(out + len, size - len, "%s%s%s", len ? ", " : "",
									 method_name((Method) m),
									 m == METHOD_GET ? ", HEAD" : "");
	}
	snprintf(out + len, size - len, "%sOPTIONS", len ? ", " : "");
}

/* ---- problems ---- */

static const struct Words *
words_of(const char *code)
{
	const struct Words *w = words;

	while (strcmp(w->code, code) != 0)
	{
		if (++w == words + sizeof(words) / sizeof(words[0]))
			abort();			/* a code without words: a bug found at once */
	}
	return w;
}

static Str
problem_document(Request *r, int status, const struct Words *w)
{
	Buf		   *b = &r->server->scratch;

	buf_clear(b);
	buf_puts(b, "{\"type\":\"urn:student-coach:problem:");
	buf_puts(b, w->code);
	buf_puts(b, "\",\"title\":");
	buf_json(b, w->title[r->turkish], strlen(w->title[r->turkish]));
	buf_puts(b, ",\"status\":");
	buf_int(b, status);
	buf_puts(b, ",\"detail\":");
	buf_json(b, w->detail[r->turkish], strlen(w->detail[r->turkish]));
	buf_puts(b, ",\"code\":\"");
	buf_puts(b, w->code);
	buf_puts(b, "\",\"request_id\":\"");
	buf_puts(b, r->id);
	buf_puts(b, "\"}");
	return (Str) {arena_copy(&r->arena, b->data, b->len), b->len};
}

void
reply_problem(Request *r, int status, const char *code)
{
	const struct Words *w = words_of(code);
	struct MHD_Response *response;
	char		text[160];
	Str			body;

	if (r->route != NULL && route_takes_upload(r->route)
		&& !r->body_complete && !r->unread)
	{
		/* MHD takes no answer in the middle of a body: remember it. */
		if (r->refused == 0)
		{
			r->refused = status;
			r->refused_code = code;
		}
		request_resume(r);
		return;
	}
	body = problem_document(r, status, w);
	r->sent_code = w->code;
	response = response_of(body);
	add(response, "Content-Type", PROBLEM_TYPE);
	add(response, "Cache-Control", "no-store");
	if (status == 401)
		add(response, "WWW-Authenticate", strcmp(code, "token_required") == 0
			? "Bearer" : "Bearer error=\"invalid_token\"");
	if (status == 405)
	{
		allowed_methods(r, text, sizeof(text));
		add(response, "Allow", text);
	}
	if (status == 429 || status == 503)
	{
		snprintf(text, sizeof(text), "%d", r->retry_after > 0 ? r->retry_after : 1);
		add(response, "Retry-After", text);
	}
	queue(r, status, response, body.len);
}

/*
 * MHD takes no answer here, so it goes to the socket directly; it is short,
 * and nothing else was sent on it for this request.
 */
void
reply_in_body(Request *r)
{
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CONNECTION_FD);
	int			status = r->refused != 0 ? r->refused : r->answer.status;
	Str			body = r->refused != 0
	? problem_document(r, status, words_of(r->refused_code)) : r->answer.body;
	Buf		   *b = &r->server->scratch;

	buf_clear(b);
	buf_printf(b, "HTTP/1.1 %d %s\r\nContent-Type: " PROBLEM_TYPE "\r\nContent-Length: %zu\r\n"
			   "Cache-Control: no-store\r\nX-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n",
			   status, MHD_get_reason_phrase_for((unsigned) status), body.len, r->id);
	if (status == 429 || status == 503)
		buf_printf(b, "Retry-After: %d\r\n", r->retry_after > 0 ? r->retry_after : 1);
	if (allows_origin(r))
		buf_printf(b, "Access-Control-Allow-Origin: %.*s\r\n", (int) r->headers[HEADER_ORIGIN].len, r->headers[HEADER_ORIGIN].data);
	buf_puts(b, "\r\n");
	buf_put(b, body.data, body.len);
	if (info != NULL && send(info->connect_fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) b->len)
		r->sent_status = status;
	r->sent_code = r->refused_code;
	r->sent_bytes = body.len;
	r->unread = true;
	r->state = REQUEST_ANSWERED;
	loop_timer_clear(r->server->loop, &r->timer);
}

/* ---- answers ---- */

void
reply_etag(Str body, char etag[33])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX	state;

	/* SHA256() would first look the algorithm up, which takes as long. */
	SHA256_Init(&state);
	SHA256_Update(&state, body.data, body.len);
	SHA256_Final(digest, &state);
	for (int i = 0; i < 16; i++)
	{
		etag[2 * i] = hex[digest[i] >> 4];
		etag[2 * i + 1] = hex[digest[i] & 15];
	}
	etag[32] = '\0';
}

/* Does If-None-Match name this validator?  The comparison is the weak one. */
static bool
etag_matches(Str header, const char *etag)
{
	const char *p = header.data;
	const char *end = p + header.len;

	while (p < end)
	{
		const char *quote;

		if (*p == '*')
			return true;
		p = memchr(p, '"', (size_t) (end - p));
		if (p == NULL)
			return false;
		quote = memchr(p + 1, '"', (size_t) (end - p - 1));
		if (quote == NULL)
			return false;
		if (quote - p - 1 == 32 && memcmp(p + 1, etag, 32) == 0)
			return true;
		p = quote + 1;
	}
	return false;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A JSON string at *p, unescaped; NUL if it is none.  Only ASCII is \u-escaped. */
static bool
json_string(Arena *arena, const char **p, const char *end, Str *out)
{
	char	   *text;
	size_t		len = 0;

	if (*p >= end || **p != '"')
		return false;
	text = arena_alloc(arena, (size_t) (end - *p) + 1);

	for ((*p)++; *p < end && **p != '"'; (*p)++)
	{
		char		c = **p;

		if (c == '\\' && ++*p < end)
		{
			c = **p;
			if (c == 'u' && end - *p > 4)
			{
				c = (char) (hex_digit((*p)[3]) << 4 | hex_digit((*p)[4]));
				*p += 4;
			}
			else if (c == 'n' || c == 'r' || c == 't' || c == 'b' || c == 'f')
				c = '\n';
		}
		text[len++] = c;
	}
	text[len] = '\0';

	*out = (Str) {text, len};
	if (*p >= end)
		return false;
	(*p)++;
	return true;
}

bool
reply_next_header(Arena *arena, Str *rest, Str *name, Str *value)
{
	const char *p = rest->data;
	const char *end = p + rest->len;

	while (p < end && (*p == '{' || *p == ',' || *p == ' '))
		p++;
	if (!json_string(arena, &p, end, name))
		return false;
	while (p < end && (*p == ':' || *p == ' '))
		p++;
	if (p < end && *p == '"')
	{
		if (!json_string(arena, &p, end, value))
			return false;
	}
	else
	{
		const char *start = p;

		while (p < end && *p != ',' && *p != '}')
			p++;
		*value = (Str) {arena_copy(arena, start, (size_t) (p - start)), (size_t) (p - start)};
	}
	*rest = (Str) {p, (size_t) (end - p)};
	return true;
}

/* What dispatch's headers already say, so that we do not say it again. */
typedef struct Said
{
	bool		content_type;
	bool		cache_control;
	bool		retry_after;
	bool		authenticate;
	bool		etag;
} Said;

/* Header values come from handlers: none may end the line and start another. */
static bool
value_is_safe(Str value)
{
	for (size_t i = 0; i < value.len; i++)
	{
		if ((unsigned char) value.data[i] < 0x20 || value.data[i] == 0x7f)
			return false;
	}
	return true;
}

static void
add_given(Request *r, struct MHD_Response *response, Said *said)
{
	Str			rest = r->answer.headers;
	Str			name;
	Str			value;

	while (rest.len > 2 && reply_next_header(&r->arena, &rest, &name, &value))
	{
		if (strcasecmp(name.data, "X-No-Store") == 0)
		{
			r->answer.no_store = true;
			continue;
		}
		if (!value_is_safe(value) || !value_is_safe(name)
			|| strcasecmp(name.data, "Content-Length") == 0
			|| strcasecmp(name.data, "Transfer-Encoding") == 0)
			continue;
		said->content_type |= strcasecmp(name.data, "Content-Type") == 0;
		said->cache_control |= strcasecmp(name.data, "Cache-Control") == 0;
		said->retry_after |= strcasecmp(name.data, "Retry-After") == 0;
		said->authenticate |= strcasecmp(name.data, "WWW-Authenticate") == 0;
		said->etag |= strcasecmp(name.data, "ETag") == 0;
		add(response, name.data, value.data);
	}
}

static const char *
cache_control(const Request *r)
{
	if (r->method != METHOD_GET || r->answer.status >= 400 || r->answer.no_store)
		return "no-store";
	return r->route->is_public ? "public, no-cache" : "private, no-cache";
}

static const char *
content_type(const Request *r)
{
	if (r->answer.status >= 400)
		return PROBLEM_TYPE;
	return r->route->produces.data != NULL ? r->route->produces.data : JSON_TYPE;
}

static void
add_head(Request *r, struct MHD_Response *response, Said *said, bool has_body)
{
	add_given(r, response, said);
	if (!said->content_type && has_body)
		add(response, "Content-Type", content_type(r));
	if (!said->cache_control)
		add(response, "Cache-Control", cache_control(r));
	add(response, "Vary", vary(r));
}

void
reply_answer(Request *r)
{
	static const char *const cache_words[] = {NULL, "hit", "miss", "bypass"};
	Answer	   *a = &r->answer;
	struct MHD_Response *response;
	Said		said = {false};
	char		etag[40];
	Str			body = a->body;
	int			status = a->status;
	bool		tagged = r->method == METHOD_GET && status == 200;

	if (tagged && a->etag[0] == '\0')
		reply_etag(body, a->etag);
	if (tagged && r->headers[HEADER_IF_NONE_MATCH].data != NULL
		&& etag_matches(r->headers[HEADER_IF_NONE_MATCH], a->etag))
	{
		status = 304;
		body = (Str) {"", 0};
	}
	response = response_of(body);
	add_head(r, response, &said, body.len > 0);
	if (tagged && !said.etag)
	{
		etag[0] = etag[33] = '"';
		memcpy(etag + 1, a->etag, 32);
		etag[34] = '\0';
		add(response, "ETag", etag);
	}
	if (r->cache != CACHE_NONE)
		add(response, "X-Cache", cache_words[r->cache]);
	if (status == 401 && !said.authenticate)
		add(response, "WWW-Authenticate", "Bearer");
	if ((status == 503 || status == 429) && !said.retry_after)
		add(response, "Retry-After", "1");
	queue(r, status, response, body.len);
}

void
reply_stream(Request *r, ssize_t (*read) (void *r, uint64_t position, char *to, size_t max))
{
	struct MHD_Response *response =
	MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read, r, NULL);
	Said		said = {false};

	/* Without a validator there is no use in keeping it. */
	r->answer.no_store = true;
	add_head(r, response, &said, true);

	/* libmicrohttpd ends chunks that it has not begun: nothing may follow */
	if (r->head)
		add(response, "Connection", "close");
	queue(r, r->answer.status, response, 0);
}

void
reply_document(Request *r, int status, const char *type, Str body,
			   const char *etag, const char *cache)
{
	struct MHD_Response *response;
	char		quoted[40];

	if (etag != NULL && status == 200 && r->headers[HEADER_IF_NONE_MATCH].data != NULL
		&& etag_matches(r->headers[HEADER_IF_NONE_MATCH], etag))
	{
		status = 304;
		body.len = 0;
	}
	response = response_of(body);
	if (body.len > 0)
		add(response, "Content-Type", type);
	add(response, "Cache-Control", cache);
	if (etag != NULL)
	{
		snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
		add(response, "ETag", quoted);
	}
	queue(r, status, response, body.len);
}

void
reply_options(Request *r)
{
	struct MHD_Response *response = response_of(STR(""));
	char		methods[160];

	allowed_methods(r, methods, sizeof(methods));
	add(response, "Allow", methods);
	if (r->headers[HEADER_CORS_METHOD].data != NULL)
	{
		add(response, "Access-Control-Allow-Methods", methods);
		add(response, "Access-Control-Allow-Headers",
			"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Attempt-Token, X-Request-Id");
		add(response, "Access-Control-Max-Age", "600");
		add(response, "Vary", "Origin");
	}
	queue(r, 204, response, 0);
}
