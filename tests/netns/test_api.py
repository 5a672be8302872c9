#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The local API of a real agent against docs/openapi.yaml: what is served is what is
described, each example gets its status, each answer fits its schema, each documented error
can be had, and docs/api.md names them all. Then what a 2xx is worth: it survives kill -9,
also on a node without a scheduler. Prints TAP.
"""
import json
import os
import re
import signal
import sys

import nsenv
from test_agent import Bed, wait_for

SPEC = "docs/openapi.yaml"
SCHED_VIP, LOCAL, OTHER = "192.0.2.10", "203.0.113.77", "203.0.113.99"
METHODS = ("put", "get", "patch", "post", "delete")
CLIENT_ERRORS = ("400", "404", "409", "412", "413", "415")
MAX_VIPS = 3


class Api:
    """Requests to the agent, each on a connection of its own."""

    def __init__(self, path):
        self.path = path

    def __call__(self, method, url, body=None, headers=None):
        conn = nsenv.Api(self.path)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            conn.request(method.upper(), url, body, headers)
        except BrokenPipeError:
            # Refused before it was read: the answer is there all the same.
            pass
        answer = conn.getresponse()
        text = answer.read()
        conn.close()
        if text and answer.headers["Content-Type"] == "application/json":
            text = json.loads(text)
        return answer.status, answer.headers, text or None


class Spec:
    """The document, and what is asked of it."""

    def __init__(self, yaml, jsonschema):
        with open(SPEC, encoding="utf-8") as text:
            self.doc = yaml.safe_load(text)
        # A schema's references are about the document.
        self.resolver = jsonschema.RefResolver("", self.doc)
        self.validator = jsonschema.Draft4Validator
        self.provoked = set()

    def resolve(self, item):
        while "$ref" in item:
            item = self.resolver.resolve(item["$ref"])[1]
        return item

    def operations(self):
        for path, item in self.doc["paths"].items():
            for method in item:
                if method in METHODS:
                    yield path, method, item[method]

    def url(self, path, op, **other):
        """The path with its parameters' examples, or others."""
        query = []
        for ref in self.doc["paths"][path].get("parameters", []) + op.get("parameters", []):
            par = self.resolve(ref)
            value = other.get(par["name"], par.get("example"))
            if par["in"] == "path":
                path = path.replace("{" + par["name"] + "}", str(value))
            elif par["in"] == "query" and value is not None:
                query.append(f"{par['name']}={value}")
        return path + ("?" + "&".join(query) if query else "")

    def check(self, what, op, status, headers, body):
        """The answer is one that the operation has."""
        assert str(status) in op["responses"], f"{what}: {status} is not documented: {body}"
        response = self.resolve(op["responses"][str(status)])
        if "content" not in response:
            assert body is None, f"{what}: {body}"
            return
        if "text/plain" in response["content"]:
            assert headers["Content-Type"].startswith("text/plain"), what
            assert re.fullmatch(rb"(#.*\n|nlb_[a-z_]+(\{.*\})? [0-9.]+\n)+", body), body
            return
        assert headers["Content-Type"] == "application/json", what
        schema = response["content"]["application/json"]["schema"]
        self.validator(schema, resolver=self.resolver).validate(body)
        for name, ref in response.get("headers", {}).items():
            pattern = self.resolve(ref)["schema"]["pattern"]
            assert re.search(pattern, headers[name] or ""), f"{what}: {name} {headers[name]}"


def example(op):
    """The first example body."""
    return (
        op["requestBody"]["content"]["application/json"]["example"] if "requestBody" in op else None
    )


def test_served_is_described(bed):
    for path, item in bed.spec.doc["paths"].items():
        wanted = {m.upper() for m in METHODS if m in item}
        url = bed.spec.url(path, {})
        for method in ("OPTIONS", "BREW") + tuple(m.upper() for m in METHODS):
            if method in wanted:
                continue
            status, headers, body = bed.request(method, url)
            assert status == 405 and body["error"], f"{method} {url}: {status} {body}"
            assert set(headers["Allow"].split(", ")) == wanted, f"{url}: {headers['Allow']}"
        status, _, _ = bed.request("GET", url + "/x/y/z")
        assert status == 404, f"{url}/x/y/z: {status}"
    # Each of them is in the server's table; and the table has no more.
    with open("agent/api_route.c", encoding="utf-8") as source:
        assert source.read().count("{.pattern = ") == len(bed.spec.doc["paths"])


