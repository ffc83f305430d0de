-- A small school to look at: one season, two branches, a handful of people of
-- every role, six courses and what some of the students have watched of them.
-- People and lessons are invented. Loading it again adds what is missing.
--
-- usage: psql -v password=… -f demo.sql
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT sc.password_hash(:'password') AS hash \gset

INSERT INTO sc.seasons (name, starts_on, ends_on)
VALUES ('Demo 2026-2027', '2026-09-07', '2027-06-25')
ON CONFLICT DO NOTHING;

INSERT INTO sc.branches (name, city)
VALUES ('Kadıköy Şubesi', 'İstanbul'), ('Karşıyaka Şubesi', 'İzmir')
ON CONFLICT DO NOTHING;

INSERT INTO sc.users (email, full_name, phone, password_hash, role_id, email_verified_at, password_changed_at)
SELECT p.email, p.full_name, p.phone, :'hash', r.id, clock_timestamp(), clock_timestamp()
FROM (VALUES
    ('yonetici@demo.test', 'Şule Aydın', '+90 216 555 01 01', 'admin'),
    ('ogretmen@demo.test', 'Gökhan Öztürk', '+90 216 555 01 02', 'teacher'),
    ('fizik@demo.test', 'Çağla Güneş', NULL, 'teacher'),
    ('koc@demo.test', 'İrem Yıldız', '+90 216 555 01 03', 'coach'),
    ('veli@demo.test', 'Nurgül Işık', '+90 532 555 01 04', 'parent'),
    ('ogrenci@demo.test', 'Işıl Işık', '+90 532 555 01 05', 'student'),
    ('omer@demo.test', 'Ömer Şahin', NULL, 'student'),
    ('ayse@demo.test', 'Ayşe Çelik', NULL, 'student'),
    ('ibrahim@demo.test', 'İbrahim Doğan', NULL, 'student'),
    ('gul@demo.test', 'Gül Ünal', NULL, 'student'),
    ('tugce@demo.test', 'Tuğçe Arslan', NULL, 'student'),
    ('cinar@demo.test', 'Çınar Koç', NULL, 'student'),
    ('defne@demo.test', 'Defne Kılıç', NULL, 'student')
) AS p (email, full_name, phone, role)
JOIN sc.roles AS r ON r.name = p.role
ON CONFLICT (email) DO NOTHING;

INSERT INTO sc.students (user_id, student_no, grade, track, branch_id, city)
SELECT u.id, p.student_no, p.grade, p.track, b.id, b.city
FROM (VALUES
    ('ogrenci@demo.test', 'D-1001', 12, 'SAY', 'Kadıköy Şubesi'),
    ('omer@demo.test', 'D-1002', 12, 'SAY', 'Kadıköy Şubesi'),
    ('ayse@demo.test', 'D-1003', 12, 'EA', 'Kadıköy Şubesi'),
    ('ibrahim@demo.test', 'D-1004', 12, 'SAY', 'Kadıköy Şubesi'),
    ('gul@demo.test', 'D-1005', 12, 'SÖZ', 'Karşıyaka Şubesi'),
    ('tugce@demo.test', 'D-1006', 12, 'EA', 'Karşıyaka Şubesi'),
    ('cinar@demo.test', 'D-1007', 11, 'DİL', 'Karşıyaka Şubesi'),
    ('defne@demo.test', 'D-1008', 11, 'SAY', 'Karşıyaka Şubesi')
) AS p (email, student_no, grade, track, branch)
JOIN sc.users AS u ON u.email = p.email
JOIN sc.branches AS b ON b.name = p.branch
ON CONFLICT (user_id) DO NOTHING;

INSERT INTO sc.groups (season_id, branch_id, name, grade, track, teacher_id)
SELECT s.id, b.id, p.name, p.grade, p.track, t.id
FROM (VALUES
    ('12-A', 12, 'SAY', 'Kadıköy Şubesi', 'ogretmen@demo.test'),
    ('12-K', 12, 'EA', 'Karşıyaka Şubesi', 'fizik@demo.test')
) AS p (name, grade, track, branch, teacher)
JOIN sc.seasons AS s ON s.name = 'Demo 2026-2027'
JOIN sc.branches AS b ON b.name = p.branch
JOIN sc.users AS t ON t.email = p.teacher
ON CONFLICT DO NOTHING;

INSERT INTO sc.group_members (group_id, student_id, valid_from)
SELECT g.id, st.user_id, '2026-09-07'
FROM sc.students AS st
JOIN sc.users AS u ON u.id = st.user_id AND u.email LIKE '%@demo.test'
JOIN sc.seasons AS s ON s.name = 'Demo 2026-2027'
JOIN sc.groups AS g ON g.season_id = s.id AND g.branch_id = st.branch_id AND g.grade = st.grade
ON CONFLICT DO NOTHING;

