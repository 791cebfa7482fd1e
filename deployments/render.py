"""Prints the manifests of a place, ready for `kubectl apply -f -`: `python -m deployments.render small`.

The folders under deployments/kubernetes are plain manifests with kustomizations beside them. This reads the
part of the kustomization format that those use (resources, components, strategic merge patches, images,
ConfigMaps of files, namespace) and refuses the rest, so that `kubectl kustomize deployments/kubernetes/small`
says the same for those who have it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
KUBERNETES = Path(__file__).resolve().parent / "kubernetes"
PLACES = ("small", "production")

_UNDERSTOOD = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "patches",
    "images",
    "configMapGenerator",
    "generatorOptions",
}
_IMAGE_FIELDS = {"name", "newName", "newTag", "digest"}
_CLUSTER_WIDE = {"Namespace", "PriorityClass"}
_MERGED_BY = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "topologySpreadConstraints": "topologyKey",
}
"""Lists that Kubernetes merges by a key of their entries. All others are replaced whole."""


def render(place: str) -> list[Json]:
    """The manifests of a place, in the order of its kustomization.

    Args:
        place: Name of a folder under deployments/kubernetes, for example "small".

    Raises:
        SystemExit: There is no such place, or a kustomization says what this does not understand.
    """
    folder = KUBERNETES / place
    if not (folder / "kustomization.yaml").is_file():
        raise SystemExit(f"There is no place {place!r}: choose one of {', '.join(PLACES)}.")
    return build(folder)


def build(folder: Path) -> list[Json]:
    """The manifests that a folder's kustomization describes."""
    wishes = _kustomization(folder)
    found = [each for name in wishes.get("resources", ()) for each in _resource(folder / name)]
    found += [_config_map(folder, each) for each in wishes.get("configMapGenerator", ())]
    for patch in wishes.get("patches", ()):
        for change in documents(folder / patch["path"]):
            _patch(found, change, folder / patch["path"])
    if namespace := wishes.get("namespace"):
        for each in found:
            if each["kind"] not in _CLUSTER_WIDE:
                each["metadata"]["namespace"] = namespace
    for name in ("", *wishes.get("components", ())):
        found_pins = pins((folder / name).resolve())
        for container in (one for each in found for one in containers(each)):
            container["image"] = pinned(container["image"], found_pins)
    return found


def documents(path: Path) -> list[Json]:
    """The YAML documents of a file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def pins(folder: Path) -> dict[str, Json]:
    """The entries of a kustomization's `images` by the names that manifests use.

    Args:
        folder: Folder of the kustomization; for ours, deployments/kubernetes/images.
    """
    entries = _kustomization(folder).get("images", ())
    for entry in entries:
        if unknown := set(entry) - _IMAGE_FIELDS:
            raise SystemExit(
                f"Image {entry['name']} says {', '.join(sorted(unknown))}: render.py knows no such key."
            )
    return {entry["name"]: entry for entry in entries}


def pinned(image: str, entries: Mapping[str, Json]) -> str:
    """An image's full name, with its digest where one is set, else with its tag.

    Args:
        image: Name as a manifest has it, for example "fair-models/training".
        entries: What `pins` gives.
    """
    if image not in entries:
        return image
    pin = entries[image]
    name = pin.get("newName", image)
    return f"{name}@{pin['digest']}" if pin.get("digest") else f"{name}:{pin['newTag']}"


def containers(manifest: Json) -> Iterator[Json]:
    """All containers of a manifest, those that prepare the pod first."""
    spec = pod_spec(manifest)
    yield from spec.get("initContainers", ())
    yield from spec.get("containers", ())


def pod_spec(manifest: Json) -> Json:
    """The specification of the pods that a manifest asks for; empty where it asks for none."""
    spec: Json = manifest.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    found: Json = spec.get("template", {}).get("spec", {})
    return found


def _kustomization(folder: Path) -> Json:
    [wishes] = documents(folder / "kustomization.yaml")
    unknown = sorted(set(wishes) - _UNDERSTOOD)
    if unknown:
        raise SystemExit(
            f"{folder / 'kustomization.yaml'} says {', '.join(unknown)}: render.py knows no such key."
        )
    return wishes


def _resource(path: Path) -> list[Json]:
    return build(path) if path.is_dir() else documents(path)


def _config_map(folder: Path, entry: Json) -> Json:
    """Files as a ConfigMap, so that a script can be a file of its own."""
    data = {Path(name).name: (folder / name).read_text(encoding="utf-8") for name in entry["files"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": entry["name"]}, "data": data}


def _identity(manifest: Json) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _patch(manifests: list[Json], change: Json, source: Path) -> None:
    """Merge a change into the manifest of its kind and name; `$patch: delete` takes that out."""
    places = [index for index, each in enumerate(manifests) if _identity(each) == _identity(change)]
    if not places:
        raise SystemExit(f"{source} changes {' '.join(_identity(change))}, which does not exist.")
    [index] = places
    if change.get("$patch") == "delete":
        del manifests[index]
    else:
        manifests[index] = _merged(manifests[index], change)


def _merged(old: Any, new: Any, name: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        merged = dict(old)
        for key, value in new.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merged(old.get(key), value, key)
        return merged
    if isinstance(old, list) and isinstance(new, list) and name in _MERGED_BY:
        return _merged_entries(old, new, _MERGED_BY[name])
    return deepcopy(new)


def _merged_entries(old: list[Any], new: list[Any], key: str) -> list[Any]:
    merged = {entry[key]: entry for entry in old}
    for entry in new:
        name = entry[key]
        if entry.get("$patch") == "delete":
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), entry)
    return list(merged.values())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"Say which place: python -m deployments.render {'|'.join(PLACES)}")
    yaml.safe_dump_all(render(sys.argv[1]), sys.stdout, sort_keys=False, width=100)
