"""CycloneDX 1.6 bills of material that are the same for the same content."""

import json
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import programs

Component = dict[str, Any]


def component(purl_type: str, name: str, version: str, digest: str | None = None, **more: Any) -> Component:
    """A library; its purl is its reference."""
    qualifiers = more.pop("qualifiers", "")
    purl = f"pkg:{purl_type}/{quote(name, safe='')}@{quote(version, safe='')}{qualifiers}"
    body: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **more}
    if digest:
        body["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return body


def licence(text: str | None) -> dict[str, Any]:
    """The licence as it was declared; `/` is the old spelling of OR."""
    return {"licenses": [{"expression": text.replace("/", " OR ")}]} if text else {}


class Crates:
    """The workspace's dependencies, from `cargo metadata`."""

    def __init__(self, root: Path) -> None:
        command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={programs.TARGET}"]
        data = json.loads(subprocess.check_output(command, cwd=root))
        self.packages = {package["id"]: package for package in data["packages"]}
        self.edges = {
            node["id"]: sorted(
                edge["pkg"] for edge in node["deps"] if any(kind["kind"] is None for kind in edge["dep_kinds"])
            )
            for node in data["resolve"]["nodes"]
        }

    def of(self, program: str) -> tuple[Component, list[Component]]:
        """A program and the crates that it is made of."""
        start = next(id for id, package in self.packages.items() if package["name"] == program)
        seen, waiting = {start}, [start]
        while waiting:
            following = [id for id in self.edges[waiting.pop()] if id not in seen]
            seen.update(following)
            waiting += following
        return self._component(start), [self._component(id) for id in seen - {start}]

    def _component(self, id: str) -> Component:
        package = self.packages[id]
        return component("cargo", package["name"], package["version"], **licence(package["license"]))


def bill(program: Component, components: list[Component], epoch: int) -> str:
    """The document. Its serial number is a function of the rest, so that nothing in it is random."""
    ordered = sorted({part["bom-ref"]: part for part in components}.values(), key=lambda part: part["bom-ref"])
    main = {**program, "type": "container"}
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": main,
        },
        "components": ordered,
        "dependencies": [{"ref": main["bom-ref"], "dependsOn": [part["bom-ref"] for part in ordered]}],
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    return json.dumps(document, indent=1) + "\n"
