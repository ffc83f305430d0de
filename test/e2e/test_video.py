"""Watching over HTTP: leave to watch, heartbeats, what is kept of them."""

import datetime
import threading


def stamp(seconds_ago=0):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_two_calls_of_the_original(new_course, new_user, enroll):
    course, student = new_course(duration=1200), new_user("student")
    video = course.videos[0]
    enroll(student.user.id, course.id)
    reply = student.get(f"/videos/{video}/embed")
    doc = reply.ok()
    assert doc["video_id"] == video and doc["can_access"] is True
    assert doc["embed_url"].startswith("https://www.youtube.com/embed/") and doc["embed_url"].endswith("?rel=0&modestbranding=1")
    assert "no-store" in reply.headers["cache-control"]
    doc = student.post(f"/videos/{video}/progress", {"watched_seconds": 450, "total_seconds": 1200}).ok()
    assert (doc["covered_seconds"], doc["percent"], doc["position_s"], doc["completed_at"]) == (450, 37.5, 450, None)
    assert student.get(f"/videos/{video}/embed").ok()["position_s"] == 450


def test_refusals_name_the_reason_and_are_logged(api, new_course, new_user, enroll, db):
    student = new_user("student")
    course = new_course()
    for status in ("suspended", "expired"):
        place = new_course()
        enroll(student.user.id, place.id, status)
        student.get(f"/videos/{place.videos[0]}/embed").problem(403, status)
    over = new_course()
    enroll(student.user.id, over.id, "active", expires_at="2020-01-01Z")
    student.get(f"/videos/{over.videos[0]}/embed").problem(403, "expired")
    steps = new_course(topics=2, videos=1, sequential=True)
    enroll(student.user.id, steps.id)
    student.get(f"/videos/{steps.videos[1]}/embed").problem(403, "locked")
    draft = new_course(is_published=False)
    enroll(student.user.id, draft.id)
    student.get(f"/videos/{draft.videos[0]}/embed").problem(404, "unpublished")
    doc = student.get(f"/videos/{course.videos[0]}/embed", headers={"Accept-Language": "tr"}).problem(403, "not_enrolled")
    assert "embed_url" not in doc and doc["detail"] == "Önce kursa kaydolun."
    api.anonymous().get(f"/videos/{course.videos[0]}/embed").problem(401)
    logged = [r.reason for r in db.all("SELECT reason FROM sc.video_access_log WHERE user_id = %s AND NOT granted ORDER BY at", student.user.id)]
    assert logged == ["suspended", "expired", "expired", "locked", "unpublished", "not_enrolled"]


def test_seeking_to_the_end_completes_nothing(new_course, new_user, enroll):
    course, student = new_course(), new_user("student")
    enroll(student.user.id, course.id)
    video = course.videos[0]
    student.get(f"/videos/{video}/embed").ok()
    doc = student.post(f"/videos/{video}/progress", {"position_s": 600, "segments": [{"from": 598, "to": 600, "rate": 1}]}).ok()
    assert doc["covered_seconds"] == 2 and doc["completed_at"] is None and doc["position_s"] == 600
    # nor does claiming it all at once, nor again and again
    for _ in range(5):
        doc = student.post(f"/videos/{video}/progress", {"segments": [{"from": 0, "to": 600, "rate": 1}]}).ok()
    assert doc["covered_seconds"] < 100 and doc["completed_at"] is None


def test_progress_never_goes_back_under_many_hands(new_course, new_user, enroll):
    course, student = new_course(), new_user("student")
    enroll(student.user.id, course.id)
    video = course.videos[0]
    falls = []

    def play(seed):
        mine, last = student.clone(), 0
        for n in range(20):
            doc = mine.post(f"/videos/{video}/progress", {"watched_seconds": (seed * 97 + n * 31) % 500, "total_seconds": 600}).ok()
            if doc["percent"] < last:
                falls.append((last, doc))
            last = doc["percent"]
    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert falls == []
    most = max((seed * 97 + n * 31) % 500 for seed in range(6) for n in range(20))
    assert student.get(f"/videos/{video}/progress").ok()["covered_seconds"] == most


def test_heartbeats_kept_offline(new_course, new_user, enroll):
    course, student = new_course(), new_user("student")
    enroll(student.user.id, course.id)
    video = course.videos[0]
    items = student.post("/progress/batch", {"heartbeats": [
        {"video_id": video, "at": stamp(10), "segments": [{"from": 10, "to": 20}]},
        {"video_id": video, "at": stamp(20), "segments": [{"from": 0, "to": 10}]},
        {"video_id": 999999999, "at": stamp(), "watched_seconds": 5},
    ]}).ok()["items"]
    by_place = {i["n"]: i for i in items}
    assert [by_place[n]["status"] for n in (1, 2, 3)] == [200, 200, 404]
    assert student.get(f"/videos/{video}/progress").ok()["segments"] == [{"from": 0, "to": 20}]
    student.post("/progress/batch", {"heartbeats": []}).problem(422)


def test_the_last_video_completes_the_course(new_course, new_user, enroll, teacher, db):
    course, student = new_course(topics=2, videos=1, sequential=True), new_user("student")
    enroll(student.user.id, course.id)
    first, second = course.videos
    assert [v["is_locked"] for v in student.get(f"/courses/{course.id}/progress").ok()["videos"]] == [False, True]
    student.get("/users/me/enrollments").ok()
    student.post(f"/videos/{first}/progress", {"watched_seconds": 540, "total_seconds": 600}).ok()
    student.get(f"/videos/{second}/embed").ok()
    student.post(f"/videos/{second}/complete", {"user_id": student.user.id}).problem(403, "forbidden")
    teacher.post(f"/videos/{second}/complete", {"user_id": student.user.id}).ok(204)
    mine = student.get("/users/me/enrollments").ok()["items"]
    assert [e["status"] for e in mine if e["course_id"] == course.id] == ["completed"]
    doc = student.get(f"/courses/{course.id}/progress").ok()
    assert (doc["videos_completed"], doc["videos_total"], doc["percent"]) == (2, 2, 100)
    row = db.row("SELECT * FROM sc.course_progress(%s, %s)", student.user.id, course.id)
    assert (row.videos_completed, float(row.percent)) == (2, 100.0)
    names = [s["user_id"] for s in teacher.pages(f"/courses/{course.id}/progress/students")]
    assert names == [student.user.id]


def test_others_do_not_see_it(new_course, new_user, enroll, student):
    course, watcher = new_course(), new_user("student")
    enroll(watcher.user.id, course.id)
    watcher.post(f"/videos/{course.videos[0]}/progress", {"watched_seconds": 100, "total_seconds": 600}).ok()
    assert student.get(f"/videos/{course.videos[0]}/progress").ok()["covered_seconds"] == 0
    student.get(f"/courses/{course.id}/progress", user_id=watcher.user.id).problem(403, "forbidden")
    new_user("teacher").get(f"/courses/{course.id}/progress/students").problem(403, "forbidden")
    student.get(f"/courses/{course.id}/progress/students").problem(403, "forbidden")
