-- Imports: words and the route.

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr) VALUES
    ('open_quote', 422, 'A quoted field is not closed', 'Tırnak işareti kapanmıyor', 'A quoted field begins here that is never closed.', 'Burada başlayan tırnaklı alan hiç kapanmıyor.'),
    ('too_many_fields', 422, 'More fields than columns', 'Sütundan çok alan var', 'There are more fields than columns; a field that holds the separator needs quotes.', 'Sütundan çok alan var; ayırıcı içeren alan tırnak içine alınmalıdır.'),
    ('empty_file', 422, 'The file is empty', 'Dosya boş', NULL, NULL),
    ('unknown_column', 422, 'Unknown column', 'Bilinmeyen sütun', NULL, NULL),
    ('repeated_column', 422, 'Column given twice', 'Sütun iki kez verilmiş', NULL, NULL),
    ('missing_column', 422, 'Missing column', 'Eksik sütun', NULL, NULL),
    ('unknown_role', 422, 'No such role', 'Böyle bir rol yok', NULL, NULL),
    ('unknown_hash', 422, 'Not a password hash that can be checked', 'Denetlenebilir bir parola özeti değil', NULL, NULL),
    ('unknown_teacher', 422, 'No such teacher', 'Böyle bir öğretmen yok', NULL, NULL),
    ('unknown_category', 422, 'No such category', 'Böyle bir kategori yok', NULL, NULL),
    ('unknown_course', 422, 'No such course', 'Böyle bir ders yok', NULL, NULL),
    ('ambiguous_topic', 422, 'Several topics of this title', 'Bu adda birden çok konu var', NULL, NULL),
    ('invalid_truth', 422, 'Neither yes nor no', 'Evet ya da hayır değil', 'One of yes, no, true, false, 1, 0.', 'Şunlardan biri: evet, hayır, true, false, 1, 0.'),
    ('invalid_duration', 422, 'Not a duration', 'Süre değil', 'Whole seconds, up to 86400.', 'Saniye olarak bir tam sayı, en çok 86400.'),
    ('invalid_place', 422, 'Not a place', 'Sıra değil', 'A whole number from 1 on.', '1''den başlayan bir tam sayı.'),
    ('invalid_instant', 422, 'Not a date', 'Tarih değil', 'Written like 2026-09-01 or 2026-09-01T09:00:00+03:00.', 'Şöyle yazılır: 2026-09-01 ya da 2026-09-01T09:00:00+03:00.'),
    ('invalid_status', 422, 'Not a status', 'Kayıt durumu değil', 'One of active, completed, suspended, cancelled, expired.', 'Şunlardan biri: active, completed, suspended, cancelled, expired.'),
    ('unknown_topic', 422, 'The course has no such topic', 'Derste böyle bir konu yok', NULL, NULL),
    ('unknown_student', 422, 'No such student', 'Böyle bir öğrenci yok', NULL, NULL),
    ('twice_in_file', 422, 'Twice in the file', 'Dosyada iki kez geçiyor', NULL, NULL),
    ('place_taken', 422, 'The place is taken', 'Bu sıra dolu', NULL, NULL),
    ('too_long', 422, 'Too long', 'Çok uzun', NULL, NULL)
ON CONFLICT DO NOTHING;

PERFORM sc.route(700, 'POST', '/imports/{kind}', 'sc_api.import_run', 'imports.run', '{"tag": "imports", "summary": "Import from CSV", "lane": "stream", "content_type": "text/csv", "max_body": 67108864, "query": ["dry_run"]}');
