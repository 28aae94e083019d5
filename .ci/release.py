#!/usr/bin/env python3
"""What a release is made of, for .github/workflows/release.yml; each part runs anywhere.

    release.py check TAG                      that TAG is the version of Cargo.toml and CHANGELOG.md has its section
    release.py notes VERSION                  that section, which is the release's text
    release.py archive BINARY TARGET [--without-sandbox] --to FOLDER
    release.py sums FOLDER                    SHA256SUMS of the archives in FOLDER
    release.py formula FOLDER --base URL      the Homebrew formula for the archives in FOLDER, which are at URL
    release.py image FOLDER --to CONTEXT      what the Dockerfile copies, out of the Linux archives in FOLDER
    release.py next --title TEXT              the next patch version, with TEXT as its line in CHANGELOG.md
"""
import argparse
import datetime
import gzip
import hashlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What every archive holds beside the binary, its man pages and its completions.
PAPERS = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"]
COMPLETIONS = {"bash": "billctl.bash", "zsh": "_billctl", "fish": "billctl.fish", "powershell": "_billctl.ps1",
               "elvish": "billctl.elv"}
LINUX = {"amd64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
# Where systems keep the certificates that they trust: Debian and its kin, Fedora and its kin, macOS.
ROOTS = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]


def manifest():
    return tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]


def stem(version, target, without_sandbox=False):
    return f"billctl-{version}-{target}" + ("-without-sandbox" if without_sandbox else "")


