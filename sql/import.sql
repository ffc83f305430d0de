-- Imports: whole or not at all, every fault with its line, Turkish and ASCII folding.
\set VERBOSITY terse
SET client_min_messages = warning;
BEGIN;
INSERT INTO sc.users (email, full_name, role_id) VALUES ('imp.teacher@example.test', 'Öğretmen', 3);
INSERT INTO sc.categories (name, slug) VALUES ('Fen Bilimleri', 'imp-fen');

-- 1. people: semicolons, byte order mark, CRLF, quotes; a capital I in an address is an i, names keep theirs
SELECT kind, lines, imported, errors FROM sc.import_csv('users',
    E'\uFEFFemail;student_no;full_name;role;phone;password_hash\r\nIMP.ISIK@Example.TEST;IMP-1;"Işık; İrem";;+90 532 000 00 01;\r\n;IMP-2;Çağla Şahin;student;;\r\nimp.koc@example.test;;Koç;coach;;pbkdf2:sha256:1000$ab$'||repeat('cd', 32)||E'\r\n');
SELECT u.email, s.student_no, u.full_name, r.name, left(u.password_hash, 26) AS hash
FROM sc.users AS u JOIN sc.roles AS r ON r.id = u.role_id LEFT JOIN sc.students AS s ON s.user_id = u.id
WHERE u.email LIKE 'imp.i%' OR u.email LIKE 'imp.k%' OR s.student_no LIKE 'IMP-%' ORDER BY u.id;

-- 2. all faults at once, with lines; nothing is made
SELECT count(*) AS people FROM sc.users \gset
SELECT e ->> 'line' AS line, e ->> 'field' AS field, e ->> 'code' AS code, e ->> 'message' AS message
FROM sc.import_csv('users', E'email,student_no,full_name,role,phone\nimp.isik@example.test,,A,,\nno-at,,B,,\n,,C,,\nimp.new@example.test,,,,\nimp.n2@example.test,bad no,D,king,12\nimp.twice@example.test,,E,,\nIMP.TWICE@example.test,,F,,\n,IMP-2,G,,\n', false, 'tr') AS i,
     jsonb_array_elements(i.errors) AS e;
SELECT count(*) = :people AS nothing_made FROM sc.users;

-- 3. the header: missing, unknown and repeated columns, an empty file
SELECT k, jsonb_path_query_array(i.errors, '$[*].code') AS codes, jsonb_path_query_array(i.errors, '$[*].field') AS fields
FROM (VALUES (1, 'users', ''), (2, 'users', E'full_name\nA\n'), (3, 'courses', E'code,titel\nA,B\n'), (4, 'topics', E'course_code,title,title,order_index\n'),
             (5, 'enrollments', E'course_code,status\nA,active\n')) AS t(k, kind, csv), sc.import_csv(t.kind, t.csv) AS i ORDER BY k;

-- 4. courses, topics, videos, enrolments build on each other
SELECT imported, errors FROM sc.import_csv('courses', E'code,title,description,teacher_email,category,is_published\nIMP-FIZ,Fizik,"İki\nsatır",Imp.Teacher@example.test,fen bilimleri,evet\nIMP-KIM,Kimya,,,imp-fen,\n');
SELECT c.code, c.title, c.description, k.slug, c.is_published, c.teacher_id IS NOT NULL AS has_teacher FROM sc.courses AS c LEFT JOIN sc.categories AS k ON k.id = c.category_id WHERE c.code LIKE 'IMP-%' ORDER BY 1;
SELECT imported, errors FROM sc.import_csv('topics', E'course_code,title,order_index\nIMP-FIZ,Vektörler,1\nIMP-FIZ,Kuvvet,2\n');
SELECT imported, errors FROM sc.import_csv('videos', E'course_code;topic;title;youtube_id;duration;order_index\nIMP-FIZ;Kuvvet;Newton;abcdefghij1;600;1\nIMP-FIZ;Kuvvet;Sürtünme;abcdefghij2;;2\n');
SELECT imported, errors FROM sc.import_csv('enrollments', E'course_code,email,student_no,status,enrolled_at,expires_at\nIMP-FIZ,,IMP-1,,2026-03-29,\nIMP-FIZ,,IMP-2,cancelled,2026-01-01T00:00:00Z,2026-06-01T00:00:00+03:00\nIMP-KIM,IMP.ISIK@EXAMPLE.TEST,,completed,,\n');
SELECT c.code, s.student_no, e.status, e.source, e.enrolled_at AT TIME ZONE 'UTC' AS from_utc, e.expires_at AT TIME ZONE 'UTC' AS to_utc
FROM sc.enrollments AS e JOIN sc.courses AS c ON c.id = e.course_id JOIN sc.students AS s ON s.user_id = e.user_id
WHERE c.code LIKE 'IMP-%' AND (c.code <> 'IMP-KIM') ORDER BY 1, 2;

