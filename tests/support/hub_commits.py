"""The writing half of the small Hub: making repositories, and commits with small files inside and large ones by LFS."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, dict[str, Any]]


def write(hub: Any, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    """The answer to a POST or PUT; what is committed can be read from the hub afterwards."""
    if method == "PUT":
        return _stored(hub, path, body)
    if hub.write_token is not None and headers.get("authorization") != f"Bearer {hub.write_token}":
        return 401, {"error": "Invalid username or password."}
    if hub.write_status is not None:
        return hub.write_status, {"error": hub.write_error}
    route = urlsplit(path).path
    if route == "/api/repos/create":
        return _created(hub, json.loads(body))
    if route == "/api/validate-yaml":
        return 200, {"errors": [], "warnings": []}
    if route.endswith(".git/info/lfs/objects/batch"):
        return 200, _batch(hub, json.loads(body))
    repository, _, rest = route.removeprefix("/api/").partition("/preupload/")
    if rest:
        files = [{"path": file["path"], "uploadMode": _mode(file), "shouldIgnore": False} for file in _files(body)]
        return 200, {"files": files}
    repository, _, branch = route.removeprefix("/api/").partition("/commit/")
    return _committed(hub, repository, branch, body)


def _created(hub: Any, asked: dict[str, Any]) -> Answer:
    owner = f"{asked['organization']}/" if asked.get("organization") else ""
    name = f"{owner}{asked['name']}"
    hub.made[name] = asked
    if f"models/{name}" in hub.repositories:
        return 409, {"error": "You already created this model repo", "url": f"{hub.url}/{name}"}
    hub.add(f"models/{name}", {}, commit="empty")
    return 200, {"url": f"{hub.url}/{name}", "id": "1", "name": name}


def _files(body: bytes) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = json.loads(body)["files"]
    return files


def _mode(file: dict[str, Any]) -> str:
    return "lfs" if file["path"].endswith(".safetensors") else "regular"


def _batch(hub: Any, asked: dict[str, Any]) -> dict[str, Any]:
    objects = []
    for one in asked["objects"]:
        upload = {"actions": {"upload": {"href": f"{hub.cdn_url}/upload/{one['oid']}"}}}
        objects.append(one if one["oid"] in hub.uploaded else {**one, **upload})  # what is there needs no action
    return {"transfer": "basic", "objects": objects}


def _stored(hub: Any, path: str, body: bytes) -> Answer:
    oid = path.rpartition("/")[2]
    if hub.upload_status is not None:
        return hub.upload_status, {"error": "no"}
    if hashlib.sha256(body).hexdigest() != oid:
        return 400, {"error": "another content"}
    hub.uploaded[oid] = body
    return 200, {}


def _committed(hub: Any, repository: str, branch: str, body: bytes) -> Answer:
    lines = [json.loads(line) for line in body.splitlines() if line]
    held = hub.repositories[repository]
    files = dict(held.commits[held.branches[branch]])
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = hub.uploaded[value["oid"]]
    summary = next(line["value"]["summary"] for line in lines if line["key"] == "header")
    sha = hub.add(repository, files, commit=summary + str(len(held.commits)), branch=branch)
    name = repository.removeprefix("models/")
    return 200, {"success": True, "commitOid": sha, "commitUrl": f"{hub.url}/{name}/commit/{sha}", "hookOutput": ""}