def run_example(bed, path, method, op, media, content):
    url = bed.spec.url(path, op, id=bed.capture)
    body = content.get("example")
    headers = {"Content-Type": media} if body is not None else {}
    answer = bed.request(method, url, json.dumps(body) if body is not None else None, headers)
    bed.spec.check(f"{method} {url}", op, *answer)
    wanted = op.get("x-status", 200)
    assert answer[0] == wanted, f"{method} {url} {body}: {answer[0]} {answer[2]}"
    if op["operationId"] == "postCapture":
        bed.capture = answer[2]["id"]


def test_examples(bed):
    operations = list(bed.spec.operations())
    deletions = [o for o in operations if o[1] == "delete"]
    for path, method, op in [o for o in operations if o[1] != "delete"] + deletions[::-1]:
        content = op.get("requestBody", {}).get("content", {"": {}})
        for media, one in content.items():
            run_example(bed, path, method, op, media, one)
    # Twice is once.
    status, _, body = bed.request("DELETE", f"/v1/vips/{LOCAL}")
    assert status == 200 and body == {"status": "absent"}, body


def provoke(bed, path, method, op, wanted, url, body=None, headers=None):
    status, got, answer = bed.request(method, url, body, headers)
    assert status == wanted, f"{method} {url} {str(body)[:200]}: {status} {answer}"
    bed.spec.check(f"{method} {url}", op, status, got, answer)
    bed.spec.provoked.add((path, method, str(wanted)))


def bad_requests(path, url, body):
    """What is wrong with an operation's request, by status."""
    if path == "/v1/route":
        return {400: (url + "&sport=x", None), 409: (url + "&interface=lo", None)}
    if path == "/v1/capture":
        return {400: (url + "?id=x", {"rate": 0}), 404: (url.split("?")[0] + "?id=999", None)}
    if path == "/v1/health/conditions":
        return {400: (url + "&state=x", None), 404: (url + "&vip=" + OTHER, None)}
    if path == "/v1/vips":
        return {400: (url + "?x=1", None)}
    if path == "/v1/backends":
        at = {"vip": OTHER, "protocol": "tcp", "port": 80, "backends": []}
        taken = dict(at, vip=SCHED_VIP, backends=[{"address": "10.99.0.2", "weight": 9}])
        return {
            400: (url, {"services": [{}]}),
            404: (url, {"services": [at]}),
            409: (url, {"services": [taken]}),
        }
    taken = (
        url.replace(LOCAL, SCHED_VIP).replace("udp/53", "tcp/80").replace("10.0.0.9", "10.99.0.2")
    )
    if path.endswith("/backends"):
        body = {"backends": [{"address": "10.99.0.2", "weight": 9}]}
    elif path.endswith("{backend}"):
        body = {"admin": "up", "weight": 9}
    elif body:
        body = {key: value for key, value in body.items() if key != "address"}
    return {
        400: (url.replace(LOCAL, "nowhere"), body),
        404: (url.replace(LOCAL, OTHER), body),
        409: (taken, body),
    }


def test_client_errors(bed):
    spec = bed.spec
    paths = spec.doc["paths"]
    # What there has to be: the VIP, its service and backend; and one capture.
    for path in [p for p in paths if "put" in paths[p]]:
        op = paths[path]["put"]
        assert bed.request("PUT", spec.url(path, op), example(op))[0] in (200, 201)
    for path, method, op in spec.operations():
        url, body = spec.url(path, op), example(op)
        if method == "get":
            body = None
        bad = bad_requests(path, url, body)
        if path == "/v1/capture" and method == "post":
            status, _, answer = bed.request("POST", url, {"rate": 1000})
            assert status == 200, answer
            bed.capture = answer["id"]
            bad[409] = (url, {"rate": 1})
            bad[400] = (url, {"rate": 0})
        if path in ("/v1/sync/accept", "/v1/health/release"):
            bad = {409: (url, {})}
        bad[412] = (url, body, {"If-Match": '"0"'})
        bad[413] = (url, b" " * ((16 << 20 if path == "/v1/backends" else 1 << 20) + 1))
        bad[415] = (url, json.dumps(body), {"Content-Type": "text/plain"})
        for wanted in [int(s) for s in op["responses"] if s in CLIENT_ERRORS]:
            request = bad[wanted]
            if method == "get":
                request = (request[0], None)
            provoke(bed, path, method, op, wanted, *request)