-- 5. what they refuse
SELECT kind, jsonb_path_query_array(errors, '$[*].line') AS lines, jsonb_path_query_array(errors, '$[*].code') AS codes FROM (
    SELECT * FROM sc.import_csv('courses', E'code,title,teacher_email,category,is_published\nIMP-FIZ,X,,,\nA B,X,,,\nIMP-N,X,nobody@example.test,,\nIMP-O,X,imp.koc@example.test,yok,belki\nIMP-P,X,,,\nIMP-P,Y,,,\n')
    UNION ALL SELECT * FROM sc.import_csv('topics', E'course_code,title,order_index\nIMP-YOK,X,1\nIMP-FIZ,X,1\nIMP-FIZ,X,0\nIMP-FIZ,X,5\nIMP-FIZ,Y,5\n')
    UNION ALL SELECT * FROM sc.import_csv('videos', E'course_code,topic,title,youtube_id,duration,order_index\nIMP-FIZ,Yok,X,abcdefghij1,1,1\nIMP-FIZ,Kuvvet,X,short,1,9\nIMP-FIZ,Kuvvet,X,abcdefghij1,99999,8\nIMP-FIZ,Kuvvet,X,abcdefghij1,x,1\n')
    UNION ALL SELECT * FROM sc.import_csv('enrollments', E'course_code,email,student_no,status,enrolled_at\nIMP-FIZ,,IMP-1,,\nIMP-KIM,,IMP-9,,\nIMP-KIM,,,,\nIMP-KIM,,IMP-2,here,31.12.2026\nIMP-KIM,,IMP-2,,\n')) AS x;