INSERT INTO sc.coach_students (coach_id, student_id, valid_from)
SELECT c.id, u.id, '2026-09-07'
FROM sc.users AS c, sc.users AS u
WHERE c.email = 'koc@demo.test' AND u.email IN ('ogrenci@demo.test', 'omer@demo.test', 'ibrahim@demo.test')
ON CONFLICT DO NOTHING;

INSERT INTO sc.guardians (guardian_id, student_id, relation, approved_at)
SELECT g.id, u.id, 'mother', clock_timestamp()
FROM sc.users AS g, sc.users AS u
WHERE g.email = 'veli@demo.test' AND u.email = 'ogrenci@demo.test'
ON CONFLICT DO NOTHING;

INSERT INTO sc.categories (name, slug, order_index)
VALUES ('TYT', 'tyt', 1), ('AYT', 'ayt', 2), ('Rehberlik', 'rehberlik', 3)
ON CONFLICT (slug) DO NOTHING;

INSERT INTO sc.courses (code, title, description, teacher_id, category_id, season_id, is_published, published_at, capacity, self_enroll, sequential)
SELECT c.code, c.title, c.description, t.id, k.id, s.id, c.is_published, CASE WHEN c.is_published THEN clock_timestamp() END,
       c.capacity, c.self_enroll, c.sequential
FROM (VALUES
    ('DEMO-MAT', 'TYT Matematik', 'Temel kavramlardan problemlere, çözümlü örneklerle.', 'ogretmen@demo.test', 'tyt', true, NULL::int, true, false),
    ('DEMO-TUR', 'TYT Türkçe: Paragraf', 'Ana düşünce, yardımcı düşünce ve anlatım biçimleri.', 'ogretmen@demo.test', 'tyt', true, NULL, true, false),
    ('DEMO-FIZ', 'AYT Fizik', 'Kuvvet ve hareketten elektriğe; her konu bir öncekinin üzerine kurulur.', 'fizik@demo.test', 'ayt', true, NULL, true, true),
    ('DEMO-INT', 'AYT İntegral Kampı', 'Yirmi kişilik yoğun kamp: belirsiz ve belirli integral.', 'ogretmen@demo.test', 'ayt', true, 20, true, false),
    ('DEMO-PLAN', 'Verimli Çalışma', 'Haftalık plan yapmak, tekrar aralıkları ve deneme analizi.', 'fizik@demo.test', 'rehberlik', true, NULL, false, false),
    ('DEMO-KIM', 'AYT Kimya', 'Hazırlanıyor.', 'fizik@demo.test', 'ayt', false, NULL, true, false)
) AS c (code, title, description, teacher, category, is_published, capacity, self_enroll, sequential)
JOIN sc.users AS t ON t.email = c.teacher
JOIN sc.categories AS k ON k.slug = c.category
JOIN sc.seasons AS s ON s.name = 'Demo 2026-2027'
ON CONFLICT (code) DO NOTHING;

-- Only into courses that have no lessons yet: a teacher may have moved them.
CREATE TEMP TABLE demo_lessons (code text, topic int, topic_title text, place int, title text, minutes int) ON COMMIT DROP;
INSERT INTO demo_lessons VALUES
    ('DEMO-MAT', 1, 'Temel Kavramlar', 1, 'Sayı kümeleri', 18),
    ('DEMO-MAT', 1, 'Temel Kavramlar', 2, 'Tek ve çift sayılar', 14),
    ('DEMO-MAT', 1, 'Temel Kavramlar', 3, 'Ardışık sayılar', 16),
    ('DEMO-MAT', 2, 'Bölünebilme', 1, 'Bölme ve kalan', 20),
    ('DEMO-MAT', 2, 'Bölünebilme', 2, 'EBOB ve EKOK', 25),
    ('DEMO-MAT', 3, 'Problemler', 1, 'Sayı problemleri', 22),
    ('DEMO-MAT', 3, 'Problemler', 2, 'Yaş problemleri', 15),
    ('DEMO-MAT', 3, 'Problemler', 3, 'İşçi ve havuz problemleri', 24),
    ('DEMO-TUR', 1, 'Paragrafın Yapısı', 1, 'Giriş, gelişme, sonuç', 12),
    ('DEMO-TUR', 1, 'Paragrafın Yapısı', 2, 'Anlatım biçimleri', 17),
    ('DEMO-TUR', 2, 'Paragrafta Anlam', 1, 'Ana düşünce', 19),
    ('DEMO-TUR', 2, 'Paragrafta Anlam', 2, 'Yardımcı düşünceler', 16),
    ('DEMO-FIZ', 1, 'Vektörler', 1, 'Vektörlerde toplama', 21),
    ('DEMO-FIZ', 1, 'Vektörler', 2, 'Bileşenlere ayırma', 18),
    ('DEMO-FIZ', 2, 'Kuvvet ve Hareket', 1, 'Newton''un yasaları', 27),
    ('DEMO-FIZ', 2, 'Kuvvet ve Hareket', 2, 'Sürtünme', 20),
    ('DEMO-INT', 1, 'Belirsiz İntegral', 1, 'Ters türev', 23),
    ('DEMO-INT', 1, 'Belirsiz İntegral', 2, 'Değişken değiştirme', 28),
    ('DEMO-INT', 2, 'Belirli İntegral', 1, 'Alan hesabı', 30),
    ('DEMO-PLAN', 1, 'Planlama', 1, 'Haftalık plan', 11),
    ('DEMO-PLAN', 1, 'Planlama', 2, 'Aralıklı tekrar', 13),
    ('DEMO-KIM', 1, 'Gazlar', 1, 'İdeal gaz yasası', 22);
