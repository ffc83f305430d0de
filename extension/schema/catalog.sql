-- The catalogue over HTTP: refusals and routes of courses, enrolments, videos.

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr) VALUES
    ('unpublished', 404, 'Not available', 'Yayında değil', 'This video does not exist or has not been published.', 'Bu video yok ya da yayımlanmamış.'),
    ('not_enrolled', 403, 'Not enrolled', 'Kayıtlı değilsiniz', 'Enrol in the course first.', 'Önce kursa kaydolun.'),
    ('suspended', 403, 'Enrolment suspended', 'Kayıt askıya alınmış', 'Ask the school.', 'Okulunuza başvurun.'),
    ('expired', 403, 'Enrolment expired', 'Kaydın süresi dolmuş', 'Ask the school to renew it.', 'Yenilemek için okulunuza başvurun.'),
    ('locked', 403, 'Not open yet', 'Henüz açılmadı', 'The topic opens at a later date, or when the topic before it is completed.', 'Konu ileri bir tarihte ya da önceki konu tamamlanınca açılır.'),
    ('invalid_segments', 422, 'Segments are not valid', 'Parçalar geçerli değil', 'An array of at most 1000 objects {"from": seconds, "to": seconds, "rate": number}.', '{"from": saniye, "to": saniye, "rate": sayı} biçiminde en çok 1000 nesnelik bir dizi.')
ON CONFLICT DO NOTHING;

PERFORM sc.route(600, 'GET', '/videos/{video_id}/embed', 'sc_api.video_embed', 'user',
    '{"access": "write", "lane": "hot", "lock_key": "video_id", "response": "sc_api.video_embed", "idempotent": true, "tag": "videos", "summary": "Leave to watch a video"}');
PERFORM sc.route(601, 'POST', '/videos/{video_id}/progress', 'sc_api.video_heartbeat', 'user',
    '{"lane": "hot", "lock_key": "video_id", "idempotent": true, "tag": "videos", "summary": "Heartbeat of the player"}');