-- 6. nothing is guessed at: a quote left open, a separator without quotes, two topics of one title, a place without a topic that is taken, seats
SELECT errors FROM sc.import_csv('courses', E'code,title\nIMP-Q1,Bir\nIMP-Q2,"İki\nIMP-Q3,Üç\n', false, 'tr');
SELECT errors FROM sc.import_csv('courses', E'code,title\nIMP-Q1,Çember, Açı\n', false, 'tr');
SELECT lines, errors FROM sc.import_csv('courses', E'code,title,,\nIMP-Q1,X,,\n', true);
SELECT lines, imported, errors FROM sc.import_csv('courses', E'code,title\nIMP-Q1,Bir,,\n,,\n\n');
SELECT errors FROM sc.import_csv('users', E'"email,full_name\nx@example.test,X\n');
SELECT imported FROM sc.import_csv('topics', E'course_code,title,order_index\nIMP-Q1,Aynı,1\nIMP-Q1,Aynı,2\nIMP-Q1,Silinen,3\n');
UPDATE sc.topics SET is_active = false WHERE title = 'Silinen';
SELECT imported, errors FROM sc.import_csv('topics', E'course_code,title,order_index\nIMP-Q1,Yeni,3\n');
SELECT imported FROM sc.import_csv('videos', E'course_code,title,youtube_id,order_index\nIMP-Q1,Giriş,abcdefghij1,1\n');
SELECT errors FROM sc.import_csv('videos', E'course_code,topic,title,youtube_id,order_index\nIMP-Q1,Aynı,X,abcdefghij1,1\nIMP-Q1,,Y,abcdefghij1,1\n');
UPDATE sc.courses SET capacity = 1 WHERE code = 'IMP-Q1';
SELECT errors FROM sc.import_csv('enrollments', E'course_code,student_no,status\nIMP-Q1,IMP-1,cancelled\nIMP-Q1,IMP-2,active\n', true);
SELECT errors FROM sc.import_csv('enrollments', E'course_code,student_no,email\nIMP-Q1,IMP-1,\nIMP-Q1,,imp.koc@example.test\n', true, 'tr');
-- what is expected stands in the message; a hash must be whole; names are those of a spreadsheet that decomposes letters
SELECT e ->> 'field' AS field, e ->> 'message' AS message FROM sc.import_csv('videos', E'course_code,title,youtube_id,duration,order_index\nIMP-Q1,X,kısa,6:00,bir\n', true, 'tr'), jsonb_array_elements(errors) AS e;
SELECT e ->> 'field' AS field, e ->> 'message' AS message FROM sc.import_csv('enrollments', E'course_code,student_no,status,enrolled_at\nIMP-Q1,IMP-1,aktif,01.09.2026\n', true, 'tr'), jsonb_array_elements(errors) AS e;
SELECT e ->> 'field' AS field, e ->> 'message' AS message FROM sc.import_csv('courses', E'code,title,is_published\nGEO-İ,X,belki\n', true, 'tr'), jsonb_array_elements(errors) AS e;
SELECT errors FROM sc.import_csv('users', E'email,full_name,password_hash\nimp.h1@example.test,H,$argon2id$v=19$m=19456;t=2\nimp.h2@b,H,\n', true);
SELECT sc.import_hash(sc.password_hash('x')), sc.import_hash('$2b$04$' || repeat('a', 53)), sc.import_hash('$2b$04$' || repeat('a', 52)), sc.import_hash('scrypt:32768:8:1$salt$' || repeat('0', 128)), sc.import_hash('pbkdf2:sha512:5$s$' || repeat('0', 64));
SELECT imported FROM sc.import_csv('users', E'student_no,full_name\nIMP-NFD,  I\u0307rem   C\u0327elik\n');
SELECT u.full_name, u.full_name = 'İrem Çelik' AS composed FROM sc.students AS s JOIN sc.users AS u ON u.id = s.user_id WHERE s.student_no = 'IMP-NFD';
-- who may import but not give roles imports students and parents
INSERT INTO sc.roles (name, permissions) VALUES ('imp_clerk', '{imports.run}');
INSERT INTO sc.users (email, full_name, role_id) SELECT 'imp.clerk@example.test', 'Memur', id FROM sc.roles WHERE name = 'imp_clerk';
SELECT i.imported, i.errors FROM sc.users AS u, sc.import_csv('users', E'email,full_name,role\nimp.r1@example.test,A,parent\nimp.r2@example.test,B,admin\n', false, 'en', u.id) AS i WHERE u.email = 'imp.clerk@example.test';

-- 7. a dry run makes nothing and says the same
SELECT dry_run, lines, imported, errors FROM sc.import_csv('topics', E'course_code,title,order_index\nIMP-KIM,Mol,1\n', true);
SELECT count(*) AS topics FROM sc.topics AS t JOIN sc.courses AS c ON c.id = t.course_id WHERE c.code = 'IMP-KIM';
SELECT sc.import_csv('secrets', 'a');
ROLLBACK;
SELECT sc.import_truth('EVET'), sc.import_truth('hayır'), sc.import_truth(NULL), sc.import_truth('belki'),
       sc.import_instant('2026-02-30') IS NULL, sc.import_instant('2026-03-29') AT TIME ZONE 'UTC', sc.import_instant('now') IS NULL, sc.import_place('01');
