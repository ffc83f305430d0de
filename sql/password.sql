-- Password hashes: our own, and those that imported users bring.

-- 1. our own: Argon2id with OWASP's parameters, a salt of its own each time
SELECT regexp_replace(sc.password_hash('çok gizli'), '[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$', 'SALT$HASH');
SELECT sc.password_hash('a') <> sc.password_hash('a') AS salted;
SELECT left(p, 10) AS p, sc.password_verify(p, h) AS fits, sc.password_verify(p || 'x', h) AS other, sc.password_needs_rehash(h) AS rehash
FROM unnest(ARRAY['', 'a', 'İıŞşĞğ', repeat('uzun', 64)]) AS p, sc.password_hash(p) AS h;
SELECT sc.password_hash(NULL) IS NULL AS no_password, sc.password_verify('a', NULL) IS NULL AS no_hash;

-- 2. Argon2id as the reference program prints it, other parameters too
SELECT p, sc.password_verify(p, h) AS fits, sc.password_verify('Password', h) AS other, sc.password_needs_rehash(h) AS rehash
FROM (VALUES
    ('password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'),
    ('password', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'),
    ('password', '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('differentpassword', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94')
) AS v(p, h);

-- 3. Werkzeug's forms; the digests are those of RFC 7914 and of the PBKDF2 test vectors with these counts
SELECT sc.password_verify(p, h) AS fits, sc.password_verify(p || ' ', h) AS other, sc.password_needs_rehash(h) AS rehash, left(h, 24) AS form
FROM (VALUES
    ('password', 'pbkdf2:sha256:1$salt$120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b'),
    ('password', 'pbkdf2:sha256:2$salt$ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43'),
    ('password', 'pbkdf2:sha256:4096$salt$c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a'),
    ('password', 'pbkdf2:sha512:2$salt$e1d9c16aa681708a45f5c7c4e215ceb66e011a2e9f0040713f18aefdb866d53cf76cab2868a39b9f7840edce4fef5a82be67335c77a6068e04112754f27ccf4e'),
    ('password', 'scrypt:1024:8:16$NaCl$fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640'),
    ('pleaseletmein', 'scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887')
) AS v(p, h);

-- 4. bcrypt, of the three names and with its cut at 72 bytes
SELECT sc.password_verify(p, h) AS fits, sc.password_verify('x', h) AS other, left(h, 7) AS form
FROM (VALUES
    ('U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
    ('U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'),
    ('', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy'),
    ('U*U', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
    ('U*U', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
    ('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored',
     '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui')
) AS v(p, h);

-- 5. what is no hash fits nothing and is no error; what would cost too much is not tried
SELECT h, sc.password_verify('password', h) AS fits, sc.password_needs_rehash(h) AS rehash
FROM unnest(ARRAY['', 'password', '!', '$argon2id$', '$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$', '$argon2id$v=19$m=256,t=2,p=1$c29t ZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=0256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=8,t=2,p=16$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY',
    'pbkdf2:sha256:99999999999$salt$00', 'pbkdf2:sha256:$salt$00', 'pbkdf2:md5:1$salt$00', 'pbkdf2:sha256:1$salt', 'pbkdf2:sha256:0$salt$00',
    'scrypt:1023:8:1$s$00', 'scrypt:1048576:32:16$s$00', 'scrypt:262144:8:16$s$00', '$argon2id$v=19$m=262144,t=16,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'scrypt:2:1:1', '$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
    '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe', '$2a$05$CCCCCCCCCCCC!CCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', '$1$abc$def']) AS h;
SELECT sc.password_verify('x', repeat('$argon2id$', 100000)) AS long_hash, sc.password_verify(repeat('x', 1000000), sc.password_hash(repeat('x', 1000000))) AS long_password;

-- 6. what a guesser tries first
SELECT p, sc.is_common_password(p)
FROM unnest('{password1,12345678,87654321,aaaaaaaa,abcabcabc,qwertyui,galatasaray1905,atatürk1881,19051905,parola123!,deneme-sifresi-1,mor-kedi-uzun,korrekt pferd,çilekli pasta}'::text[]) AS p;