def test_no_error_changed_anything(bed):
    path = "/v1/vips/{vip}"
    _, _, body = bed.request("GET", f"/v1/vips/{LOCAL}?view=config")
    wanted = bed.spec.doc["paths"][path]["put"]
    assert body["ports"][0]["backends"][0]["address"] == "10.0.0.1", body
    assert [p["port"] for p in body["ports"]] == [80, 53], body
    assert body["tag"] == example(wanted)["tag"]
    bed.request("DELETE", f"/v1/capture?id={bed.capture}")
    status, _, body = bed.request("GET", "/v1/status")
    assert status == 200 and body["backends"]["overrides"] == 0, body


def test_node_errors(bed):
    """503, 504, 500 and 507, each by its cause."""
    ops = bed.spec.doc["paths"]
    vip, put = "/v1/vips/{vip}", ops["/v1/vips/{vip}"]["put"]
    # Counting the scheduler's, and whatever still leaves.
    for n in range(MAX_VIPS):
        status, headers, body = bed.request(
            "PUT", f"/v1/vips/203.0.113.{n + 1}", dict(example(put), address=None)
        )
        if status == 507:
            break
    assert status == 507 and f"max-vips is {MAX_VIPS}" in body["error"], body
    bed.spec.check("507", put, status, headers, body)
    os.chmod(bed.state, 0o500)
    patch = ops[vip]["patch"]
    status, headers, body = bed.request("PATCH", f"/v1/vips/{LOCAL}", {"tag": 321})
    assert status == 500 and "is in force" in body["error"], (status, body)
    bed.spec.check("500", patch, status, headers, body)
    os.chmod(bed.state, 0o755)
    # The same again is answered when it is on disk.
    assert bed.request("PATCH", f"/v1/vips/{LOCAL}", {"tag": 321})[0] == 200
    with open(os.path.join(bed.state, "local.json"), encoding="utf-8") as kept:
        assert 321 in [v["tag"] for v in json.load(kept)["vips"]]
    maps = maps_child(bed)
    os.kill(maps, signal.SIGSTOP)
    try:
        status, headers, body = bed.request("GET", "/v1/stats")
    finally:
        os.kill(maps, signal.SIGCONT)
    assert status == 504, (status, body)
    bed.spec.check("504", ops["/v1/stats"]["get"], status, headers, body)


def maps_child(bed):
    """The child that has CAP_BPF."""
    parent = bed.parent_pid()
    with open(f"/proc/{parent}/task/{parent}/children", encoding="utf-8") as pids:
        for pid in pids.read().split():
            with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
                caps = next(l.split()[1] for l in lines if l.startswith("CapPrm:"))
            if int(caps, 16) >> 39 & 1:
                return int(pid)
    raise AssertionError("no maps child")


def test_page_names_all(bed):
    with open("docs/api.md", encoding="utf-8") as page:
        text = page.read()
    for path, method, op in bed.spec.operations():
        assert f"`{method.upper()} {path}`" in text, f"{method} {path} is not in docs/api.md"
        for status in op["responses"]:
            assert f"| {status} |" in text, f"{status} is not in docs/api.md"


def test_kill_9_after_the_answer(bed):
    """A change that was answered is there after the restart, with the same tag."""
    for tag in (1001, 1002, 1003):
        pid = bed.parent_pid()
        status, headers, _ = bed.request("PATCH", f"/v1/vips/{LOCAL}", {"tag": tag})
        os.kill(pid, signal.SIGKILL)
        assert status == 200
        after = wait_for("an answer", lambda: is_there(bed))
        assert after[2]["tag"] == tag and after[1]["ETag"] == headers["ETag"], after
    # The override of a scheduler's backend too.
    path = f"/v1/vips/{SCHED_VIP}/ports/tcp/80/backends/10.99.0.2"
    wait_for("changes are taken", lambda: bed.request("PATCH", path, {"admin": "down"})[0] == 200)
    os.kill(bed.parent_pid(), signal.SIGKILL)
    wait_for("an answer", lambda: is_there(bed))
    wait_for("the list", lambda: bed.request("GET", path)[0] == 200)
    assert bed.request("GET", path)[2]["override"] == "down"
    wait_for("it goes on", lambda: bed.nlbd.vip(LOCAL).get("tag") == 1003)


def is_there(bed):
    try:
        answer = bed.request("GET", f"/v1/vips/{LOCAL}?view=config")
    except (OSError, ValueError):
        return None
    return answer if answer[0] == 200 else None


