"""The catalogue over HTTP: a teacher's course as students, caches and staff come to see it."""

import threading

import pytest


@pytest.fixture(scope="module")
def shelf(admin, serial):
    return admin.post("/categories", {"name": f"Raf {serial()}", "slug": f"raf-{serial()}"}).ok(201)["id"]


def make_course(teacher, shelf, serial, publish=True, **fields):
    course = teacher.post("/courses", {"title": f"Çarpım ve Bölüm {serial()}", "description": "İşlemler, adım adım.", "category_id": shelf, **fields}).ok(201)
    topic = teacher.post(f"/courses/{course['id']}/topics", {"title": "Giriş"}).ok(201)
    teacher.post(f"/courses/{course['id']}/videos",
                 {"title": "Ilk ders", "youtube_id": "dQw4w9WgXcQ", "topic_id": topic["id"], "duration": 300}).ok(201)
    if publish:
        teacher.post(f"/courses/{course['id']}/publish").ok()
    return course["id"]


def test_a_course_from_draft_to_deletion(teacher, student, new_user, shelf, serial):
    other = new_user("teacher")
    course = make_course(teacher, shelf, serial, publish=False)
    for stranger in (student, other):
        stranger.get(f"/courses/{course}").problem(404, "not_found")
    assert [c["id"] for c in teacher.pages("/courses", is_published="false", category=shelf)] == [course]
    assert other.pages("/courses", is_published="false", category=shelf) == []
    teacher.post(f"/courses/{course}/publish").ok()
    assert student.get(f"/courses/{course}").ok()["is_published"]
    other.patch(f"/courses/{course}", {"title": "Benim"}).problem(403, "forbidden")
    assert [v["title"] for v in student.get(f"/courses/{course}/videos").ok()["items"]] == ["Ilk ders"]
    outline = student.get(f"/courses/{course}/topics").ok()["items"]
    assert [t["title"] for t in outline] == ["Giriş"] and [v["title"] for v in outline[0]["videos"]] == ["Ilk ders"]
    teacher.delete(f"/courses/{course}").ok(204)
    student.get(f"/courses/{course}").problem(404, "not_found")
    student.get(f"/courses/{course}/videos").problem(404, "not_found")


def test_publishing_names_what_is_missing(teacher, serial):
    course = teacher.post("/courses", {"title": f"Boş {serial()}"}).ok(201)["id"]
    doc = teacher.post(f"/courses/{course}/publish", headers={"Accept-Language": "tr"}).problem(409, "not_publishable")
    assert doc["missing"] == "description, videos" and doc["title"] == "Henüz yayımlanamaz"


def test_no_list_shows_an_address(teacher, student, shelf, serial):
    course = make_course(teacher, shelf, serial)
    student.post(f"/courses/{course}/enroll").ok(201)
    video = student.get(f"/courses/{course}/videos").ok()["items"][0]["id"]
    for path in ("/courses", f"/courses/{course}", f"/courses/{course}/topics", f"/courses/{course}/videos", f"/videos/{video}", f"/videos/{video}/progress",
                 f"/courses/{course}/progress", "/users/me/enrollments", "/users/me/progress"):
        assert "dQw4w9WgXcQ" not in student.get(path).text, path
    assert "dQw4w9WgXcQ" in student.get(f"/videos/{video}/embed").ok()["embed_url"]


@pytest.mark.parametrize("words", ["çarpım", "carpim", "CARPIM", "İŞLEMLER", "islem", "bölüm çarp"])
def test_search_with_and_without_turkish_letters(teacher, student, shelf, serial, words):
    course = make_course(teacher, shelf, serial)
    assert course in [c["id"] for c in student.pages("/courses", q=words, category=shelf)]
    assert student.pages("/courses", q=words + " olmayan", category=shelf) == []


def test_what_is_cached_follows_what_is_written(teacher, student, shelf, serial):
    course = make_course(teacher, shelf, serial)
    titles = {}
    for n in range(3):
        for _ in range(2):
            titles["detail"] = student.get(f"/courses/{course}").ok()["title"]
            titles["list"] = [c["title"] for c in student.pages("/courses", category=shelf) if c["id"] == course][0]
        assert n == 0 or titles == {"detail": f"Ad {n}", "list": f"Ad {n}"}
        teacher.patch(f"/courses/{course}", {"title": f"Ad {n + 1}"}).ok()
    video = student.get(f"/courses/{course}/videos").ok()["items"][0]["id"]
    student.get(f"/videos/{video}").ok()
    teacher.post(f"/courses/{course}/unpublish").ok()
    for path in (f"/courses/{course}", f"/courses/{course}/topics", f"/courses/{course}/videos", f"/videos/{video}"):
        student.get(path).problem(404, "not_found")
    assert course not in [c["id"] for c in student.pages("/courses", category=shelf)]


def test_an_enrolment_leaves_the_lists_alone(teacher, student, shelf, serial):
    course = make_course(teacher, shelf, serial)
    for _ in range(2):
        before = student.get("/courses", category=shelf)
    student.post(f"/courses/{course}/enroll").ok(201)
    after = student.get("/courses", category=shelf)
    assert after.headers["x-cache"] == before.headers["x-cache"] and after.body == before.body
    assert [e["course_id"] for e in student.get("/users/me/enrollments").ok()["items"]].count(course) == 1
    student.delete(f"/courses/{course}/enroll").ok(204)
    assert course not in [e["course_id"] for e in student.get("/users/me/enrollments").ok()["items"]]


def test_the_last_seats_are_sold_once(teacher, new_user, shelf, serial, db):
    course = make_course(teacher, shelf, serial, capacity=3)
    students = [new_user("student") for _ in range(8)]
    answers = []

    def enrol(api):
        answers.append(api.post(f"/courses/{course}/enroll").status)
    threads = [threading.Thread(target=enrol, args=(s,)) for s in students]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == [201] * 3 + [409] * 5
    assert students[0].get(f"/courses/{course}/seats").ok() == {"course_id": course, "capacity": 3, "taken": 3, "free": 0}
    assert db.one("SELECT count(*) FROM sc.enrollments WHERE course_id = %s", course) == 3
    teacher.patch(f"/courses/{course}", {"capacity": 2}).problem(409, "capacity_below_taken")


def test_paging_gives_each_course_once(teacher, student, admin, serial):
    shelf = admin.post("/categories", {"name": "Sayfalar", "slug": f"sayfa-{serial()}"}).ok(201)["id"]
    made = {make_course(teacher, shelf, serial) for _ in range(7)}
    got = [c["id"] for c in student.pages("/courses", category=shelf, per_page=3)]
    assert len(got) == 7 and set(got) == made
    page = student.get("/courses", category=shelf, per_page=3, page=2)
    assert page.ok()["total"] == 7 and 'rel="next"' in page.headers["link"] and 'rel="prev"' in page.headers["link"]
    student.get("/courses", per_page=101).problem(422)
