-- Imports: words and the route.

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr) VALUES
    ('empty_file', 422, 'The file is empty', 'Dosya boş', NULL, NULL),
    ('unknown_column', 422, 'Unknown column', 'Bilinmeyen sütun', NULL, NULL),
    ('repeated_column', 422, 'Column given twice', 'Sütun iki kez verilmiş', NULL, NULL),
    ('missing_column', 422, 'Missing column', 'Eksik sütun', NULL, NULL),
    ('unknown_role', 422, 'No such role', 'Böyle bir rol yok', NULL, NULL),
    ('unknown_hash', 422, 'Not a password hash that can be checked', 'Denetlenebilir bir parola özeti değil', NULL, NULL),
    ('unknown_teacher', 422, 'No such teacher', 'Böyle bir öğretmen yok', NULL, NULL),
    ('unknown_category', 422, 'No such category', 'Böyle bir kategori yok', NULL, NULL),
    ('unknown_course', 422, 'No such course', 'Böyle bir ders yok', NULL, NULL),
    ('unknown_topic', 422, 'The course has no such topic', 'Derste böyle bir konu yok', NULL, NULL),
    ('unknown_student', 422, 'No such student', 'Böyle bir öğrenci yok', NULL, NULL),
    ('twice_in_file', 422, 'Twice in the file', 'Dosyada iki kez geçiyor', NULL, NULL),
    ('place_taken', 422, 'The place is taken', 'Bu sıra dolu', NULL, NULL),
    ('too_long', 422, 'Too long', 'Çok uzun', NULL, NULL)
ON CONFLICT DO NOTHING;

PERFORM sc.route(700, 'POST', '/imports/{kind}', 'sc_api.import_run', 'imports.run', '{"tag": "imports", "summary": "Import from CSV", "lane": "stream", "content_type": "text/csv", "max_body": 67108864, "query": ["dry_run"]}');
