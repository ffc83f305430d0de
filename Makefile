# Student Coach: the PostgreSQL extension (PGXS) and, below it, the daemons.
#
#   make / make install / make installcheck    the extension
#   make shim                                  build/coachd
#   make keeper                                build/coach-keeper
#   make unit                                  C unit tests, under sanitizers
#   make format / make lint                    the house style
#
# SANITIZE=1 builds the daemons with address and undefined-behaviour sanitizers.

EXTENSION = student_coach
MODULE_big = student_coach
EXTVERSION = 1.0

# One object a line, so that two changes seldom meet.
OBJS = \
	common/b64url.o \
	common/consteq.o \
	common/jwt.o \
	extension/fold.o \
	extension/jsonread.o \
	extension/grade.o \
	extension/item.o \
	extension/moments.o \
	extension/gift.o \
	extension/gift_file.o \
	extension/gift_write.o \
	extension/question.o \
	extension/source.o \
	extension/score.o \
	extension/result.o \
	extension/password.o \
	extension/token.o \
	extension/student_coach.o \
	extension/error.o \
	extension/query.o \
	extension/json.o \
	extension/touch.o \
	extension/coverage.o \
	extension/access.o \
	extension/progress.o \
	extension/video.o \
	extension/dispatch.o \
	extension/dispatch_auth.o \
	extension/dispatch_bind.o \
	extension/dispatch_many.o \
	extension/dispatch_match.o \
	extension/dispatch_once.o \
	extension/dispatch_reply.o \
	extension/dispatch_route.o \
	extension/dispatch_stream.o \
	extension/dispatch_upload.o \
	extension/order.o \
	extension/exam.o \
	extension/start.o \
	extension/attempt.o \
	extension/answer.o \
	extension/store.o \
	extension/table.o

# Types and functions, in the order in which they need each other.
SQL_PARTS = \
	extension/student_coach.sql \
	extension/error.sql \
	extension/json.sql \
	extension/migrate.sql \
	extension/partition.sql \
	extension/grade.sql \
	extension/item.sql \
	extension/gift.sql \
	extension/question.sql \
	extension/role.sql \
	extension/job.sql \
	extension/password.sql \
	extension/token.sql \
	extension/touch.sql \
	extension/dispatch.sql \
	extension/cache.sql \
	extension/order.sql \
	extension/exam.sql \
	extension/assembly.sql \
	extension/publish.sql \
	extension/attempt.sql \
	extension/monitor.sql \
	extension/openapi.sql \
	extension/score.sql \
	extension/rank.sql \
	extension/regrade.sql \
	extension/result.sql \
	extension/paper.sql \
	extension/marking.sql \
	extension/wall.sql \
	extension/import.sql \
	extension/session.sql \
	extension/auth.sql \
	extension/user.sql \
	extension/bank.sql \
	extension/statistics.sql \
	extension/consent.sql \
	extension/school.sql \
	extension/curriculum.sql \
	extension/package.sql \
	extension/coverage.sql \
	extension/access.sql \
	extension/progress.sql \
	extension/course.sql \
	extension/lesson.sql \
	extension/enroll.sql \
	extension/video.sql \
	extension/report.sql \
	extension/upkeep.sql

# Tables, seeds and routes: the body of sc.install().
SCHEMA_PARTS = \
	extension/schema/core.sql \
	extension/schema/cache.sql \
	extension/schema/identity.sql \
	extension/schema/school.sql \
	extension/schema/course.sql \
	extension/schema/exam.sql \
	extension/schema/question.sql \
	extension/schema/exam_routes.sql \
	extension/schema/result.sql \
	extension/schema/import.sql \
	extension/schema/catalog.sql \
	extension/schema/report.sql \
	extension/schema/triggers.sql

# Last of all: owners, grants and what only install() may call.
SQL_LAST = \
	extension/grants.sql

SQL_BUILT = sql/$(EXTENSION)--$(EXTVERSION).sql
# Releases from which ALTER EXTENSION … UPDATE leads here.
UPDATES_FROM =
SQL_UPDATES = $(UPDATES_FROM:%=sql/$(EXTENSION)--%--$(EXTVERSION).sql)
DATA_built = $(SQL_BUILT) $(SQL_UPDATES)