def test_scheduler_names_a_local_vip(bed):
    mine = {
        "id": "mine",
        "address": LOCAL,
        "ports": [{"protocol": "tcp", "port": 80, "backends": []}],
    }
    bed.write_vips(bed.sched_vips + [mine])
    wait_for("the report", lambda: bed.reported().get(LOCAL) == "failed")
    assert bed.request("GET", f"/v1/vips/{LOCAL}")[2]["owner"] == "local"
    refused = bed.request("GET", "/v1/status")[2]["refused"]
    assert [r["id"] for r in refused] == ["mine"], refused
    bed.write_vips(bed.sched_vips)
    wait_for("the report", lambda: LOCAL not in bed.reported())


def test_nlbctl(bed):
    done = bed.ctl("vip", "get", LOCAL)
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    file = os.path.join(bed.dir, "vip.json")
    with open(file, "w", encoding="utf-8") as out:
        json.dump(config, out)
    assert json.loads(bed.ctl("vip", "set", file).stdout) == {"status": "unchanged"}
    changes = {
        "vip": LOCAL,
        "protocol": "tcp",
        "port": 80,
        "backends": [{"address": "10.0.0.2", "admin": "down"}],
    }
    with open(file, "w", encoding="utf-8") as out:
        json.dump({"services": [changes]}, out)
    assert json.loads(bed.ctl("backends", file).stdout)["changed"] == 1
    assert bed.ctl("reset", LOCAL, "tcp", "80", "10.0.0.2").returncode == 0
    assert json.loads(bed.ctl("vip", "get", LOCAL).stdout) == config
    assert bed.ctl("vip", "set", "/nonexistent").returncode == 1


def test_no_scheduler(bed):
    """Only local VIPs: the list's leave, these stay, and none is told gone that stays."""
    assert bed.stop_agent() == 0
    with open(bed.conf, encoding="utf-8") as conf:
        text = re.sub(r"url = .*", "url = none", conf.read())
    with open(bed.conf, "w", encoding="utf-8") as conf:
        conf.write(text)
    bed.nlbd.forget()
    bed.start_agent()
    wait_for("an answer", lambda: is_there(bed))
    wait_for("the list's one is gone", lambda: bed.nlbd.synced and not bed.nlbd.vip(SCHED_VIP))
    wait_for("the local one", lambda: bed.nlbd.vip(LOCAL).get("tag") == 1003)
    assert LOCAL not in [g["address"] for g in bed.nlbd.told("gone")]
    assert bed.request("GET", "/v1/health")[0] == 200
    assert bed.request("GET", "/v1/status")[2]["scheduler"]["url"] == "none"
    assert bed.ctl("vip", "delete", LOCAL).returncode == 0
    wait_for("all of it gone", lambda: bed.request("GET", f"/v1/vips/{LOCAL}")[0] == 404)
    status, headers, body = bed.request("GET", "/v1/vips")
    assert status == 200 and LOCAL not in [v["address"] for v in body["vips"]], body


def test_health_503(bed):
    nsenv.run("ip", "-n", bed.namespace, "link", "del", "nlb0")
    wait_for("the alarm", lambda: bed.request("GET", "/v1/health")[0] == 503)
    op = bed.spec.doc["paths"]["/v1/health"]["get"]
    bed.spec.check("503", op, *bed.request("GET", "/v1/health"))


TESTS = [
    test_served_is_described,
    test_examples,
    test_client_errors,
    test_no_error_changed_anything,
    test_node_errors,
    test_page_names_all,
    test_kill_9_after_the_answer,
    test_scheduler_names_a_local_vip,
    test_nlbctl,
    test_no_scheduler,
    test_health_503,
]


def set_up(bed):
    import test_agent

    bed.namespace = test_agent.NS_LB
    bed.up()
    with open(bed.conf, "a", encoding="utf-8") as conf:
        conf.write(f"[dataplane]\nmax-vips = {MAX_VIPS}\n")
    port = {"protocol": "tcp", "port": 80, "backends": [{"address": "10.99.0.2"}]}
    bed.sched_vips = [{"id": "s", "address": SCHED_VIP, "ports": [port]}]
    bed.write_vips(bed.sched_vips)
    bed.start_agent()
    bed.request = Api(bed.api)
    wait_for("the scheduler's VIP", lambda: bed.nlbd.is_ready(SCHED_VIP, 1))


def main():
    try:
        import jsonschema
        import yaml
    except ImportError as err:
        return nsenv.skip_all(f"needs python3-jsonschema and python3-yaml: {err}")

    def make_bed():
        bed = Bed()
        bed.capture = None
        bed.spec = Spec(yaml, jsonschema)
        return bed

    return nsenv.run_tests(TESTS, make_bed, set_up, (jsonschema.ValidationError,))


if __name__ == "__main__":
    sys.exit(main())