def section_on(version):
    """The heading and the body of CHANGELOG.md's section on `version`."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    for section in sections:
        heading, _, body = section.partition("\n")
        if heading.split()[:1] == [version]:
            return heading, body.strip() + "\n"
    sys.exit(f"CHANGELOG.md has no section on {version}")


def check(tag):
    version = manifest()["version"]
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag}, Cargo.toml says {version}: tag v{version}, or change the version")
    heading, body = section_on(version)
    if not body.strip():
        sys.exit(f"CHANGELOG.md says nothing about {version}")
    if "unreleased" in heading:
        sys.exit(f"CHANGELOG.md calls {version} unreleased: put the date there")


def archive(binary, target, without_sandbox, folder):
    binary = pathlib.Path(binary).resolve()
    windows = "windows" in target
    name = stem(manifest()["version"], target, without_sandbox)
    files = {f"billctl{'.exe' if windows else ''}": (binary.read_bytes(), 0o755)}
    for paper in PAPERS:
        files[paper] = ((ROOT / paper).read_bytes(), 0o644)
    with tempfile.TemporaryDirectory() as pages:
        subprocess.run([binary, "man", "--dir", pages], check=True)
        for page in pathlib.Path(pages).iterdir():
            files[f"man/{page.name}"] = (page.read_bytes(), 0o644)
    for shell, file in COMPLETIONS.items():
        script = subprocess.run([binary, "completions", shell], check=True, capture_output=True).stdout
        files[f"completions/{file}"] = (script, 0o644)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{'zip' if windows else 'tar.gz'}"
    # The same files make the same archive: in order, and all of the commit's time.
    time = int(os.environ.get("SOURCE_DATE_EPOCH", "946684800"))
    if windows:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            for file, (content, mode) in sorted(files.items()):
                moment = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).timetuple()[:6]
                info = zipfile.ZipInfo(f"{name}/{file}", moment)
                info.external_attr = mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                made.writestr(info, content)
    else:
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=time) as packed, \
                tarfile.open(fileobj=packed, mode="w") as made:
            for file, (content, mode) in sorted(files.items()):
                info = tarfile.TarInfo(f"{name}/{file}")
                info.size, info.mode, info.mtime = len(content), mode, time
                made.addfile(info, io.BytesIO(content))
    print(path)


def archives(folder):
    found = sorted(path for path in pathlib.Path(folder).iterdir() if path.name.endswith((".tar.gz", ".zip")))
    if not found:
        sys.exit(f"{folder} has no archives")
    return found


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sums(folder):
    lines = [f"{digest(path)}  {path.name}\n" for path in archives(folder)]
    (pathlib.Path(folder) / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")


def formula(folder, base):
    package = manifest()
    described = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["description"]
    there = {path.name: path for path in archives(folder)}

    def place(target):
        name = stem(package["version"], target) + ".tar.gz"
        if name not in there:
            sys.exit(f"{folder} has no {name}")
        return f'      url "{base}/{name}"\n      sha256 "{digest(there[name])}"\n'

    def system(word, arm, intel):
        return (f"  on_{word} do\n    on_arm do\n{place(arm)}    end\n"
                f"    on_intel do\n{place(intel)}    end\n  end\n")

    # Homebrew wants less than 80 characters, and no article first.
    description = re.sub(r"^An? ", "", described).split(",")[0]
    print(f'''class Billctl < Formula
  desc "{description[:1].upper()}{description[1:]}"
  homepage "{package["repository"]}"
  version "{package["version"]}"
  license any_of: ["MIT", "Apache-2.0"]

{system("macos", "aarch64-apple-darwin", "x86_64-apple-darwin")}
{system("linux", LINUX["arm64"], LINUX["amd64"])}
  def install
    bin.install "billctl"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/billctl.bash" => "billctl"
    zsh_completion.install "completions/_billctl"
    fish_completion.install "completions/billctl.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/billctl --version")
  end
end''')


def image(folder, context):
    version, context = manifest()["version"], pathlib.Path(context)
    for architecture, target in LINUX.items():
        name = stem(version, target)
        path = pathlib.Path(folder) / f"{name}.tar.gz"
        # A machine with one archive makes one image.
        if not path.exists():
            continue
        place = context / "linux" / architecture
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path) as made:
            (place / "billctl").write_bytes(made.extractfile(f"{name}/billctl").read())
        (place / "billctl").chmod(0o755)
    if not (context / "linux").exists():
        sys.exit(f"{folder} has no archive for Linux")
    roots = [path for path in map(pathlib.Path, [os.environ.get("SSL_CERT_FILE", ""), *ROOTS]) if path.is_file()]
    if not roots:
        sys.exit("no certificates of authorities here: install ca-certificates, or set SSL_CERT_FILE")
    (context / "ca-certificates.crt").write_bytes(roots[0].read_bytes())


def following(title):
    """Raises the patch version, and writes `title` below a new heading of the changelog."""
    old = manifest()["version"]
    major, minor, patch = old.split(".")
    new = f"{major}.{minor}.{int(patch) + 1}"
    path = ROOT / "Cargo.toml"
    text = path.read_text(encoding="utf-8")
    # The workspace's own and the versions of its crates.
    path.write_text(text.replace(f'version = "{old}"\nedition', f'version = "{new}"\nedition').replace(
        f'", version = "{old}" }}', f'", version = "{new}" }}'), encoding="utf-8")
    path = ROOT / "CHANGELOG.md"
    head, mark, rest = path.read_text(encoding="utf-8").partition("\n## ")
    today = datetime.date.today().isoformat()
    path.write_text(f"{head}\n## {new} ({today})\n\n- {title}\n{mark}{rest}", encoding="utf-8")
    print(new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("check").add_argument("tag")
    parts.add_parser("notes").add_argument("version")
    made = parts.add_parser("archive")
    made.add_argument("binary")
    made.add_argument("target")
    made.add_argument("--without-sandbox", action="store_true")
    made.add_argument("--to", required=True)
    parts.add_parser("sums").add_argument("folder")
    brew = parts.add_parser("formula")
    brew.add_argument("folder")
    brew.add_argument("--base", required=True)
    context = parts.add_parser("image")
    context.add_argument("folder")
    context.add_argument("--to", required=True)
    parts.add_parser("next").add_argument("--title", required=True)
    given = parser.parse_args()
    match given.part:
        case "check":
            check(given.tag)
        case "notes":
            print(section_on(given.version)[1], end="")
        case "archive":
            archive(given.binary, given.target, given.without_sandbox, given.to)
        case "sums":
            sums(given.folder)
        case "formula":
            formula(given.folder, given.base)
        case "image":
            image(given.folder, given.to)
        case "next":
            following(given.title)


if __name__ == "__main__":
    main()