REGRESS = \
	setup \
	migrate \
	cache \
	grade \
	gift \
	item \
	question \
	dispatch \
	dispatch_bind \
	batch \
	stream \
	touch \
	json \
	openapi \
	fuzz \
	sanity \
	attempt \
	score \
	import \
	exam \
	exam_edges \
	jwt \
	password \
	auth \
	users \
	privacy \
	school \
	partition \
	catalog \
	enroll \
	watch \
	package

ISOLATION = \
	setup \
	seat \
	progress \
	touch_notify \
	idempotency \
	refresh \
	admins \
	exam_start \
	exam_save \
	regrade \
	fold
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=build/isolation

REGRESS_OPTS = --outputdir=build/regress

PG_CPPFLAGS = -I$(srcdir)
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement -Werror \
	-fvisibility=hidden \
	-DPGDLLEXPORT='__attribute__((visibility("default")))'
SHLIB_LINK = -lcrypto -largon2 -lcrypt

EXTRA_CLEAN = build $(SQL_BUILT) $(SQL_UPDATES)

PG_CONFIG ?= pg_config
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A changed header rebuilds everything: PGXS tracks none.
$(OBJS): $(wildcard extension/*.h common/*.h)

installcheck: | build/regress
build/regress:
	mkdir -p $@

$(SQL_BUILT): $(SQL_PARTS) $(SCHEMA_PARTS) $(SQL_LAST) Makefile dev/assemble.sh
	dev/assemble.sh '$(SQL_PARTS)' '$(SCHEMA_PARTS)' '$(SQL_LAST)' > $@.tmp
	mv $@.tmp $@

$(SQL_UPDATES): $(SQL_BUILT) dev/update.sh
	dev/update.sh $(SQL_BUILT) > $@.tmp
	mv $@.tmp $@

# The daemons' supervisor for a machine without systemd.
.PHONY: keeper unit lint format
keeper: build/coach-keeper
build/coach-keeper: deploy/keeper.c
	@mkdir -p build
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -o $@ $<

unit:
	dev/unit.sh
lint:
	dev/lint.sh
format:
	dev/format.sh fix

# coachd. Sanitized objects have a folder of their own, so that both can be kept.
COMMON_SRCS = \
	common/b64url.c \
	common/consteq.c \
	common/jwt.c
DAEMON_SRCS = \
	daemon/arena.c \
	daemon/buf.c \
	daemon/config.c \
	daemon/log.c \
	daemon/loop.c \
	daemon/metrics.c \
	daemon/net.c \
	daemon/pgbatch.c \
	daemon/pgconn.c \
	daemon/pglisten.c \
	daemon/pgpool.c \
	daemon/pgsession.c \
	daemon/redis.c \
	daemon/redisurl.c \
	daemon/resolve.c
SHIM_SRCS = \
	shim/cache.c \
	shim/deliver.c \
	shim/epoch.c \
	shim/event.c \
	shim/export.c \
	shim/gate.c \
	shim/gone.c \
	shim/handover.c \
	shim/intake.c \
	shim/linger.c \
	shim/main.c \
	shim/page.c \
	shim/ratelimit.c \
	shim/replica.c \
	shim/reload.c \
	shim/reply.c \
	shim/request.c \
	shim/route.c \
	shim/scripts.c \
	shim/server.c \
	shim/stats.c \
	shim/token.c \
	shim/upload.c

DAEMON_DIR = build/obj$(if $(SANITIZE),-san)
DAEMON_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DOPENSSL_SUPPRESS_DEPRECATED -DCOACH_VERSION='"$(EXTVERSION)"' -O2 -g -Wall -Wextra -Werror \
	-I. -I$(shell $(PG_CONFIG) --includedir) \
	$(if $(SANITIZE),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer)
DAEMON_LIBS = -lmicrohttpd -lpq -lhiredis -lcrypto -lpthread
comma := ,
SHIM_OBJS = $(patsubst %.c,$(DAEMON_DIR)/%.o,$(COMMON_SRCS) $(DAEMON_SRCS) $(SHIM_SRCS))

# The API reference; the daemon does without it where npm cannot be reached.
.PHONY: docs
docs: build/docs/index.html
build/docs/index.html: dev/vendor.sh web/index.html web/reference.css web/reference.js
	dev/vendor.sh

.PHONY: shim
shim: $(if $(SANITIZE),build/coachd-san,build/coachd)
build/coachd build/coachd-san: $(SHIM_OBJS)
	$(CC) $(DAEMON_CFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(DAEMON_DIR)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CFLAGS) -MMD -MP -c -o $@ $<
-include $(SHIM_OBJS:.o=.d)
