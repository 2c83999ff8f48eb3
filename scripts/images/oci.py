"""An image as one tar: OCI's layout, and Docker's list of images beside it, as `docker save` writes them."""

import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar."""

    name: str
    path: Path
    digest: str
    size: int


def write(out: Path, reference: str, layers: list[Layer], config: dict[str, Any], epoch: int) -> str:
    """Writes the image; gives its digest, which is that of its manifest."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": created, "created_by": f"scripts/build-images: {layer.name}"} for layer in layers],
    }
    config_blob = _json(body)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config_blob),
        "layers": [
            {"mediaType": LAYER, "digest": f"sha256:{layer.digest}", "size": layer.size} for layer in layers
        ],
    }  # fmt: skip
    manifest_blob = _json(manifest)
    described = _descriptor(MANIFEST, manifest_blob) | {
        "platform": {"architecture": "amd64", "os": "linux"},
        "annotations": {
            # What containerd and Docker name it; others read the second.
            "io.containerd.image.name": f"docker.io/library/{reference}",
            "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
        },
    }
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}
    docker = [
        {
            "Config": _blob(hashlib.sha256(config_blob).hexdigest()),
            "RepoTags": [reference],
            "Layers": [_blob(layer.digest) for layer in layers],
        }
    ]
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), epoch)
            _add(archive, "index.json", _json(index), epoch)
            _add(archive, "manifest.json", _json(docker), epoch)
            for content in (manifest_blob, config_blob):
                _add(archive, _blob(hashlib.sha256(content).hexdigest()), content, epoch)
            for layer in layers:
                info = _info(_blob(layer.digest), layer.size, epoch)
                with layer.path.open("rb") as file:
                    archive.addfile(info, file)
        temporary.rename(out)
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(manifest_blob).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _info(name: str, size: int, epoch: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, epoch, 0o644
    return info


def _add(archive: tarfile.TarFile, name: str, content: bytes, epoch: int) -> None:
    archive.addfile(_info(name, len(content), epoch), io.BytesIO(content))
