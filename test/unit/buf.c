/*
 * buf.c
 *		Buffers, the JSON writer, UTF-8, arenas.
 *
 * links: daemon/buf.c daemon/arena.c
 */
#include "daemon/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/arena.h"

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

static void
test_limit(void)
{
	Buf			b;

	buf_init(&b, 10);
	buf_puts(&b, "12345");
	buf_puts(&b, "67890");
	check(!b.failed && b.len == 10 && strcmp(b.data, "1234567890") == 0, "exactly the maximum");
	buf_putc(&b, 'x');
	check(b.failed && b.len == 10, "one more latches");
	buf_puts(&b, "");
	check(b.failed, "and stays latched");
	buf_clear(&b);
	buf_printf(&b, "%s-%d", "abc", 1234);
	check(!b.failed && strcmp(b.data, "abc-1234") == 0, "clear forgives");
	buf_printf(&b, "%s", "too long now");
	check(b.failed && strcmp(b.data, "abc-1234") == 0, "printf writes all or nothing");
	buf_free(&b);
}

static void
test_numbers(void)
{
	static const struct
	{
		int64_t		n;
		const char *text;
	}			cases[] = {
		{0, "0"}, {7, "7"}, {-1, "-1"}, {1234567890123, "1234567890123"},
		{INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}
	};
	Buf			b;

	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		buf_clear(&b);
		buf_int(&b, cases[i].n);
		check(strcmp(b.data, cases[i].text) == 0, cases[i].text);
	}
	buf_clear(&b);
	buf_padded(&b, 7, 3);
	buf_padded(&b, 0, 2);
	buf_padded(&b, 1234, 4);
	check(strcmp(b.data, "007001234") == 0 && b.len == 9, "zeros in front");
	buf_free(&b);
}

static void
test_quoting(void)
{
	Buf			b;

	buf_init(&b, 1000);
	buf_json(&b, "a\"b\\c\n\x01ğ", 9);
	check(strcmp(b.data, "\"a\\\"b\\\\c\\u000a\\u0001ğ\"") == 0, "JSON escapes");
	buf_clear(&b);
	buf_json(&b, "a\0b", 3);
	check(strcmp(b.data, "\"a\\u0000b\"") == 0, "a NUL in JSON");
	buf_clear(&b);
	buf_json(&b, "", 0);
	check(strcmp(b.data, "\"\"") == 0, "empty JSON string");
	buf_clear(&b);
	buf_array_element(&b, "a\"b\\c,{}", 8);
	check(strcmp(b.data, "\"a\\\"b\\\\c,{}\"") == 0, "array element");
	buf_free(&b);
}

static void
test_utf8(void)
{
	static const struct
	{
		const char *text;
		size_t		len;
		bool		good;
	}			cases[] = {
		{"", 0, true}, {"plain ASCII, longer than eight", 30, true},
		{"ğüşıöçİ", 14, true}, {"\xf0\x9f\x8e\x93", 4, true},
		{"\xef\xbf\xbf", 3, true}, {"\xf4\x8f\xbf\xbf", 4, true},
		{"a\0b", 3, false}, {"12345678\0", 9, false}, {"1234567\0", 8, false},
		{"\x80", 1, false}, {"\xc0\x80", 2, false}, {"\xc1\xbf", 2, false},
		{"\xe0\x80\x80", 3, false}, {"\xed\xa0\x80", 3, false},
		{"\xf0\x80\x80\x80", 4, false}, {"\xf4\x90\x80\x80", 4, false},
		{"\xf5\x80\x80\x80", 4, false}, {"\xff", 1, false},
		{"\xc4", 1, false}, {"\xe2\x82", 2, false}, {"\xc4x", 2, false},
		{"12345678\xc4", 9, false}
	};
	char		name[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		snprintf(name, sizeof(name), "UTF-8 case %zu", i);
		check(text_is_utf8(cases[i].text, cases[i].len) == cases[i].good, name);
	}
}

static void
test_arena(void)
{
	char		first[64];
	Arena		a;
	char	   *small;
	char	   *large;
	char	   *next;

	arena_init(&a, first, sizeof(first));
	small = arena_alloc(&a, 8);
	check(small >= first && small < first + sizeof(first), "small pieces lie in the first block");
	check(((uintptr_t) arena_alloc(&a, 1) & 15) == 0, "aligned");
	large = arena_alloc(&a, 100000);
	memset(large, 1, 100000);
	next = arena_copy(&a, "x", 1);
	check(next >= first && next < first + sizeof(first), "a large piece leaves the block in use");
	for (int i = 0; i < 1000; i++)
		memset(arena_alloc(&a, 50), i, 50);
	check(strcmp(next, "x") == 0, "nothing overlaps");
	arena_reset(&a);
	check(arena_alloc(&a, 8) == (void *) small, "a reset starts over");
	arena_reset(&a);
}

int
main(void)
{
	test_limit();
	test_numbers();
	test_quoting();
	test_utf8();
	test_arena();
	return failures != 0;
}
