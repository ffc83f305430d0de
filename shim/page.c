/*
 * page.c
 *		What the shim serves by itself: health, metrics, OpenAPI and /docs.
 *
 * The files of /docs are read once, at the start, into a table that all loops
 * share; a request can only name an entry of it, never a file.
 */
#include "shim/page.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "shim/epoch.h"
#include "shim/reply.h"
#include "shim/stats.h"

#define DOCS_MAX 64
#define DOC_SIZE_MAX ((off_t) 16 << 20)

typedef struct Doc
{
	char		name[64];
	const char *type;
	Str			body;
	char		etag[33];
} Doc;

static Doc	docs[DOCS_MAX];
static int	n_docs;

static const char *
type_of(const char *name)
{
	static const struct
	{
		const char *suffix;
		const char *type;
	}			types[] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".json", "application/json"},
		{".png", "image/png"},
		{".svg", "image/svg+xml"},
		{".txt", "text/plain; charset=utf-8"},
		{".woff2", "font/woff2"}
	};
	size_t		len = strlen(name);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		size_t		n = strlen(types[i].suffix);

		if (len > n && strcmp(name + len - n, types[i].suffix) == 0)
			return types[i].type;
	}
	return NULL;
}

/* Reads a file whole; false if it is none of ours to serve. */
static bool
load_doc(const char *dir, const char *name, Doc *doc)
{
	char		path[4096];
	struct stat st;
	FILE	   *f;
	char	   *data;
	size_t		len;

	doc->type = type_of(name);
	if (doc->type == NULL || strlen(name) >= sizeof(doc->name)
		|| snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int) sizeof(path))
		return false;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > DOC_SIZE_MAX)
	{
		fclose(f);
		return false;
	}
	data = mem_alloc((size_t) st.st_size + 1);
	len = fread(data, 1, (size_t) st.st_size, f);
	fclose(f);
	snprintf(doc->name, sizeof(doc->name), "%s", name);
	doc->body = (Str) {data, len};
	reply_etag(doc->body, doc->etag);
	return true;
}

void
page_load(const char *docs_dir)
{
	DIR		   *dir = docs_dir ? opendir(docs_dir) : NULL;
	struct dirent *entry;

	if (dir == NULL)
	{
		log_info("no /docs: cannot read %s", docs_dir ? docs_dir : "COACH_DOCS_DIR");
		return;
	}
	while (n_docs < DOCS_MAX && (entry = readdir(dir)) != NULL)
	{
		if (load_doc(docs_dir, entry->d_name, &docs[n_docs]))
			n_docs++;
	}
	closedir(dir);
}

void
page_unload(void)
{
	while (n_docs > 0)
		free((void *) docs[--n_docs].body.data);
}

static bool
path_is(const Request *r, const char *path)
{
	return r->path.len == strlen(path) && memcmp(r->path.data, path, r->path.len) == 0;
}

static void
serve_ready(Request *r)
{
	Server	   *s = r->server;

	/* Replaced, the address serves on: no balancer should turn away from it. */
	if (atomic_load(&s->process->draining) && !atomic_load(&s->process->replaced))
		reply_document(r, 503, "application/json", STR("{\"status\":\"draining\"}\n"), NULL, "no-store");
	else if (s->routes == NULL || s->keys == NULL)
		reply_document(r, 503, "application/json", STR("{\"status\":\"starting\"}\n"), NULL, "no-store");
	else if (!pgpool_is_up(s->pg, PG_LANE_READ) || (s->process->epoch != NULL && !epoch_answered(s->process->epoch)))
		reply_document(r, 503, "application/json", STR("{\"status\":\"no database\"}\n"), NULL, "no-store");
	else
		reply_document(r, 200, "application/json", STR("{\"status\":\"ready\"}\n"), NULL, "no-store");
}

static void
serve_openapi(Request *r)
{
	Server	   *s = r->server;

	if (s->openapi == NULL)
	{
		reply_problem(r, 503, "starting");
		return;
	}
	r->rows = pg_rows_keep(s->openapi);
	reply_document(r, 200, "application/json", pg_rows_get(r->rows, 0, 0),
				   s->openapi_etag, "public, no-cache");
}

static void
serve_metrics(Request *r)
{
	Buf			out;

	buf_init(&out, (size_t) 64 << 20);
	stats_render(r->server->process, &out);
	reply_document(r, 200, "text/plain; version=0.0.4; charset=utf-8", (Str) {arena_copy(&r->arena, out.data ? out.data : "", out.len), out.len}, NULL, "no-store");
	buf_free(&out);
}

static bool
serve_doc(Request *r)
{
	Str			name = {r->path.data + 5, r->path.len - 5};

	if (name.len <= 1)
		name = STR("/index.html");
	for (int i = 0; i < n_docs; i++)
	{
		if (strlen(docs[i].name) == name.len - 1
			&& memcmp(docs[i].name, name.data + 1, name.len - 1) == 0)
		{
			reply_document(r, 200, docs[i].type, docs[i].body, docs[i].etag,
						   "public, no-cache");
			return true;
		}
	}
	return false;
}

bool
page_serve(Request *r)
{
	if (r->method != METHOD_GET)
		return false;
	if (path_is(r, "/healthz"))
		reply_document(r, 200, "application/json", STR("{\"status\":\"ok\"}\n"), NULL, "no-store");
	else if (path_is(r, "/readyz"))
		serve_ready(r);
	else if (path_is(r, "/metrics"))
		serve_metrics(r);
	else if (path_is(r, "/openapi.json") || path_is(r, "/api/v1/openapi.json"))
		serve_openapi(r);
	else if (r->path.len >= 5 && memcmp(r->path.data, "/docs", 5) == 0
			 && (r->path.len == 5 || r->path.data[5] == '/'))
		return serve_doc(r);
	else
		return false;
	return true;
}