DELETE FROM demo_lessons AS l
USING sc.courses AS c, sc.topics AS t
WHERE c.code = l.code AND t.course_id = c.id;

INSERT INTO sc.topics (course_id, title, order_index)
SELECT DISTINCT c.id, l.topic_title, l.topic
FROM demo_lessons AS l
JOIN sc.courses AS c ON c.code = l.code
ORDER BY c.id, l.topic;

INSERT INTO sc.videos (course_id, topic_id, youtube_id, title, duration, order_index, is_preview)
SELECT c.id, t.id, 'demo' || substr(md5(l.code || l.topic || l.place), 1, 7), l.title, l.minutes * 60, l.place, l.topic = 1 AND l.place = 1
FROM demo_lessons AS l
JOIN sc.courses AS c ON c.code = l.code
JOIN sc.topics AS t ON t.course_id = c.id AND t.order_index = l.topic
ORDER BY c.id, l.topic, l.place;

INSERT INTO sc.enrollments (user_id, course_id, status, source, enrolled_at)
SELECT u.id, c.id, e.status, 'staff', clock_timestamp() - interval '20 days'
FROM (VALUES
    ('ogrenci@demo.test', 'DEMO-MAT', 'active'), ('ogrenci@demo.test', 'DEMO-FIZ', 'active'), ('ogrenci@demo.test', 'DEMO-PLAN', 'active'),
    ('omer@demo.test', 'DEMO-MAT', 'active'), ('omer@demo.test', 'DEMO-INT', 'active'),
    ('ayse@demo.test', 'DEMO-TUR', 'active'), ('ayse@demo.test', 'DEMO-MAT', 'suspended'),
    ('ibrahim@demo.test', 'DEMO-MAT', 'active'), ('ibrahim@demo.test', 'DEMO-FIZ', 'active'),
    ('gul@demo.test', 'DEMO-TUR', 'active'), ('tugce@demo.test', 'DEMO-TUR', 'active'),
    ('tugce@demo.test', 'DEMO-MAT', 'cancelled'), ('defne@demo.test', 'DEMO-MAT', 'active')
) AS e (email, code, status)
JOIN sc.users AS u ON u.email = e.email
JOIN sc.courses AS c ON c.code = e.code
ON CONFLICT (user_id, course_id) DO NOTHING;

-- Each student is somewhere else in the course: the n-th has watched the first
-- lessons whole and the next one in part.
INSERT INTO sc.video_progress (user_id, video_id, segments, covered_seconds, watched_seconds, total_seconds, percent, position_s, completed_at, heartbeat_at)
SELECT w.user_id, w.video_id, int4multirange(int4range(0, w.seconds)), w.seconds, w.seconds, w.duration,
       round(100.0 * w.seconds / w.duration, 2), CASE WHEN w.seconds = w.duration THEN 0 ELSE w.seconds END,
       CASE WHEN w.seconds = w.duration THEN clock_timestamp() - interval '2 days' END, clock_timestamp() - interval '2 days'
FROM (
    SELECT e.user_id, v.id AS video_id, v.duration,
           CASE WHEN v.place <= e.lessons THEN v.duration ELSE v.duration * 2 / 5 END AS seconds,
           v.place, e.lessons
    FROM (
        SELECT e.user_id, e.course_id, 1 + (row_number() OVER (PARTITION BY e.course_id ORDER BY e.user_id)) % 3 AS lessons
        FROM sc.enrollments AS e
        JOIN sc.courses AS c ON c.id = e.course_id AND c.code LIKE 'DEMO-%'
        JOIN sc.users AS u ON u.id = e.user_id AND u.email LIKE '%@demo.test'
        WHERE e.status = 'active'
    ) AS e
    JOIN (
        SELECT v.id, v.course_id, v.duration, row_number() OVER (PARTITION BY v.course_id ORDER BY t.order_index, v.order_index) AS place
        FROM sc.videos AS v JOIN sc.topics AS t ON t.id = v.topic_id
    ) AS v ON v.course_id = e.course_id AND v.place <= e.lessons + 1
) AS w
ON CONFLICT (user_id, video_id) DO NOTHING;
COMMIT;
