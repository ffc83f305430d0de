-- The catalogue: who sees, makes, changes and orders what.
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.call(route int, who text, path text[] DEFAULT '{}', sent jsonb DEFAULT NULL, query text DEFAULT '', n text DEFAULT '',
                             OUT status int, OUT code text, OUT body jsonb, OUT touched text[], OUT headers jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM sc_api.dispatch(route, (SELECT u.id FROM sc.users AS u WHERE u.email = who || '@catalog.test'), gen_random_uuid(),
                                         (extract(epoch FROM clock_timestamp()) * 1000)::bigint, path, query, sent::text,
                                         '{"ip": "192.0.2.1", "lang": "en", "request_id": "test", "touch": "ack"}');
    status := d.status; body := d.body::jsonb; code := body->>'code'; touched := d.touched; headers := d.headers;
END
$$;
CREATE FUNCTION pg_temp.faults(body jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(e->>'field' || ':' || (e->>'code'), ' ' ORDER BY e->>'field') FROM jsonb_array_elements(body->'errors') AS e $$;
CREATE FUNCTION pg_temp.course(code text) RETURNS text LANGUAGE sql AS $$ SELECT c.id::text FROM sc.courses AS c WHERE c.code = course.code $$;
CREATE FUNCTION pg_temp.topic(title text) RETURNS text LANGUAGE sql AS $$ SELECT t.id::text FROM sc.topics AS t WHERE t.title = topic.title AND t.is_active ORDER BY t.id LIMIT 1 $$;
CREATE FUNCTION pg_temp.video(title text) RETURNS text LANGUAGE sql AS $$ SELECT v.id::text FROM sc.videos AS v WHERE v.title = video.title AND v.is_active ORDER BY v.id LIMIT 1 $$;
-- touched keys with the ids of this test's rows taken out
CREATE FUNCTION pg_temp.keys(touched text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(DISTINCT regexp_replace(t, '[0-9]+(?=:[a-z]|$)', 'N', 'g'), ' ') FROM unnest(touched) AS t $$;

INSERT INTO sc.users (email, full_name, role_id)
SELECT x.name || '@catalog.test', x.full_name, r.id
FROM (VALUES ('ayse', 'Ayşe Şahin', 'teacher'), ('omer', 'Ömer Çelik', 'teacher'), ('isil', 'Işıl Öz', 'student'), ('veli', 'Veli', 'parent'),
             ('mudur', 'Müdür', 'admin')) AS x(name, full_name, role)
JOIN sc.roles AS r ON r.name = x.role;

-- 1. shelves: an administrator's, with slugs that are unique and no circles
SELECT status, body - 'id' AS body FROM pg_temp.call(401, 'mudur', '{}', '{"name": " Deneme ", "slug": "t-deneme"}');
SELECT status, code FROM pg_temp.call(401, 'mudur', '{}', '{"name": "Deneme 2", "slug": "t-deneme"}');
SELECT status, pg_temp.faults(body) FROM pg_temp.call(401, 'mudur', '{}', '{"name": " ", "slug": "Çarpım!", "parent_id": 999999999}');
SELECT status, code FROM pg_temp.call(401, 'ayse', '{}', '{"name": "x", "slug": "x"}');
SELECT id AS shelf FROM sc.categories WHERE slug = 't-deneme' \gset
SELECT status, body->>'parent_id' = :'shelf' AS below FROM pg_temp.call(401, 'mudur', '{}', jsonb_build_object('name', 'Alt', 'slug', 't-alt', 'parent_id', :shelf));
SELECT id AS below FROM sc.categories WHERE slug = 't-alt' \gset
SELECT status, pg_temp.faults(body) FROM pg_temp.call(402, 'mudur', ARRAY[:'shelf'], jsonb_build_object('parent_id', :below));
SELECT status, pg_temp.faults(body) FROM pg_temp.call(402, 'mudur', ARRAY[:'shelf'], jsonb_build_object('parent_id', :shelf));
SELECT status, body->'order_index' AS place, pg_temp.keys(touched) FROM pg_temp.call(402, 'mudur', ARRAY[:'shelf'], '{"order_index": 7}');
SELECT status, code FROM pg_temp.call(403, 'mudur', ARRAY[:'shelf']);
SELECT status FROM pg_temp.call(403, 'mudur', ARRAY[:'below']);
SELECT status, code FROM pg_temp.call(403, 'mudur', '{999999999}');

-- 2. a teacher makes a course; her own, and not published
SELECT status, body->>'title' AS title, body->>'teacher_name' AS teacher, body->'is_published' AS published, headers->>'Location' LIKE '/api/v1/courses/%' AS located
FROM pg_temp.call(411, 'ayse', '{}', jsonb_build_object('title', 'İleri Matematik', 'code', 'CAT-MAT', 'category_id', :shelf));
SELECT status, code FROM pg_temp.call(411, 'ayse', '{}', '{"title": "İkinci", "code": "CAT-MAT"}');
SELECT status, pg_temp.faults(body) FROM pg_temp.call(411, 'ayse', '{}',
    '{"title": "", "code": "a b", "capacity": -1, "access_days": 0, "completion_percent": 101, "teacher_id": 1, "season_id": 999999999}');
SELECT status, code FROM pg_temp.call(411, 'isil', '{}', '{"title": "Benim"}');
SELECT pg_temp.course('CAT-MAT') AS mat \gset

-- 3. unpublished: for others it is not there
SELECT w.who, c.status, c.code FROM unnest('{ayse,omer,isil,veli,mudur}'::text[]) AS w(who), pg_temp.call(412, w.who, ARRAY[:'mat'], n => w.who) AS c;
SELECT w.who, c.status, c.code FROM unnest('{omer,isil}'::text[]) AS w(who), pg_temp.call(420, w.who, ARRAY[:'mat'], n => w.who) AS c;
SELECT status, code FROM pg_temp.call(413, 'omer', ARRAY[:'mat'], '{"title": "Çalındı"}');
SELECT c.headers FROM pg_temp.call(412, 'ayse', ARRAY[:'mat']) AS c;

-- 4. publishing names what is missing
SELECT status, code, body->>'detail' AS detail FROM pg_temp.call(415, 'ayse', ARRAY[:'mat']);
SELECT status FROM pg_temp.call(413, 'ayse', ARRAY[:'mat'], '{"description": "Çarpım tablosundan türeve. Kitaplarla çalışılır."}');

-- 5. topics and videos, appended and ordered
SELECT t.title, c.status, c.body->'order_index' AS place FROM unnest('{Sayılar,Kümeler,Türev}'::text[]) AS t(title),
    pg_temp.call(421, 'ayse', ARRAY[:'mat'], jsonb_build_object('title', t.title)) AS c;
SELECT v.title, c.status, c.body->'order_index' AS place, c.body ? 'youtube_id' AS leaks, pg_temp.keys(c.touched) AS touched
FROM (VALUES ('Doğal sayılar', 'aaaaaaaaaaa'), ('Tam sayılar', 'bbbbbbbbbbb')) AS v(title, youtube_id),
    pg_temp.call(426, 'ayse', ARRAY[:'mat'], jsonb_build_object('title', v.title, 'youtube_id', v.youtube_id, 'topic_id', pg_temp.topic('Sayılar')::bigint)) AS c;
SELECT status, pg_temp.faults(body) FROM pg_temp.call(426, 'ayse', ARRAY[:'mat'], '{"title": "x", "youtube_id": "short", "topic_id": 999999999, "duration": 90000}');
SELECT status, pg_temp.faults(body) FROM pg_temp.call(422, 'ayse', ARRAY[:'mat'], jsonb_build_object('topic_ids', jsonb_build_array(pg_temp.topic('Türev')::bigint)));
SELECT status FROM pg_temp.call(422, 'ayse', ARRAY[:'mat'], jsonb_build_object('topic_ids',
    jsonb_build_array(pg_temp.topic('Türev')::bigint, pg_temp.topic('Sayılar')::bigint, pg_temp.topic('Kümeler')::bigint)));
SELECT status FROM pg_temp.call(425, 'ayse', ARRAY[pg_temp.topic('Sayılar')], jsonb_build_object('video_ids',
    jsonb_build_array(pg_temp.video('Tam sayılar')::bigint, pg_temp.video('Doğal sayılar')::bigint)));
SELECT status, pg_temp.faults(body) FROM pg_temp.call(425, 'ayse', ARRAY[pg_temp.topic('Sayılar')], jsonb_build_object('video_ids',
    jsonb_build_array(pg_temp.video('Tam sayılar')::bigint, pg_temp.video('Tam sayılar')::bigint)));
SELECT i->>'title' AS topic, i->'order_index' AS place, jsonb_path_query_array(i, '$.videos[*].title') AS videos
FROM pg_temp.call(419, 'ayse', ARRAY[:'mat']) AS c, jsonb_array_elements(c.body->'items') AS i;
SELECT i->>'topic_title' AS topic, i->>'title' AS title FROM pg_temp.call(420, 'ayse', ARRAY[:'mat']) AS c, jsonb_array_elements(c.body->'items') AS i;
-- another teacher's hands off
SELECT status, code FROM pg_temp.call(423, 'omer', ARRAY[pg_temp.topic('Sayılar')], '{"title": "Benim"}');
SELECT status, code FROM pg_temp.call(429, 'omer', ARRAY[pg_temp.video('Tam sayılar')]);
-- deleting a topic takes its videos, and its place is free again
SELECT status FROM pg_temp.call(424, 'ayse', ARRAY[pg_temp.topic('Türev')]);
SELECT status, code FROM pg_temp.call(424, 'ayse', ARRAY['999999999']);
SELECT status, body->'order_index' AS place FROM pg_temp.call(421, 'ayse', ARRAY[:'mat'], '{"title": "İntegral", "unlocks_at": "2030-01-01T00:00:00Z"}');
-- a video moved to another topic goes to its end
SELECT status, body->>'topic_id' = pg_temp.topic('İntegral') AS moved, body->'order_index' AS place
FROM pg_temp.call(428, 'ayse', ARRAY[pg_temp.video('Tam sayılar')], jsonb_build_object('topic_id', pg_temp.topic('İntegral')::bigint));

-- 6. published, it is everybody's to see, and nobody else's to change
SELECT status, body->'is_published' AS published, body->'videos_total' AS videos, pg_temp.keys(touched) AS touched FROM pg_temp.call(415, 'ayse', ARRAY[:'mat']);
SELECT w.who, c.status FROM unnest('{omer,isil,veli}'::text[]) AS w(who), pg_temp.call(412, w.who, ARRAY[:'mat'], n => w.who) AS c;
SELECT status, code FROM pg_temp.call(413, 'omer', ARRAY[:'mat'], '{"title": "Çalındı"}');
SELECT status, pg_temp.faults(body) FROM pg_temp.call(413, 'ayse', ARRAY[:'mat'], '{"title": null, "sequential": null}');
SELECT status, body ? 'youtube_id' AS leaks, body->>'title' AS title FROM pg_temp.call(427, 'isil', ARRAY[pg_temp.video('Tam sayılar')]);
SELECT bool_or(c.body::text LIKE '%bbbbbbbbbbb%') AS leaks FROM unnest(ARRAY[412, 419, 420]) AS r(route), pg_temp.call(r.route, 'isil', ARRAY[:'mat']) AS c;

-- 7. search: stems, beginnings of words, with and without Turkish letters
SELECT w.q, c.body->'total' AS hits
FROM unnest('{çarpım,carpim,CARPIM,kitap,ILERI,ileri mat,İLERİ,yok,!!!}'::text[]) AS w(q),
     pg_temp.call(410, 'isil', '{}', NULL, 'category=' || :'shelf' || '&q=' || replace(w.q, ' ', '+')) AS c;
SELECT status, pg_temp.faults(body) FROM pg_temp.call(410, 'isil', '{}', NULL, 'sort=price');
SELECT status, pg_temp.faults(body) FROM pg_temp.call(410, 'isil', '{}', NULL, 'per_page=101&page=0');
SELECT status, jsonb_array_length(body->'items') AS items, body->'total' AS total FROM pg_temp.call(410, 'isil', '{}', NULL, 'page=1000&per_page=100&category=' || :'shelf');
-- in preparation: the teacher's own, an administrator's all, nobody else's
SELECT status FROM pg_temp.call(411, 'ayse', '{}', jsonb_build_object('title', 'Taslak', 'code', 'CAT-TAS', 'category_id', :shelf));
SELECT w.who, c.body->'total' AS drafts, c.headers->>'X-No-Store' AS no_store
FROM unnest('{ayse,omer,isil,mudur}'::text[]) AS w(who), pg_temp.call(410, w.who, '{}', NULL, 'is_published=false&category=' || :'shelf') AS c;

-- 8. sync: what is gone from the catalogue leaves a tombstone without a title
SELECT clock_timestamp() AS before \gset
SELECT status FROM pg_temp.call(416, 'ayse', ARRAY[:'mat']);
SELECT i->'is_deleted' AS deleted, i->'title' AS title FROM pg_temp.call(410, 'isil', '{}', NULL,
    'updated_since=' || to_char(:'before'::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS c, jsonb_array_elements(c.body->'items') AS i
WHERE i->>'id' = :'mat';
SELECT status, code FROM pg_temp.call(427, 'isil', ARRAY[pg_temp.video('Tam sayılar')]);
SELECT status FROM pg_temp.call(415, 'ayse', ARRAY[:'mat']);

-- 9. a copy for the next season: topics and videos, no students, no dates
INSERT INTO sc.seasons (name, starts_on, ends_on) VALUES ('Catalog 2031', '2031-09-01', '2032-06-30') RETURNING id AS season \gset
SELECT status, code FROM pg_temp.call(417, 'omer', ARRAY[:'mat'], jsonb_build_object('season_id', :season));
SELECT status, body->'is_published' AS published, body->'videos_total' AS videos, body->>'copied_from' = :'mat' AS copied
FROM pg_temp.call(417, 'ayse', ARRAY[:'mat'], jsonb_build_object('season_id', :season, 'code', 'CAT-MAT-31'));
SELECT t.title, t.order_index, t.unlocks_at, array_agg(v.title ORDER BY v.order_index) FILTER (WHERE v.id IS NOT NULL) AS videos
FROM sc.topics AS t LEFT JOIN sc.videos AS v ON v.topic_id = t.id
WHERE t.course_id = pg_temp.course('CAT-MAT-31')::bigint GROUP BY t.id ORDER BY t.order_index;

-- 10. a teacher's new name is in her courses
SELECT status, pg_temp.keys(touched) FROM pg_temp.call(205, 'mudur', ARRAY[(SELECT id::text FROM sc.users WHERE email = 'ayse@catalog.test')], '{"full_name": "Ayşe Şahin Öz"}');

-- 11. deleted: gone for all, the code free, records kept
SELECT status FROM pg_temp.call(414, 'ayse', ARRAY[:'mat']);
SELECT w.who, c.status FROM unnest('{ayse,isil,mudur}'::text[]) AS w(who), pg_temp.call(412, w.who, ARRAY[:'mat'], n => w.who) AS c;
SELECT status FROM pg_temp.call(411, 'ayse', '{}', '{"title": "Yeni", "code": "CAT-MAT"}');
SELECT is_active, is_published, (SELECT count(*) FROM sc.videos AS v WHERE v.course_id = c.id) AS videos FROM sc.courses AS c WHERE id = :mat;
ROLLBACK;
