"""What `cdk synth` wrote: the stacks of a cloud assembly and the files that each needs in S3 before it is deployed."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # CDK's own: the same files give the same archive


@dataclass(frozen=True)
class FileAsset:
    """A file or folder that must be in a bucket under a key derived from its content."""

    source: Path
    packaging: str  # "file" or "zip"
    bucket: str
    key: str

    def read(self) -> bytes:
        """The bytes to upload: of the file, or of the folder as a zip, the same on every call."""
        if self.packaging == "file":
            return self.source.read_bytes()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(path for path in self.source.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(str(path.relative_to(self.source)), date_time=ZIP_TIME)
                entry.external_attr = 0o100644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
        return buffer.getvalue()


@dataclass(frozen=True)
class AssembledStack:
    """One stack of the assembly, ready to be deployed to one account and region."""

    name: str
    template: FileAsset
    assets: tuple[FileAsset, ...]  # its own template and those of its nested stacks included


def stacks_of(assembly: Path, account: str, region: str) -> Iterator[AssembledStack]:
    """The stacks of a cloud assembly, each after those that it depends on."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    done: set[str] = set()

    def in_order(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            for needed in artifacts[name].get("dependencies", []):
                yield from in_order(needed)
            yield name

    for start in artifacts:
        for name in in_order(start):
            artifact = artifacts[name]
            if artifact["type"] == "aws:cloudformation:stack":
                yield _stack(assembly, name, artifact, artifacts, account, region)


def _stack(
    assembly: Path, name: str, artifact: dict[str, Any], artifacts: dict[str, Any], account: str, region: str
) -> AssembledStack:
    assets: list[FileAsset] = []
    for needed in artifact.get("dependencies", []):
        if artifacts[needed]["type"] == "cdk:asset-manifest":
            manifest = json.loads((assembly / artifacts[needed]["properties"]["file"]).read_text())
            assets += [_asset(assembly, file, account, region) for file in manifest["files"].values()]
    own = (assembly / artifact["properties"]["templateFile"]).resolve()
    template = next(asset for asset in assets if asset.source.resolve() == own)
    return AssembledStack(artifact["properties"].get("stackName", name), template, tuple(assets))


def _asset(assembly: Path, file: dict[str, Any], account: str, region: str) -> FileAsset:
    (destination,) = file["destinations"].values()

    def settled(text: str) -> str:
        values = {"AWS::AccountId": account, "AWS::Region": region, "AWS::Partition": "aws"}
        for name, value in values.items():
            text = text.replace(f"${{{name}}}", value)
        return text

    return FileAsset(
        source=assembly / file["source"]["path"],
        packaging=file["source"].get("packaging", "file"),
        bucket=settled(destination["bucketName"]),
        key=settled(destination["objectKey"]),
    )
