-- GIFT: reading, refusing, writing.
\pset null none

-- 1. every type of question, with what surrounds it
SELECT line, category, type, name, prompt, format, options, key, explanation, tags, errors FROM sc.gift_parse($gift$// the first line is a comment
$CATEGORY: Tarih/Osmanlı

// [tag:9. sınıf] [tag:zor%5D]
::Soru 1:: [html]Başkent neresidir?{
	=Ankara #evet
	~%-25%İstanbul#hayır
// a comment between the options
	~ İzmir \= güzel
	#### Açıklama
ikinci satır
}

::Soru 2::Hangileri asaldır? {~%50%2 ~%50%3 ~%-50%4 ~%-50%6}

Ağırlıklı {~%33.33333%a ~%33.33333%b ~%33.33334%c ~%-100%d}

İki artı iki {=dört =%50%4#yaklaşık} eder.

Pi kaçtır {#3,14:0.01}

Aralık {#1..5}

Çok yanıtlı {#=10:0 =%50%10:2#yakın ~#değil}

Eşleştir {=Fransa -> Paris =İtalya -> Roma = -> Berlin =Papa -> Roma}

Dünya yuvarlaktır {T#yanlış#doğru}

Güneş soğuktur {false}

Anlatın\nayrıntılı {####ipucu}

Kısmi {=tam ~%50%yarım ~hiç}

Yalnızca metin: \{x\}
$gift$);

-- 2. LaTeX: only its marks need care
SELECT prompt, key FROM sc.gift_parse(E'$\\\\frac\\{1\\}\\{2\\} \\= x_\\{1\\}$ {=\\\\alpha ~\\beta ~\\sqrt\\{2\\}}');
-- 3. ends of line, byte order mark, no line end at the end
SELECT line, prompt, options FROM sc.gift_parse(E'\uFEFFbir {=a\r\n~b}\r\n\r\n\r\niki {T}');

-- 4. errors, with their lines; the others are read all the same
SELECT line, type, e ->> 'line' AS at, e ->> 'code' AS code, e ->> 'message' AS message
FROM sc.gift_parse($gift$bir {=a ~b

iki =a}

::adsız üç {=a ~b}

$x^{2}$ kaçtır {=a ~b}

{=a ~b}

beş {
=doğru
~%150%fazla
~
}

altı {~tek}

yedi {#bir}

sekiz {=a -> 1 =b}

dokuz {kelime}

on {=a ~%x%b}

son {T}
$gift$) LEFT JOIN LATERAL jsonb_array_elements(errors) AS e ON true;
SELECT count(*) AS questions_in_nothing FROM sc.gift_parse(E'\n// yalnız yorum\n$CATEGORY: boş\n\n');

-- 5. writing: what has a meaning is escaped
SELECT sc.gift_format('single', E'$\\frac{a}{b} = c \\neq ~x#1$\n\nikinci', '[{"id":"a","text":"1 : 2","feedback":"yok"},{"id":"b","text":"->"}]', '{"correct":"b"}', 'ad::ı', 'çünkü {x}', 'markdown', '{zor,"a]b%"}');
SELECT sc.gift_format('numeric', 'N', '[]', '{"answers":[{"value":3.140,"tolerance":0.01},{"min":1,"max":2,"fraction":0.5},{"any":true,"fraction":0,"feedback":"no"}]}');
-- what GIFT has no words for goes along in a comment
SELECT sc.gift_format('ordering', 'Sırala', '[{"id":"a","text":"1"},{"id":"b","text":"2"}]', '{"order":["b","a"]}');
SELECT sc.gift_format('numeric', 'N', '[]', '{"answers":[{"value":3,"tolerance":0.1,"tolerance_type":"relative"}]}');

-- 6. property: whatever is written reads back as the same question, one and without errors
SELECT setseed(0.3);
CREATE FUNCTION pg_temp.words(n int) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT 'x' || string_agg((ARRAY['a','ğ','İ',' ','=','~','#','{','}',':','\','\n','%50%','->','//','$CATEGORY:','####','[html]','::','"','''',E'\n',E'\n\n','T','*','$\frac{1}{2}$',',','|','(',E'\t','[tag:x]'])[1 + floor(random() * 31)], '')
           || CASE WHEN random() < 0.2 THEN '' ELSE '.' END
    FROM generate_series(1, n)
$$;
CREATE FUNCTION pg_temp.question(k int, OUT type text, OUT options jsonb, OUT key jsonb) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n int := 2 + k % 5;
BEGIN
    type := (ARRAY['single','multiple','truefalse','numeric','short','matching','ordering','essay','description'])[1 + k % 9];
    options := '[]';
    key := '{}';
    IF type IN ('single', 'multiple', 'ordering') THEN
        options := (SELECT jsonb_agg(jsonb_build_object('id', chr(96 + i), 'text', pg_temp.words(1 + i)) || CASE WHEN random() < 0.3 THEN jsonb_build_object('feedback', pg_temp.words(3)) ELSE '{}' END) FROM generate_series(1, n) AS i);
    END IF;
    CASE type
        WHEN 'single' THEN key := CASE WHEN random() < 0.7 THEN '{"correct": "b"}' ELSE '{"weights": {"a": 1, "b": 0.5}}' END;
        WHEN 'multiple' THEN key := CASE WHEN random() < 0.5 THEN '{"correct": ["a", "b"]}' WHEN random() < 0.5 THEN '{"weights": {"a": 1, "b": -0.3333333}}' ELSE '{"correct": ["a"], "all_or_nothing": true}' END;
        WHEN 'truefalse' THEN key := jsonb_build_object('correct', random() < 0.5) || CASE WHEN random() < 0.5 THEN jsonb_build_object('feedback_wrong', pg_temp.words(2)) ELSE '{}' END;
        WHEN 'numeric' THEN key := jsonb_build_object('answers', jsonb_build_array(jsonb_build_object('value', round((random() * 100)::numeric, 3)), jsonb_build_object('min', 1, 'max', 2, 'fraction', 0.25)));
        WHEN 'short' THEN key := jsonb_build_object('answers', jsonb_build_array(jsonb_build_object('text', pg_temp.words(4)), jsonb_build_object('text', pg_temp.words(2), 'fraction', 0.5)));
        WHEN 'ordering' THEN key := jsonb_build_object('order', (SELECT jsonb_agg(chr(96 + i) ORDER BY random()) FROM generate_series(1, n) AS i));
        WHEN 'matching' THEN
            options := jsonb_build_object('left', (SELECT jsonb_agg(jsonb_build_object('id', i::text, 'text', pg_temp.words(3))) FROM generate_series(1, n) AS i),
                                          'right', (SELECT jsonb_agg(jsonb_build_object('id', chr(96 + i), 'text', pg_temp.words(3) || i)) FROM generate_series(1, n + 1) AS i));
            key := jsonb_build_object('pairs', (SELECT jsonb_object_agg(i::text, chr(96 + i)) FROM generate_series(1, n) AS i));
        ELSE NULL;
    END CASE;
END
$$;
CREATE TEMP TABLE written AS
SELECT k, q.*, btrim(pg_temp.words(8), E' \t\n') AS prompt, CASE WHEN k % 3 = 0 THEN btrim(pg_temp.words(3), E' \t\n') END AS name,
       CASE WHEN k % 4 = 0 THEN btrim(pg_temp.words(5), E' \t\n') END AS explanation, ARRAY[pg_temp.words(2), 'grade:' || k] AS tags
FROM generate_series(1, 900) AS k, LATERAL (SELECT * FROM pg_temp.question(k) OFFSET 0) AS q;
CREATE TEMP TABLE file AS SELECT string_agg(sc.gift_format(type, prompt, options, key, name, explanation, 'markdown', tags), E'\n' ORDER BY k) AS gift FROM written;
SELECT count(*) AS questions, count(*) FILTER (WHERE (w.type, w.prompt, w.options, w.key, w.name, w.explanation, w.tags) IS DISTINCT FROM (g.type, g.prompt, g.options, g.key, g.name, g.explanation, g.tags)) AS changed,
       count(g.errors) AS with_errors
FROM written AS w FULL JOIN (SELECT row_number() OVER () AS k, p.* FROM file, sc.gift_parse(gift) AS p) AS g USING (k);
-- most of it in GIFT's own words
SELECT (SELECT count(*) FROM regexp_matches(gift, '\[student-coach\]', 'g')) < 600 AS few_comments FROM file;

-- 7. noise: every text is read, whatever it holds
CREATE FUNCTION pg_temp.noise(n int) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT string_agg((ARRAY['=','~','#','{','}','%',':','::','->','..','\','\n',E'\n',E'\n\n','a','T','1','50','%50%','####','[html]','//','// [tag:','// [student-coach] {"key":','$CATEGORY:',' ',E'\r\n','"'])[1 + floor(random() * 28)], '')
    FROM generate_series(1, n)
$$;
SELECT count(*) > 3000 AS many, count(DISTINCT type) AS types FROM generate_series(1, 3000) AS n, sc.gift_parse(pg_temp.noise(5 + n % 60));
SELECT type, key, errors -> 0 ->> 'code' AS code FROM sc.gift_parse('x {#50:çok}');
